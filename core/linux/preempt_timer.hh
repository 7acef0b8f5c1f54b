// Tells a shard that its task quota is spent, by a signal that a POSIX timer sends to its thread alone.
//
// The handler sets the run queue's preempt flag and nothing else, so need_preempt() stays one load. The timer is armed
// by the first turn that runs tasks and then ticks by itself, so that a busy turn costs two stores and no system call;
// when no turn has run tasks for two ticks the handler disarms it, which timer_settime(2) allows inside a handler.
// A sleeping shard blocks the signal while it sleeps (linux_platform_options::sleep_through_signal): the kernel does
// not restart a timer whose signal is still pending, so a shard takes at most one timer interrupt after falling asleep.
// Made, used and destroyed on the shard's thread.
#pragma once

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

    /// `flag` is set (relaxed) within a quota of watch(); within `stretch_max` for a first long turn after many short
    /// ones. Unblocks the signal on this thread.
    /// Throws std::system_error when the kernel grants no timer.
    preempt_timer(std::atomic<bool>& flag, std::uint64_t quota_ns);
    preempt_timer(const preempt_timer&) = delete;
    preempt_timer& operator=(const preempt_timer&) = delete;
    ~preempt_timer();

    /// Tasks are about to run. Cheap unless the timer had disarmed itself.
    void watch() noexcept {
        turns_.store(turns_.load(std::memory_order_relaxed) + 1, std::memory_order_relaxed);
        if (!armed_.load(std::memory_order_relaxed)) {
            arm();
        }
    }

    /// For shard_options::watch_quota: `context` is the timer.
    static void watch_quota(void* context) noexcept { static_cast<preempt_timer*>(context)->watch(); }

    bool armed() const noexcept { return armed_.load(std::memory_order_relaxed); }
    std::uint64_t ticks() const noexcept { return ticks_.load(std::memory_order_relaxed); }
    std::uint64_t times_armed() const noexcept { return times_armed_; }
    /// Quotas from one tick to the next, 1 to stretch_max.
    unsigned stretch() const noexcept { return stretch_.load(std::memory_order_relaxed); }

    static constexpr unsigned stretch_max = 4;

private:
    static constexpr unsigned quiet_ticks_max = 2;

    static void on_signal(int number, siginfo_t* info, void* context) noexcept;
    void tick() noexcept;
    void arm() noexcept;
    void set_stretch(unsigned stretch) noexcept;
    void set(std::uint64_t interval_ns) noexcept;

    std::atomic<bool>& flag_;
    const std::uint64_t quota_ns_;
    timer_t timer_ = nullptr;
    std::uint64_t times_armed_ = 0;
    std::uint64_t turns_at_last_tick_ = 0;  ///< the handler's
    unsigned quiet_ticks_ = 0;              ///< the handler's

    // Shared with the handler, which runs on the same thread: relaxed atomics without a partner.
    std::atomic<bool> armed_{false};
    std::atomic<std::uint64_t> turns_{0};
    std::atomic<unsigned> stretch_{1};
    std::atomic<std::uint64_t> ticks_{0};
};

}  // namespace shale
