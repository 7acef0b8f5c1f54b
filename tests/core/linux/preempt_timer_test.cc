// The preemption timer: ticks while tasks run, falls silent when they do not, and does not end a sleep.
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

TEST(preempt_timer, sets_the_flag_of_a_running_shard) {
    std::atomic<bool> flag{false};
    preempt_timer timer(flag, quota_ns);
    EXPECT_FALSE(timer.armed());
    for (int turn = 0; turn < 5; ++turn) {
        flag.store(false);
        timer.watch();
        EXPECT_TRUE(burn_until([&] { return flag.load(std::memory_order_relaxed); }));
    }
}

TEST(preempt_timer, is_armed_once_for_many_turns) {
    std::atomic<bool> flag{false};
    preempt_timer timer(flag, quota_ns);
    const std::uint64_t end = detail::monotonic_ns() + 20'000'000;
    EXPECT_TRUE(burn_until([&] {
        timer.watch();
        return detail::monotonic_ns() > end && timer.ticks() >= 3;
    }));
    // Once, unless the machine kept this thread from running for several quotas.
    EXPECT_LT(timer.times_armed(), timer.ticks());
}

TEST(preempt_timer, falls_silent_two_ticks_after_the_last_task) {
    std::atomic<bool> flag{false};
    preempt_timer timer(flag, quota_ns);
    timer.watch();
    EXPECT_TRUE(burn_until([&] { return !timer.armed(); }));
    const std::uint64_t ticks = timer.ticks();
    EXPECT_GE(ticks, 3u);
    const std::uint64_t end = detail::monotonic_ns() + 10 * quota_ns;
    burn_until([&] { return detail::monotonic_ns() > end; });
    EXPECT_EQ(timer.ticks(), ticks);
    timer.watch();
    EXPECT_TRUE(burn_until([&] { return timer.ticks() > ticks; }));
    EXPECT_EQ(timer.times_armed(), 2u);
}

TEST(preempt_timer, ticks_rarer_while_turns_are_short_and_at_once_when_one_is_long) {
    std::atomic<bool> flag{false};
    preempt_timer timer(flag, quota_ns);
    EXPECT_TRUE(burn_until([&] {
        timer.watch();
        return timer.stretch() == preempt_timer::stretch_max;
    }));
    const std::uint64_t ticks = timer.ticks();
    EXPECT_TRUE(burn_until([&] { return timer.ticks() != ticks; }));
    flag.store(false);
    EXPECT_TRUE(burn_until([&] { return flag.load(std::memory_order_relaxed); }));
    EXPECT_EQ(timer.stretch(), 1u);
}

TEST(preempt_timer, does_not_end_a_sleep) {
    driver d({.sleep_through_signal = preempt_timer::signal});
    std::atomic<bool> flag{false};
    preempt_timer timer(flag, quota_ns);
    timer.watch();
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
        others.watch();
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
