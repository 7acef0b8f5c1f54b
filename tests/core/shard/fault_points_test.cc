// Shards under their own fault points: whatever a point does, calls run once and in order, timers fire in order and
// not early, and requests complete.
#include <gtest/gtest.h>

#include <algorithm>
#include <string>
#include <vector>

#include <shale/core/async/loop.hh>
#include <shale/core/shard/aligned_pool.hh>
#include <shale/core/shard/io.hh>
#include <shale/core/shard/sleep.hh>
#include <shale/core/shard/smp.hh>
#include <shale/core/testing/chosen_faults.hh>
#include <shale/core/testing/testing.hh>

namespace {

using namespace shale;

constexpr unsigned shards = 3;
constexpr int calls = 60;
constexpr int timers = 30;

struct seen {
    std::vector<int> calls[shards];  ///< by the shard they came from
    std::vector<int> timers;
    int requests = 0;
    int yields = 0;
};

future<> call_all(std::vector<seen>& all) {
    const unsigned from = this_shard_id();
    std::vector<future<>> running;
    for (int i = 0; i < calls; ++i) {
        for (unsigned to = 0; to < shards; ++to) {
            running.push_back(smp::submit_to(to, [&all, from, i] { all[this_shard_id()].calls[from].push_back(i); }));
        }
    }
    for (future<>& one : running) {
        co_await std::move(one);
    }
}

future<> fire_timers(seen& here) {
    std::vector<future<>> running;
    for (int i = 0; i < timers; ++i) {
        const auto due = this_shard().now() + std::chrono::microseconds(10 * i);
        running.push_back(sleep(std::chrono::microseconds(10 * i)).then([&here, i, due] {
            EXPECT_GE(this_shard().now(), due) << "timer " << i << " is early";
            here.timers.push_back(i);
        }));
    }
    for (future<>& one : running) {
        co_await std::move(one);
    }
}

future<> make_requests(seen& here) {
    for (int i = 0; i < 20; ++i) {
        std::vector<future<>> running;
        for (int k = 0; k < 5; ++k) {
            running.push_back([](seen& to) -> future<> {
                const std::int32_t result = co_await submit_io({.op = io_op::read});
                to.requests += result == -ENOSYS ? 1 : 0;
            }(here));
        }
        for (future<>& one : running) {
            co_await std::move(one);
        }
        co_await maybe_yield();
        ++here.yields;
    }
}

/// How often `name` fired.
std::uint64_t run_under(const std::string& name, double chance, std::uint64_t seed, bool random_preemption) {
    sim::world world({.shards = shards,
                      .seed = seed,
                      .mailbox_capacity = 4,
                      .preempt_at_random = random_preemption,
                      .faults = {.enabled = true, .activate = 0, .overrides = {{name, 1, chance}}}});
    std::vector<seen> all(shards);
    std::vector<future<>> running;
    for (unsigned id = 0; id < shards; ++id) {
        running.push_back(world.on(id, [&all, id]() -> future<> {
            auto called = call_all(all);
            auto fired = fire_timers(all[id]);
            auto asked = make_requests(all[id]);
            co_await std::move(called);
            co_await std::move(fired);
            co_await std::move(asked);
        }));
    }
    EXPECT_TRUE(world.run_until([&] { return std::ranges::all_of(running, &future<>::available); }));
    for (unsigned id = 0; id < shards; ++id) {
        if (running[id].available()) {
            world.on(id, [&] { running[id].get(); });
        }
        for (const auto& from : all[id].calls) {
            EXPECT_EQ(from.size(), std::size_t{calls});
            EXPECT_TRUE(std::ranges::is_sorted(from)) << "calls overtook each other";
        }
        EXPECT_EQ(all[id].timers.size(), std::size_t{timers});
        EXPECT_TRUE(std::ranges::is_sorted(all[id].timers));
        EXPECT_EQ(all[id].requests, 100);
        EXPECT_EQ(all[id].yields, 20);
    }
    return world.faults().of(name);
}

class shard_fault : public testing::TestWithParam<const char*> {};

// What keeps messages back is for ever when it fires always, so at the most it fires four times in five.
TEST_P(shard_fault, neither_loses_nor_reorders_anything) {
    const std::string name = GetParam();
    const double most = name == "shard.publish_later" ? 0.8 : 1;
    std::uint64_t fired = 0;
    for (std::uint64_t seed = 1; seed <= 5 && !HasFailure(); ++seed) {
        SCOPED_TRACE(seed);
        fired += run_under(name, most, seed, seed % 2 == 0);
        fired += run_under(name, 0.3, seed, seed % 2 == 0);
    }
    EXPECT_GT(fired, 0U);
}

INSTANTIATE_TEST_SUITE_P(each, shard_fault,
                         testing::Values("shard.reap_one", "shard.fire_one_timer", "shard.quota_is_spent",
                                         "shard.publish_later", "shard.sleep_fails", "mailbox.seems_full",
                                         "mailbox.seems_full_for_a_reply"),
                         [](const auto& which) {
                             std::string name = which.param;
                             std::ranges::replace(name, '.', '_');
                             return name;
                         });

TEST(mailbox_fault, that_seems_full_lets_a_call_be_given_up_before_it_is_sent) {
    sim::world world(
        {.shards = 2, .faults = {.enabled = true, .activate = 0, .overrides = {{"mailbox.seems_full", 1, 1}}}});
    bool ran = false;
    auto test = world.on(0, [&ran]() -> future<> {
        abort_source stop;
        auto call = smp::submit_to(1, submit_options{.abort = &stop}, [&ran] { ran = true; });
        stop.request_abort();
        const auto done = co_await as_result(std::move(call));
        EXPECT_FALSE(done.has_value());
    });
    EXPECT_TRUE(world.run_until([&] { return test.available(); }));
    world.on(0, [&] { test.get(); });
    EXPECT_FALSE(ran);
    EXPECT_GT(world.probes().of("mailbox.full_for_a_call"), 0U);
}

SHALE_TEST(pool_fault, that_keeps_no_block_leaves_those_in_use_alone) {
    test::chosen_faults plan({"pool.block_not_kept"});
    std::vector<io_buffer> held;
    for (int round = 0; round < 50; ++round) {
        for (int i = 0; i < 8; ++i) {
            held.emplace_back(std::size_t{4096} << (i % 4));
            std::memset(held.back().data(), round, held.back().size());
        }
        for (std::size_t i = 0; i < held.size() / 2; ++i) {
            held.erase(held.begin() + static_cast<std::ptrdiff_t>(i));
        }
        for (const io_buffer& each : held) {
            EXPECT_EQ(each.data()[0], each.data()[each.size() - 1]);
        }
        co_await yield_now();
    }
    EXPECT_EQ(plan.fired("pool.block_not_kept") > 0, aligned_pool::enabled);
}

}  // namespace
