// The explorer itself: it finds what the C++ memory model allows in the classic two-thread programs, and no more.
#include "explorer.hh"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <set>

#include "fiber.hh"

namespace {

using namespace shale;
using std::memory_order_acquire;
using std::memory_order_relaxed;
using std::memory_order_release;

class explorer : public testing::Test {
protected:
    void SetUp() override {
        if (model::under_thread_sanitizer) {
            GTEST_SKIP() << "one thread: nothing for ThreadSanitizer";
        }
    }
};

struct two_cells {
    model::atomic<int> x{0};
    model::atomic<int> y{0};
    model::plain<int> data;
    int first = -1;
    int second = -1;
};

using outcomes = std::set<std::pair<int, int>>;

model::report store_buffering(outcomes& seen, void (*between)()) {
    return model::explore([&](model::run& run) {
        auto& s = run.make<two_cells>();
        run.thread("a", [&s, between] {
            s.x.store(1, memory_order_relaxed);
            between();
            s.first = s.y.load(memory_order_relaxed);
        });
        run.thread("b", [&s, between] {
            s.y.store(1, memory_order_relaxed);
            between();
            s.second = s.x.load(memory_order_relaxed);
        });
        run.at_end([&] { seen.emplace(s.first, s.second); });
    });
}

TEST_F(explorer, lets_loads_pass_earlier_stores_of_other_cells) {
    outcomes seen;
    const auto report = store_buffering(seen, [] {});
    EXPECT_TRUE(report.ok()) << report;
    EXPECT_EQ(seen, (outcomes{{0, 0}, {0, 1}, {1, 0}, {1, 1}}));
}

TEST_F(explorer, forbids_both_stale_reads_behind_fences) {
    outcomes seen;
    const auto report = store_buffering(seen, [] { model::heavy_barrier(); });
    EXPECT_TRUE(report.ok()) << report;
    EXPECT_EQ(seen, (outcomes{{0, 1}, {1, 0}, {1, 1}}));
}

// The asymmetric pattern: one heavy barrier does for both sides.
TEST_F(explorer, runs_a_heavy_barrier_in_all_threads) {
    outcomes seen;
    const auto report = model::explore([&](model::run& run) {
        auto& s = run.make<two_cells>();
        run.thread("light", [&s] {
            s.x.store(1, memory_order_relaxed);
            s.first = s.y.load(memory_order_relaxed);
        });
        run.thread("heavy", [&s] {
            s.y.store(1, memory_order_relaxed);
            model::heavy_barrier();
            s.second = s.x.load(memory_order_relaxed);
        });
        run.at_end([&] { seen.emplace(s.first, s.second); });
    });
    EXPECT_TRUE(report.ok()) << report;
    EXPECT_EQ(seen, (outcomes{{0, 1}, {1, 0}, {1, 1}}));
}

model::report pass_message(std::memory_order store, std::memory_order load) {
    return model::explore([=](model::run& run) {
        auto& s = run.make<two_cells>();
        run.thread("writer", [&s, store] {
            s.data = 7;
            s.x.store(1, store);
        });
        run.thread("reader", [&s, load] {
            if (s.x.load(load) == 1) {
                model::require(s.data == 7, "the message has arrived");
            }
        });
    });
}

TEST_F(explorer, accepts_release_and_acquire) {
    const auto report = pass_message(memory_order_release, memory_order_acquire);
    EXPECT_TRUE(report.ok()) << report;
}

TEST_F(explorer, finds_a_missing_release) {
    EXPECT_THAT(pass_message(memory_order_relaxed, memory_order_acquire).failure, testing::HasSubstr("data race"));
}

TEST_F(explorer, finds_a_missing_acquire) {
    EXPECT_THAT(pass_message(memory_order_release, memory_order_relaxed).failure, testing::HasSubstr("data race"));
}

// A fence orders, but it does not by itself make one thread's plain accesses visible to another.
TEST_F(explorer, finds_a_race_that_only_a_fence_separates) {
    const auto report = model::explore([](model::run& run) {
        auto& s = run.make<two_cells>();
        run.thread("a", [&s] {
            s.data = 1;
            model::heavy_barrier();
        });
        run.thread("b", [&s] {
            model::heavy_barrier();
            s.data = 2;
        });
    });
    EXPECT_THAT(report.failure, testing::HasSubstr("data race"));
}

TEST_F(explorer, reads_a_cell_never_backwards) {
    const auto report = model::explore([](model::run& run) {
        auto& s = run.make<two_cells>();
        run.thread("writer", [&s] {
            s.x.store(1, memory_order_relaxed);
            s.x.store(2, memory_order_relaxed);
        });
        run.thread("reader", [&s] {
            const int first = s.x.load(memory_order_relaxed);
            const int second = s.x.load(memory_order_relaxed);
            model::require(first <= second, "coherence");
        });
    });
    EXPECT_TRUE(report.ok()) << report;
}

TEST_F(explorer, continues_a_release_sequence_through_other_threads_exchanges) {
    const auto report = model::explore([](model::run& run) {
        auto& s = run.make<two_cells>();
        run.thread("writer", [&s] {
            s.data = 7;
            s.x.fetch_add(1, memory_order_release);
        });
        run.thread("between", [&s] { s.x.fetch_add(2, memory_order_relaxed); });
        run.thread("reader", [&s] {
            if ((s.x.load(memory_order_acquire) & 1) != 0) {
                model::require(s.data == 7, "the message has arrived");
            }
        });
    });
    EXPECT_TRUE(report.ok()) << report;
}

TEST_F(explorer, counts_every_increment) {
    const auto report = model::explore([](model::run& run) {
        auto& s = run.make<two_cells>();
        for (const char* name : {"a", "b", "c"}) {
            run.thread(name, [&s] {
                int seen = s.x.load(memory_order_relaxed);
                while (!s.x.compare_exchange_weak(seen, seen + 1, memory_order_relaxed, memory_order_relaxed)) {
                }
            });
        }
        run.at_end([&s] { model::require(s.x.load(memory_order_relaxed) == 3, "three increments"); });
    });
    EXPECT_TRUE(report.ok()) << report;
}

TEST_F(explorer, reports_threads_that_wait_for_ever) {
    const auto report = model::explore([](model::run& run) {
        auto& woken = run.make<model::event>();
        auto& s = run.make<two_cells>();
        run.thread("waiter", [&] {
            if (s.x.load(memory_order_relaxed) == 0) {
                woken.wait();
            }
        });
        run.thread("other", [&] { s.x.store(1, memory_order_relaxed); });
    });
    EXPECT_THAT(report.failure, testing::HasSubstr("wait for ever"));
}

TEST_F(explorer, lets_a_spinning_thread_see_everything_in_the_end) {
    const auto report = model::explore([](model::run& run) {
        auto& s = run.make<two_cells>();
        run.thread("spinner", [&] {
            while (s.x.load(memory_order_relaxed) == 0) {
                model::spin();
            }
        });
        run.thread("other", [&] { s.x.store(1, memory_order_relaxed); });
    });
    EXPECT_TRUE(report.ok()) << report;
}

}  // namespace
