// Tells a task that runs on and on that the shard's quota is spent, by a signal of a POSIX timer to its thread alone.
//
// The shard itself looks at the clock between tasks; what is left to this timer is the one long task that asks
// need_preempt(). The handler sets the run queue's preempt flag and nothing else, so that question stays one load. A
// tick is dear (the interrupt and its signal take 45 us in the virtual machine at hand), so while no task runs long the
// timer ticks every calm_interval_ns() only: a tick that finds tasks running comes back when they will have run for a
// quota, and one that finds the quota spent sets the flag and keeps ticking every quota until it has found nothing for
// a while. The first turn that runs tasks arms the timer; a busy turn costs a few stores and no system call; when no
// turn has run tasks for two ticks the handler disarms it, which timer_settime(2) allows inside a handler. A sleeping
// shard blocks the signal while it sleeps (linux_platform_options::sleep_through_signal): the kernel does not restart a
// timer whose signal is still pending, so a shard takes at most one timer interrupt after falling asleep. Made, used
// and destroyed on the shard's thread.
#pragma once

#include <algorithm>
#include <atomic>
#include <csignal>
#include <cstdint>
#include <ctime>

namespace shale {

class preempt_timer {
public:
    /// The signal used; ignored by default, so that a stray one harms nobody. The handler looks only at those that a
    /// POSIX timer sent, so no other timer of the process may use it.
    static constexpr int signal = SIGURG;

    /// Sets `flag` (relaxed) when tasks have run for a quota: within a quota of that, and within calm_interval_ns()
    /// if the last long task was a while ago. Unblocks the signal on this thread.
    /// Throws std::system_error when the kernel grants no timer.
    preempt_timer(std::atomic<bool>& flag, std::uint64_t quota_ns);
    preempt_timer(const preempt_timer&) = delete;
    preempt_timer& operator=(const preempt_timer&) = delete;
    ~preempt_timer();

    /// Tasks run since `now_ns` (CLOCK_MONOTONIC). Cheap unless the timer had disarmed itself.
    void tasks_begin(std::uint64_t now_ns) noexcept {
        since_.store(now_ns, std::memory_order_relaxed);
        turns_.store(turns_.load(std::memory_order_relaxed) + 1, std::memory_order_relaxed);
        if (!armed_.load(std::memory_order_relaxed)) {
            arm();
        }
    }
    void tasks_end() noexcept { since_.store(0, std::memory_order_relaxed); }

    bool armed() const noexcept { return armed_.load(std::memory_order_relaxed); }
    std::uint64_t ticks() const noexcept { return ticks_.load(std::memory_order_relaxed); }
    std::uint64_t times_armed() const noexcept { return times_armed_; }
    /// Long tasks were met lately: it ticks every quota.
    bool alert() const noexcept { return alert_ticks_.load(std::memory_order_relaxed) != 0; }

    /// 16 quotas, but 8 ms at most unless the quota itself is longer: then a tick a quota costs next to nothing.
    static constexpr std::uint64_t calm_interval_ns(std::uint64_t quota_ns) noexcept {
        return std::max(quota_ns, std::min<std::uint64_t>(16 * quota_ns, 8'000'000));
    }

private:
    static constexpr unsigned quiet_ticks_max = 2;
    static constexpr unsigned alert_ticks_max = 16;  ///< that find no long task, before it is calm again

    static void on_signal(int number, siginfo_t* info, void* context) noexcept;
    void tick() noexcept;
    void arm() noexcept;
    void set(std::uint64_t first_ns, std::uint64_t interval_ns) noexcept;

    std::atomic<bool>& flag_;
    const std::uint64_t quota_ns_;
    timer_t timer_ = nullptr;
    std::uint64_t times_armed_ = 0;
    std::uint64_t turns_at_last_tick_ = 0;  ///< the handler's
    unsigned quiet_ticks_ = 0;              ///< the handler's
    bool second_look_ = false;              ///< the handler's: the next tick is early, because tasks were running

    // Shared with the handler, which runs on the same thread: relaxed atomics without a partner.
    std::atomic<bool> armed_{false};
    std::atomic<std::uint64_t> turns_{0};
    std::atomic<std::uint64_t> since_{0};   ///< when tasks began to run, 0: none do
    std::atomic<unsigned> alert_ticks_{0};  ///< left
    std::atomic<std::uint64_t> ticks_{0};
};

}  // namespace shale
