// A timer calls back once its deadline has come, or again and again with a period.
//
// The names and meanings are Seastar's. Timers of one shard fire in deadline order, equal ones in the order they were
// armed, never early; a deadline in the past fires in the next turn. The callback runs between tasks, not as one, in
// the scheduling group that was current when it was set: it should be short, and start a task for anything that is not.
// It may arm, cancel, move or destroy its own timer or any other. A period counts from the deadline, so a periodic
// timer does not drift; what was missed is not made up for. Arming and cancelling allocate nothing. Belongs to one
// shard.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <utility>

#include "../base/time.hh"
#include "detail/timer_deadline.hh"
#include "shard.hh"

namespace shale {

namespace detail {

/// What timers of all clocks share: the callback and its place in the wheel. Times are nanoseconds of the shard's
/// clock.
class timer_core : private timer_node {
public:
    using callback = std::move_only_function<void()>;

    timer_core() noexcept;
    timer_core(timer_core&& other) noexcept;
    timer_core& operator=(timer_core&& other) noexcept;
    ~timer_core();

    void set_callback(callback&& to_call, group_queue* in) noexcept;
    void arm(std::uint64_t deadline_ns, std::uint64_t period_ns) noexcept;
    bool cancel() noexcept;
    bool armed() const noexcept { return linked(); }

    /// The deadline last armed for.
    std::uint64_t deadline_ns() const noexcept { return timer_node::deadline_ns; }

private:
    /// Stands on the stack of the call while the callback runs, because the callback may move or destroy the timer.
    struct call {
        timer_core* timer;
    };

    void take(timer_core& other) noexcept;
    void run() noexcept;
    void arm_next_period() noexcept;

    callback callback_;             // empty while it runs
    timer_wheel* wheel_ = nullptr;  // of the shard it was armed on last
    call* call_ = nullptr;          // of the callback running now
    std::uint64_t period_ns_ = 0;   // 0: once
};

/// A period shorter than a nanosecond is one nanosecond: it fires once a turn.
inline std::uint64_t timer_period_ns(duration period) noexcept {
    return period.count() < 1 ? 1 : static_cast<std::uint64_t>(period.count());
}

}  // namespace detail

template <class Clock = clock>
class timer {
public:
    using clock_type = Clock;
    using time_point = typename Clock::time_point;
    using duration = typename Clock::duration;
    using callback = detail::timer_core::callback;

    /// Without a callback; set one before arming.
    timer() noexcept = default;
    explicit timer(callback to_call) noexcept { set_callback(std::move(to_call)); }
    template <class Group>
    timer(const Group& group, callback to_call) noexcept {
        set_callback(group, std::move(to_call));
    }

    /// An armed timer stays armed when it is moved, with its callback; the target is cancelled first.
    timer(timer&&) noexcept = default;
    timer& operator=(timer&&) noexcept = default;

    /// Cancels.
    ~timer() = default;

    /// What to call. An exception that leaves it is logged and goes no further. May be called while armed.
    void set_callback(callback to_call) noexcept { core_.set_callback(std::move(to_call), nullptr); }

    /// The same in a group other than the current one: a scheduling_group, or anything else with its id().
    template <class Group>
    requires requires(const Group& g) { this_shard().group(g.id()); }
    void set_callback(const Group& group, callback to_call) noexcept {
        core_.set_callback(std::move(to_call), &this_shard().group(group.id()));
    }

    /// Fires at `when`, and then, if `period` is given, each time that much later. Must not be armed already.
    void arm(time_point when, std::optional<duration> period = {}) noexcept {
        timeout_ = when;
        core_.arm(detail::timer_deadline_ns(when), period ? detail::timer_period_ns(*period) : 0);
    }
    void arm(duration from_now) noexcept { arm(saturating_add<Clock>(Clock::now(), from_now)); }
    void arm_periodic(duration period) noexcept { arm(saturating_add<Clock>(Clock::now(), period), period); }

    /// As cancel() and arm().
    void rearm(time_point when, std::optional<duration> period = {}) noexcept {
        cancel();
        arm(when, period);
    }
    void rearm(duration from_now) noexcept { rearm(saturating_add<Clock>(Clock::now(), from_now)); }
    void rearm_periodic(duration period) noexcept { rearm(saturating_add<Clock>(Clock::now(), period), period); }

    /// It will not fire any more, though it be due already. True if it was armed.
    bool cancel() noexcept { return core_.cancel(); }

    /// It will fire. A timer that is not periodic is not armed while its callback runs.
    bool armed() const noexcept { return core_.armed(); }

    /// When it was last asked to fire; of a periodic timer the first time.
    time_point get_timeout() const noexcept { return timeout_; }

private:
    detail::timer_core core_;
    time_point timeout_{};
};

}  // namespace shale
