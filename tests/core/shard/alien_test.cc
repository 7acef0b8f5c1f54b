// Work from threads that are no shards, on real threads.
#include <algorithm>
#include <memory>
#include <shale/core/shard/alien.hh>
#include <shale/core/shard/sleep.hh>
#include <shale/core/testing/testing.hh>
#include <stdexcept>
#include <thread>

#include "thread_shards.hh"

namespace {

using namespace shale;

/// Runs `work` on another thread, with the shards at its service.
void outside(unsigned count, const std::function<void(const alien::instance&)>& work) {
    test::thread_shards(count).run_on_shard_0([&]() -> future<> {
        const alien::instance shards;
        EXPECT_EQ(shards.shard_count(), this_shard().count());
        promise<> done;
        std::thread thread([&] {
            work(shards);
            alien::run_on(shards, 0, [&done] { done.set_value(); });
        });
        co_await done.get_future();
        thread.join();
    });
}

TEST(alien, brings_results_to_a_thread_outside) {
    outside(2, [](const alien::instance& shards) {
        EXPECT_EQ(alien::submit_to(shards, 1, [] { return this_shard().id(); }).get(), 1U);
        alien::submit_to(shards, 0, [] {}).get();
        auto later = alien::submit_to(shards, 0, [p = std::make_unique<int>(5)]() -> future<int> {
            co_await sleep(1ms);
            co_return *p;
        });
        EXPECT_EQ(later.get(), 5);
        auto failed = alien::submit_to(shards, 1, []() -> int { throw std::out_of_range("far"); });
        EXPECT_THROW(failed.get(), std::out_of_range);
    });
}

TEST(alien, runs_what_one_thread_submits_in_order) {
    outside(1, [](const alien::instance& shards) {
        std::vector<int> order;
        for (int i = 0; i < 1000; ++i) {
            alien::run_on(shards, 0, [&order, i] { order.push_back(i); });
        }
        alien::submit_to(shards, 0, [] {}).get();
        EXPECT_EQ(order.size(), 1000U);
        EXPECT_TRUE(std::ranges::is_sorted(order));
    });
}

TEST(alien, serves_several_threads_at_once) {
    outside(2, [](const alien::instance& shards) {
        std::vector<int> counts(2);
        std::vector<std::thread> threads;
        for (int t = 0; t < 3; ++t) {
            threads.emplace_back([&] {
                for (int i = 0; i < 200; ++i) {
                    alien::submit_to(shards, static_cast<unsigned>(i) % 2, [&] { ++counts[this_shard().id()]; }).get();
                }
            });
        }
        for (auto& thread : threads) {
            thread.join();
        }
        EXPECT_EQ(counts[0], 300);
        EXPECT_EQ(counts[1], 300);
    });
}

}  // namespace
