// The preemption timer: finds the task that runs on and on, falls silent when they do not, and does not end a sleep.
#include <shale/core/linux/preempt_timer.hh>

#include <gtest/gtest.h>
#include <shale/core/linux/detail/monotonic.hh>

#include <thread>

#include "driver.hh"

namespace shale {
namespace {

constexpr std::uint64_t quota_ns = 500'000;

/// Burns the CPU until `condition`; false after half a minute, which only a hang needs.
template <class F>
bool burn_until(F&& condition) {
    const std::uint64_t end = detail::monotonic_ns() + 30'000'000'000;
    while (!condition()) {
        if (detail::monotonic_ns() > end) {
            return false;
        }
    }
    return true;
}

TEST(preempt_timer, sets_the_flag_of_a_shard_whose_task_runs_on) {
    std::atomic<bool> flag{false};
    preempt_timer timer(flag, quota_ns);
    EXPECT_FALSE(timer.armed());
    for (int turn = 0; turn < 5; ++turn) {
        flag.store(false);
        const std::uint64_t begin = detail::monotonic_ns();
        timer.tasks_begin(begin);
        EXPECT_TRUE(burn_until([&] { return flag.load(std::memory_order_relaxed); }));
        EXPECT_GE(detail::monotonic_ns() - begin, quota_ns);
        EXPECT_TRUE(timer.alert());
        timer.tasks_end();
    }
}

TEST(preempt_timer, lets_short_turns_be_and_becomes_calm) {
    std::atomic<bool> flag{false};
    preempt_timer timer(flag, quota_ns);
    timer.tasks_begin(detail::monotonic_ns());
    EXPECT_TRUE(burn_until([&] { return timer.alert(); }));
    EXPECT_TRUE(burn_until([&] {
        timer.tasks_begin(detail::monotonic_ns());
        return !timer.alert();
    }));
    // Turns of no length at all: only a machine that takes this thread off in the middle of one makes it long.
    timer.tasks_end();
    flag.store(false);
    std::uint64_t begun = 0;
    const std::uint64_t ticks = timer.ticks();
    EXPECT_TRUE(burn_until([&] {
        begun = timer.alert() ? 1 : begun;
        timer.tasks_begin(detail::monotonic_ns());
        timer.tasks_end();
        return timer.ticks() >= ticks + 3;
    }));
    EXPECT_EQ(timer.times_armed(), 1u);
    EXPECT_TRUE(!flag.load() || begun != 0);
}

TEST(preempt_timer, finds_a_long_task_after_many_short_turns) {
    std::atomic<bool> flag{false};
    preempt_timer timer(flag, quota_ns);
    const std::uint64_t end = detail::monotonic_ns() + 10 * quota_ns;
    burn_until([&] {
        timer.tasks_begin(detail::monotonic_ns());
        timer.tasks_end();
        return detail::monotonic_ns() > end;
    });
    flag.store(false);
    timer.tasks_begin(detail::monotonic_ns());
    EXPECT_TRUE(burn_until([&] { return flag.load(std::memory_order_relaxed); }));
}

TEST(preempt_timer, is_calm_for_16_quotas_or_8_ms) {
    constexpr std::uint64_t us = 1000;
    EXPECT_EQ(preempt_timer::calm_interval_ns(100 * us), 1'600 * us);
    EXPECT_EQ(preempt_timer::calm_interval_ns(500 * us), 8'000 * us);
    EXPECT_EQ(preempt_timer::calm_interval_ns(5'000 * us), 8'000 * us);
    EXPECT_EQ(preempt_timer::calm_interval_ns(100'000 * us), 100'000 * us) << "no use before the quota is spent";
}

TEST(preempt_timer, falls_silent_two_ticks_after_the_last_task) {
    std::atomic<bool> flag{false};
    preempt_timer timer(flag, quota_ns);
    timer.tasks_begin(detail::monotonic_ns());
    timer.tasks_end();
    EXPECT_TRUE(burn_until([&] { return !timer.armed(); }));
    const std::uint64_t ticks = timer.ticks();
    EXPECT_GE(ticks, 3u);
    const std::uint64_t end = detail::monotonic_ns() + 10 * quota_ns;
    burn_until([&] { return detail::monotonic_ns() > end; });
    EXPECT_EQ(timer.ticks(), ticks);
    timer.tasks_begin(detail::monotonic_ns());
    EXPECT_TRUE(burn_until([&] { return timer.ticks() > ticks; }));
    EXPECT_EQ(timer.times_armed(), 2u);
}

TEST(preempt_timer, does_not_end_a_sleep) {
    driver d({.sleep_through_signal = preempt_timer::signal});
    std::atomic<bool> flag{false};
    preempt_timer timer(flag, quota_ns);
    timer.tasks_begin(detail::monotonic_ns());
    timer.tasks_end();
    const std::uint64_t deadline = d.platform.now() + 20 * quota_ns;
    d.platform.wait(deadline);
    EXPECT_GE(d.platform.now(), deadline) << "woken by a tick";
    EXPECT_LE(timer.ticks(), 2u) << "the kernel holds the ticks of a sleeper back";
}

TEST(preempt_timer, ticks_its_own_thread_alone) {
    std::atomic<bool> flag{false};
    preempt_timer timer(flag, quota_ns);
    std::thread other([] {
        std::atomic<bool> other_flag{false};
        preempt_timer others(other_flag, quota_ns);
        others.tasks_begin(detail::monotonic_ns());
        EXPECT_TRUE(burn_until([&] { return other_flag.load(std::memory_order_relaxed); }));
    });
    other.join();
    EXPECT_FALSE(flag.load());
    EXPECT_EQ(timer.ticks(), 0u);
}

TEST(preempt_timer, ignores_signals_that_are_not_its_timers) {
    std::atomic<bool> flag{false};
    preempt_timer timer(flag, quota_ns);
    ::raise(preempt_timer::signal);
    EXPECT_FALSE(flag.load());
}

}  // namespace
}  // namespace shale
