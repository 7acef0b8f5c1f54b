// Counting runs, in processes of their own. See exhaustive.hh.
#include <gtest/gtest.h>

#include <fmt/format.h>

#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <new>

#include <shale/core/base/assert.hh>

#include "exhaustive.hh"

namespace shale::kv::exhaustive {

struct tally::shared {
    std::uint64_t runs = 0;
    std::uint64_t failures = 0;
    std::array<std::uint64_t, 8> counts{};
    char where[1024] = {};
    char text[std::size_t{64} << 10] = {};
};

tally::tally(std::string what) : what_(std::move(what)) {
    void* const mapped = ::mmap(nullptr, sizeof(shared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    SHALE_ASSERT(mapped != MAP_FAILED, "no memory for the tally: errno {}", errno);
    shared_ = ::new (mapped) shared;
}

tally::~tally() {
    ::munmap(shared_, sizeof(shared));
}

bool tally::go_on() const noexcept {
    return shared_->failures < failures_max;
}

void tally::fail(const std::string& what) {
    ++shared_->failures;
    const std::size_t used = std::strlen(shared_->text);
    const auto end =
        fmt::format_to_n(shared_->text + used, sizeof(shared_->text) - used - 1, "{}: {}\n", shared_->where, what);
    *end.out = 0;
}

void tally::run(const std::string& where, const std::function<void()>& one) {
    if (!go_on()) {
        return;
    }
    ++shared_->runs;
    *fmt::format_to_n(shared_->where, sizeof(shared_->where) - 1, "{}", where).out = 0;
    try {
        one();
    } catch (const std::exception& error) {
        fail(error.what());
    }
}

void tally::in_child(const std::function<void()>& part) {
    if (!go_on()) {
        return;
    }
    std::fflush(nullptr);
    // Servers that fail say so, thousands of times; it is only of interest when one crashes.
    std::FILE* const said = std::tmpfile();
    SHALE_ASSERT(said != nullptr, "no file for what is said: errno {}", errno);
    const pid_t child = ::fork();
    SHALE_ASSERT(child >= 0, "fork: errno {}", errno);
    if (child == 0) {
        ::dup2(::fileno(said), STDERR_FILENO);
        ::prctl(PR_SET_THP_DISABLE, 1, 0, 0, 0);  // each server would have 2 MiB zeroed for its first large read
        try {
            part();
        } catch (const std::exception& error) {
            fail(error.what());
        }
        ::_exit(0);
    }
    int status = 0;
    ::waitpid(child, &status, 0);
    if (status != 0) {
        std::array<char, 2000> last{};
        const std::int64_t size = ::lseek(::fileno(said), 0, SEEK_END);
        (void)::pread(::fileno(said), last.data(), last.size() - 1, std::max<std::int64_t>(0, size - 1999));
        fail(fmt::format("the process ended with status {:#x}: {}", status, last.data()));
    }
    (void)std::fclose(said);
}

void tally::add(unsigned which, std::uint64_t count) noexcept {
    shared_->counts[which] += count;
}

std::uint64_t tally::count(unsigned which) const noexcept {
    return shared_->counts[which];
}

void tally::finish(const std::string& how) {
    EXPECT_EQ(shared_->failures, 0U) << shared_->text;
    EXPECT_GT(shared_->runs, 0U);
    fmt::print("{}: {} = {} runs\n", what_, how, shared_->runs);
}

bool all_of_it() {
    const char* const text = std::getenv("SHALE_EXHAUSTIVE");
    return text != nullptr && std::string_view(text) != "0";
}

unsigned slowness() noexcept {
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
    return 10;
#else
    return 1;
#endif
}

}  // namespace shale::kv::exhaustive
