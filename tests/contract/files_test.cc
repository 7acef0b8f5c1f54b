// Reading and writing files that were not opened for direct I/O: how much is transferred, what stands there afterwards,
// vectors, and the flushes.
#include <fcntl.h>
#include <sys/uio.h>

#include <algorithm>
#include <cerrno>
#include <vector>

#include "contract.hh"

namespace shale::contract {
namespace {

class files_contract : public contract_case {
protected:
    int fd = opened("file", O_CREAT | O_RDWR);

    int writev(std::vector<iovec> parts, std::uint64_t offset = 0) {
        return run(io_op::writev, fd, parts.data(), parts.size(), offset);
    }
    int readv(std::vector<iovec> parts, std::uint64_t offset = 0) {
        return run(io_op::readv, fd, parts.data(), parts.size(), offset);
    }
};
INSTANTIATE_TEST_SUITE_P(, files_contract, all_sides(), name_of);

TEST_P(files_contract, reads_what_was_written) {
    EXPECT_EQ(write(fd, "hello, world", 100), 12);
    EXPECT_EQ(read(fd, 12, 100), "hello, world");
    EXPECT_EQ(read(fd, 5, 107), "world");
}

TEST_P(files_contract, a_read_is_short_at_the_end_of_the_file) {
    EXPECT_EQ(write(fd, "0123456789"), 10);
    EXPECT_EQ(read(fd, 1000, 4), "456789");
    EXPECT_EQ(read(fd, 1000, 9), "9");
}

TEST_P(files_contract, a_read_at_or_beyond_the_end_gives_nothing) {
    EXPECT_EQ(read(fd, 10), "");
    EXPECT_EQ(write(fd, "0123456789"), 10);
    EXPECT_EQ(read(fd, 10, 10), "");
    EXPECT_EQ(read(fd, 10, 1'000'000'000'000), "");
}

TEST_P(files_contract, a_read_leaves_the_rest_of_the_buffer_alone) {
    EXPECT_EQ(write(fd, "abc"), 3);
    std::string into(10, '.');
    EXPECT_EQ(run(io_op::read, fd, into.data(), into.size()), 3);
    EXPECT_EQ(into, "abc.......");
}

TEST_P(files_contract, a_write_beyond_the_end_leaves_a_hole_of_zeros) {
    EXPECT_EQ(write(fd, "begin"), 5);
    EXPECT_EQ(write(fd, "end", 100'000), 3);
    EXPECT_EQ(size_of(fd), 100'003u);
    EXPECT_EQ(read(fd, 200'000), "begin" + std::string(99'995, '\0') + "end");
}

TEST_P(files_contract, a_write_in_the_middle_changes_nothing_else) {
    EXPECT_EQ(write(fd, std::string(10'000, 'a')), 10'000);
    EXPECT_EQ(write(fd, "bbb", 4095), 3);
    EXPECT_EQ(size_of(fd), 10'000u);
    EXPECT_EQ(read(fd, 10'000), std::string(4095, 'a') + "bbb" + std::string(5902, 'a'));
}

TEST_P(files_contract, transfers_of_nothing_are_0) {
    EXPECT_EQ(write(fd, "", 500), 0);
    EXPECT_EQ(size_of(fd), 0u) << "a write of nothing does not extend";
    EXPECT_EQ(read(fd, 0), "");
}

TEST_P(files_contract, transfers_on_bad_descriptors_are_ebadf) {
    char byte = 'x';
    iovec part{&byte, 1};
    for (const int bad : {-1, 987'654}) {
        EXPECT_EQ(run(io_op::read, bad, &byte, 1), -EBADF);
        EXPECT_EQ(run(io_op::write, bad, &byte, 1), -EBADF);
        EXPECT_EQ(run(io_op::readv, bad, &part, 1), -EBADF);
        EXPECT_EQ(run(io_op::writev, bad, &part, 1), -EBADF);
    }
}

TEST_P(files_contract, negative_offsets_are_einval) {
    const std::uint64_t negative = ~std::uint64_t{0} - 4095;
    EXPECT_EQ(write(fd, "x", negative), -EINVAL);
    EXPECT_EQ(read(fd, 1, negative), "error " + std::to_string(EINVAL));
}

TEST_P(files_contract, a_directory_cannot_be_read_as_a_file) {
    ASSERT_EQ(mkdir(path("folder")), 0);
    const int folder = opened("folder", O_RDONLY);
    EXPECT_EQ(read(folder, 10), "error " + std::to_string(EISDIR));
    EXPECT_EQ(write(folder, "x"), -EBADF);
}

TEST_P(files_contract, two_descriptors_see_one_file) {
    const int other = opened("file", O_RDWR);
    EXPECT_EQ(write(fd, "one"), 3);
    EXPECT_EQ(write(other, "two", 3), 3);
    EXPECT_EQ(read(fd, 10), "onetwo");
    EXPECT_EQ(read(other, 10), "onetwo");
    EXPECT_EQ(size_of(other), 6u);
}

TEST_P(files_contract, shards_share_descriptors) {
    char hello[] = "hello";
    EXPECT_EQ(run(io_op::write, fd, hello, 5, 0, nullptr, 1), 5);
    EXPECT_EQ(read(fd, 10), "hello");
    EXPECT_EQ(run(io_op::fsync, fd, nullptr, 0, 0, nullptr, 1), 0);
    const std::string where = path("file");
    operation open(io_op::open, -1, text(where), O_RDWR);
    const int other = keep(run(open, 1));
    EXPECT_EQ(read(other, 10), "hello");
}

TEST_P(files_contract, append_writes_at_the_end_whatever_the_offset) {
    const int end = opened("file", O_RDWR | O_APPEND);
    EXPECT_EQ(write(end, "one", 0), 3);
    EXPECT_EQ(write(end, "two", 0), 3);
    EXPECT_EQ(write(end, "three", 1'000'000), 5);
    EXPECT_EQ(read(fd, 100), "onetwothree");
    EXPECT_EQ(write(fd, "ONE"), 3);
    EXPECT_EQ(read(end, 100), "ONEtwothree") << "reads go where they are told";
}

TEST_P(files_contract, appends_of_many_requests_are_all_there) {
    const int end = opened("file", O_WRONLY | O_APPEND);
    std::string letters = "abcdefghijklmnopqrstuvwxyz";
    std::vector<std::unique_ptr<operation>> writes;
    for (char& letter : letters) {
        writes.push_back(std::make_unique<operation>(io_op::write, end, &letter, 1));
        submit(*writes.back());
    }
    for (auto& o : writes) {
        EXPECT_EQ(finish(*o), 1);
    }
    std::string found = read(fd, 100);
    std::sort(found.begin(), found.end());
    EXPECT_EQ(found, letters);
}

TEST_P(files_contract, dsync_writes_count_like_others) {
    std::string data = "durable";
    operation o(io_op::write, fd, data.data(), data.size());
    o.rw_flags = RWF_DSYNC;
    EXPECT_EQ(run(o), 7);
    const int synced = opened("file", O_RDWR | O_DSYNC);
    EXPECT_EQ(write(synced, " too", 7), 4);
    EXPECT_EQ(read(fd, 100), "durable too");
}

TEST_P(files_contract, unknown_transfer_flags_are_refused) {
    std::string data = "x";
    operation o(io_op::write, fd, data.data(), data.size());
    o.rw_flags = 0x4000;
    EXPECT_EQ(run(o), -EOPNOTSUPP);
    EXPECT_EQ(size_of(fd), 0u);
}

TEST_P(files_contract, an_unlinked_file_lives_until_it_is_closed) {
    EXPECT_EQ(write(fd, "content"), 7);
    ASSERT_EQ(unlink(path("file")), 0);
    EXPECT_EQ(read(fd, 100), "content");
    EXPECT_EQ(write(fd, "!", 7), 1);
    EXPECT_EQ(size_of(fd), 8u);
    put("file", "another");
    EXPECT_EQ(read(fd, 100), "content!");
    EXPECT_EQ(close(fd), 0);
    EXPECT_EQ(get("file"), "another");
}

TEST_P(files_contract, a_descriptor_follows_a_renamed_file) {
    ASSERT_EQ(rename(path("file"), path("renamed")), 0);
    EXPECT_EQ(write(fd, "content"), 7);
    EXPECT_EQ(get("renamed"), "content");
}

TEST_P(files_contract, large_transfers_are_whole) {
    std::string data(4 << 20, ' ');
    for (std::size_t i = 0; i < data.size(); ++i) {
        data[i] = static_cast<char>(i * 2654435761U >> 24);
    }
    EXPECT_EQ(write(fd, data, 12'345), 4 << 20);
    EXPECT_EQ(read(fd, data.size(), 12'345), data);
}

TEST_P(files_contract, writev_gathers) {
    char one[] = "one ";
    char two[] = "two ";
    char three[] = "three";
    EXPECT_EQ(writev({{one, 4}, {two, 4}, {three, 5}}, 10), 13);
    EXPECT_EQ(read(fd, 100, 10), "one two three");
}

TEST_P(files_contract, readv_scatters_and_is_short_at_the_end) {
    EXPECT_EQ(write(fd, "0123456789"), 10);
    std::string a(4, '.');
    std::string b(4, '.');
    std::string c(4, '.');
    EXPECT_EQ(readv({{a.data(), 4}, {b.data(), 4}, {c.data(), 4}}, 1), 9);
    EXPECT_EQ(a + b + c, "123456789...");
    EXPECT_EQ(readv({{a.data(), 4}, {b.data(), 4}}, 10), 0);
}

TEST_P(files_contract, vectors_may_hold_empty_parts) {
    char one[] = "one";
    char two[] = "two";
    EXPECT_EQ(writev({{nullptr, 0}, {one, 3}, {nullptr, 0}, {two, 3}, {nullptr, 0}}), 6);
    std::string into(6, '.');
    EXPECT_EQ(readv({{into.data(), 3}, {nullptr, 0}, {into.data() + 3, 3}}), 6);
    EXPECT_EQ(into, "onetwo");
    EXPECT_EQ(writev({{nullptr, 0}, {nullptr, 0}}, 100), 0);
    EXPECT_EQ(size_of(fd), 6u);
}

TEST_P(files_contract, vectors_may_have_no_part) {
    iovec unused{};
    EXPECT_EQ(run(io_op::readv, fd, &unused, 0), 0);
    EXPECT_EQ(run(io_op::writev, fd, &unused, 0), 0);
}

TEST_P(files_contract, vectors_have_1024_parts_at_most) {
    std::string data(1025, ' ');
    std::vector<iovec> parts;
    for (std::size_t i = 0; i < 1024; ++i) {
        data[i] = static_cast<char>('a' + i % 26);
        parts.push_back({&data[i], 1});
    }
    EXPECT_EQ(writev(parts), 1024);
    EXPECT_EQ(read(fd, 2000), data.substr(0, 1024));
    std::string into(1025, '.');
    for (std::size_t i = 0; i < 1024; ++i) {
        parts[i].iov_base = &into[1023 - i];
    }
    EXPECT_EQ(readv(parts), 1024);
    EXPECT_EQ(std::string(into.rbegin() + 1, into.rend()), data.substr(0, 1024));
    parts.push_back({&data[1024], 1});
    EXPECT_EQ(writev(parts), -EINVAL);
    EXPECT_EQ(readv(parts), -EINVAL);
}

TEST_P(files_contract, flushes_are_0_on_whatever_is_open) {
    EXPECT_EQ(run(io_op::fsync, fd), 0);
    EXPECT_EQ(run(io_op::fdatasync, fd), 0);
    EXPECT_EQ(write(fd, "content"), 7);
    EXPECT_EQ(run(io_op::fdatasync, fd), 0);
    EXPECT_EQ(run(io_op::fsync, fd), 0);
    const int reader = opened("file", O_RDONLY);
    EXPECT_EQ(run(io_op::fsync, reader), 0);
    EXPECT_EQ(run(io_op::fdatasync, reader), 0);
}

TEST_P(files_contract, a_directory_can_be_flushed) {
    const int folder = opened("", O_RDONLY | O_DIRECTORY);
    EXPECT_EQ(run(io_op::fsync, folder), 0);
    EXPECT_EQ(run(io_op::fdatasync, folder), 0);
}

TEST_P(files_contract, flushes_of_bad_descriptors_are_ebadf) {
    for (const int bad : {-1, 987'654}) {
        EXPECT_EQ(run(io_op::fsync, bad), -EBADF);
        EXPECT_EQ(run(io_op::fdatasync, bad), -EBADF);
    }
}

}  // namespace
}  // namespace shale::contract
