// system_failure: one whole sentence, the errno said once, caught as std::system_error.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <shale/core/base/error.hh>

#include <cerrno>
#include <exception>

namespace {

using namespace shale;

TEST(system_failure, says_what_failed_and_why_in_one_line) {
    const auto failure = make_system_error(EACCES, "open of {}", "/data/kv.log");
    EXPECT_STREQ(failure.what(), "open of /data/kv.log: Permission denied (EACCES)");
}

TEST(system_failure, puts_the_advice_last) {
    const auto failure = make_system_error(ENOSPC, "write of {} bytes", 4096).advise("Free some space.");
    EXPECT_STREQ(failure.what(), "write of 4096 bytes: No space left on device (ENOSPC). Free some space.");
    EXPECT_EQ(failure.code().value(), ENOSPC);
}

TEST(system_failure, takes_a_second_piece_of_advice_as_a_sentence_of_its_own) {
    const auto failure = make_system_error(EADDRINUSE, "listen").advise("Stop the other.").advise("Or choose a port.");
    EXPECT_TRUE(std::string_view(failure.what()).ends_with("(EADDRINUSE). Stop the other. Or choose a port."))
        << failure.what();
}

TEST(system_failure, says_the_errno_once) {
    const std::string line = make_system_error(EIO, "read").what();
    EXPECT_EQ(line.find("Input/output error"), line.rfind("Input/output error"));
}

TEST(system_failure, is_compared_by_code) {
    try {
        throw_system_error(ENOENT, "stat of {}", "x");
    } catch (const std::system_error& error) {
        EXPECT_EQ(error.code(), std::errc::no_such_file_or_directory);
        EXPECT_STREQ(error.what(), "stat of x: No such file or directory (ENOENT)");
    }
}

TEST(system_failure, takes_a_negative_errno_as_requests_return_it) {
    EXPECT_EQ(make_system_error(-EAGAIN, "x").code().value(), EAGAIN);
    EXPECT_STREQ(make_system_error(-EAGAIN, "x").what(), make_system_error(EAGAIN, "x").what());
}

TEST(system_failure, keeps_its_line_through_an_exception_pointer) {
    const auto pointer = std::make_exception_ptr(make_system_error(EBADF, "fsync of fd {}", 3));
    try {
        std::rethrow_exception(pointer);
    } catch (const std::exception& error) {
        EXPECT_STREQ(error.what(), "fsync of fd 3: Bad file descriptor (EBADF)");
    }
}

TEST(system_failure, copies_without_throwing) {
    static_assert(std::is_nothrow_copy_constructible_v<system_failure>);
    const system_failure failure = make_system_error(EIO, "x");
    const system_failure copy = failure;
    EXPECT_STREQ(copy.what(), failure.what());
}

TEST(system_failure, takes_braces_in_values_literally) {
    EXPECT_THAT(make_system_error(EIO, "key {}", "{0}{}").what(), testing::StartsWith("key {0}{}: "));
}

TEST(errno_of, gives_the_number_and_the_words_of_a_failure_that_is_held) {
    const auto full = std::make_exception_ptr(make_system_error(ENOSPC, "write of 7 bytes to /a"));
    EXPECT_EQ(errno_of(full), ENOSPC);
    EXPECT_STREQ(message_of(full), "write of 7 bytes to /a: No space left on device (ENOSPC)");
    EXPECT_EQ(errno_of(std::make_exception_ptr(std::runtime_error("other"))), 0);
    EXPECT_STREQ(message_of(std::make_exception_ptr(std::runtime_error("other"))), "other");
    EXPECT_EQ(errno_of(std::make_exception_ptr(7)), 0);
    EXPECT_STREQ(message_of(std::make_exception_ptr(7)), "an exception that is no std::exception");
}

TEST(errno_name, names_known_numbers_and_numbers_the_others) {
    EXPECT_EQ(errno_name(EINVAL), "EINVAL");
    EXPECT_EQ(errno_name(-EINVAL), "EINVAL");
    EXPECT_EQ(errno_name(12345), "errno 12345");
    EXPECT_EQ(errno_name(0), "errno 0");
}

}  // namespace
