// Helper threads: none before the first need, several after, and no kind of work holds up another.
#include <shale/core/linux/detail/helper_pool.hh>

#include <dirent.h>
#include <fcntl.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <fstream>

#include "driver.hh"
#include "temporary.hh"

namespace shale {
namespace {

/// Names and blocked-signal masks of this process's helper threads.
std::vector<std::pair<std::string, std::string>> helper_threads() {
    std::vector<std::pair<std::string, std::string>> found;
    DIR* tasks = ::opendir("/proc/self/task");
    while (const dirent* task = ::readdir(tasks)) {
        std::ifstream status(std::string("/proc/self/task/") + task->d_name + "/status");
        std::string name;
        for (std::string line; std::getline(status, line);) {
            if (line.starts_with("Name:\t")) {
                name = line.substr(6);
            } else if (line.starts_with("SigBlk:\t") && name.starts_with("helper-")) {
                found.emplace_back(name, line.substr(8));
            }
        }
    }
    ::closedir(tasks);
    std::ranges::sort(found);
    return found;
}

/// A read that a helper blocks in until the other end writes or goes.
struct blocking_read {
    blocking_read() : read(io_op::read) {
        EXPECT_EQ(::pipe2(ends.data(), O_CLOEXEC), 0);
        read.fd = ends[0];
        read.data = &byte;
        read.size = 1;
        read.offset = ~std::uint64_t{0};  // preadv2: at the current position, which is what a pipe has
    }
    ~blocking_read() {
        ::close(ends[0]);
        ::close(ends[1]);
    }
    void release() { EXPECT_EQ(::write(ends[1], "x", 1), 1); }

    std::array<int, 2> ends{};
    char byte = 0;
    operation read;
};

TEST(helper_pool, starts_no_thread_before_it_is_needed) {
    driver d;
    for (int i = 0; i < 100; ++i) {
        d.turn();
    }
    EXPECT_EQ(helper_threads().size(), 0u);
    EXPECT_EQ(d.open("/dev/null", O_RDONLY) >= 0, true);
    const auto threads = helper_threads();
    ASSERT_EQ(threads.size(), 1u);
    EXPECT_EQ(threads[0].first, "helper-0");
}

TEST(helper_pool, blocks_all_signals_in_its_threads) {
    driver d;
    d.open("/dev/null", O_RDONLY);
    for (const auto& [name, blocked] : helper_threads()) {
        // All but SIGKILL and SIGSTOP, and the two that the C library keeps for itself.
        EXPECT_EQ(std::stoull(blocked, nullptr, 16) | 0x1'8004'0100, 0xffff'ffff'ffff'ffff & ~0ull) << blocked;
    }
}

TEST(helper_pool, never_lets_slow_calls_hold_up_an_open) {
    driver d({}, pastime::sleep);
    std::array<blocking_read, 8> slow;
    for (blocking_read& each : slow) {
        d.submit(each.read);
    }
    for (int i = 0; i < 20; ++i) {
        EXPECT_GE(d.open("/dev/null", O_RDONLY), 0);
    }
    for (blocking_read& each : slow) {
        EXPECT_FALSE(each.read.done());
        each.release();
    }
    EXPECT_TRUE(d.until([&] { return std::ranges::all_of(slow, [](const auto& each) { return each.read.done(); }); }));
    for (const blocking_read& each : slow) {
        EXPECT_EQ(each.read.result, 1);
        EXPECT_EQ(each.read.completions, 1);
    }
    EXPECT_LE(helper_threads().size(), 4u);
}

TEST(helper_pool, takes_back_what_no_helper_has_begun) {
    driver d({}, pastime::sleep);
    std::array<blocking_read, 8> slow;
    for (blocking_read& each : slow) {
        d.submit(each.read);
    }
    operation cancel(io_op::cancel);
    cancel.extra = &slow[7].read;
    EXPECT_EQ(d.run(cancel), 0);
    EXPECT_EQ(slow[7].read.result, -ECANCELED);
    for (blocking_read& each : slow) {
        each.release();
    }
    EXPECT_TRUE(d.until([&] { return std::ranges::all_of(slow, [](const auto& each) { return each.read.done(); }); }));
    EXPECT_EQ(slow[7].read.completions, 1);
}

TEST(helper_pool, says_when_it_is_too_late_to_take_a_call_back) {
    driver d({}, pastime::sleep);
    blocking_read slow;
    d.submit(slow.read);
    while (helper_threads().empty()) {
    }
    // Whether the helper has begun is a race; the answer and the outcome must agree.
    operation cancel(io_op::cancel);
    cancel.extra = &slow.read;
    const int answer = d.run(cancel);
    EXPECT_TRUE(answer == 0 || answer == -EALREADY) << answer;
    slow.release();
    EXPECT_TRUE(d.until([&] { return slow.read.done(); }));
    EXPECT_EQ(slow.read.result, answer == 0 ? -ECANCELED : 1);
}

TEST(helper_pool, completes_thousands_from_several_threads_each_once) {
    driver d({}, pastime::sleep);
    temporary_directory directory;
    const std::string path = directory.path();
    std::vector<std::unique_ptr<operation>> stats;
    struct statx about {};
    std::vector<struct statx> results(3000, about);
    for (std::size_t i = 0; i < results.size(); ++i) {
        stats.push_back(std::make_unique<operation>(i % 2 == 0 ? io_op::stat : io_op::sync_dir, -1,
                                                    const_cast<char*>(path.c_str())));
        stats.back()->extra = &results[i];
        d.submit(*stats.back());
        if (i % 7 == 0) {
            d.turn();
        }
    }
    ASSERT_TRUE(d.until([&] { return std::ranges::all_of(stats, [](const auto& o) { return o->done(); }); }));
    for (const auto& each : stats) {
        EXPECT_EQ(each->result, 0);
        EXPECT_EQ(each->completions, 1);
    }
}

TEST(helper_pool, ends_with_work_still_queued) {
    // Nobody may be stuck: the reads under way are let go from another thread's end of the pipe.
    std::array<blocking_read, 8> slow;
    {
        driver d;
        for (blocking_read& each : slow) {
            d.submit(each.read);
        }
        for (blocking_read& each : slow) {
            each.release();
        }
    }
    EXPECT_EQ(helper_threads().size(), 0u);
}

}  // namespace
}  // namespace shale
