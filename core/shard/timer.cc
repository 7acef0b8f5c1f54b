// The part of a timer that is the same for all clocks.
#include "timer.hh"

#include <exception>

#include "../base/fault_point.hh"
#include "../base/log.hh"

namespace shale::detail {

namespace {

constinit logger log{"timer"};

}  // namespace

timer_core::timer_core() noexcept {
    fire = [](timer_node& due) noexcept { static_cast<timer_core&>(due).run(); };
}

timer_core::timer_core(timer_core&& other) noexcept : timer_core() {
    take(other);
}

timer_core& timer_core::operator=(timer_core&& other) noexcept {
    if (this != &other) {
        cancel();
        if (call_ != nullptr) {
            call_->timer = nullptr;
            call_ = nullptr;
        }
        take(other);
    }
    return *this;
}

timer_core::~timer_core() {
    cancel();
    if (call_ != nullptr) {
        call_->timer = nullptr;
    }
}

// This timer is not armed and in no call.
void timer_core::take(timer_core& other) noexcept {
    callback_ = std::move(other.callback_);
    group = other.group;
    wheel_ = other.wheel_;
    period_ns_ = other.period_ns_;
    call_ = std::exchange(other.call_, nullptr);
    if (call_ != nullptr) {
        call_->timer = this;
    }
    if (other.armed()) {
        wheel_->replace(other, *this);
    }
}

void timer_core::set_callback(callback&& to_call, group_queue* in) noexcept {
    callback_ = std::move(to_call);
    group = in != nullptr ? in : on_shard() ? &this_shard().current_group() : nullptr;
}

void timer_core::arm(std::uint64_t deadline_ns, std::uint64_t period_ns) noexcept {
    SHALE_ASSERT(!armed(), "the timer is armed already, for {} ns; use rearm()", timer_node::deadline_ns);
    SHALE_ASSERT(callback_ || call_ != nullptr, "the timer has no callback");
    shard& here = this_shard();
    if (group == nullptr) {
        group = &here.current_group();  // the callback was set before there was a shard
    }
    wheel_ = &here.timers();
    period_ns_ = period_ns;
    wheel_->insert(*this, deadline_ns);
}

bool timer_core::cancel() noexcept {
    if (!armed()) {
        return false;
    }
    SHALE_DEBUG_ASSERT(!on_shard() || wheel_ == &this_shard().timers(), "a timer of another shard is cancelled here");
    wheel_->remove(*this);
    return true;
}

void timer_core::arm_next_period() noexcept {
    const std::uint64_t now = this_shard().now_ns();
    const std::uint64_t last = timer_node::deadline_ns;
    const std::uint64_t missed = now > last ? (now - last) / period_ns_ : 0;
    if (missed != 0) [[unlikely]] {
        PROBE("timer.periods_missed");
    }
    std::uint64_t deadline = 0;
    if (__builtin_add_overflow(last, (missed + 1) * period_ns_, &deadline)) {
        deadline = timer_wheel::never;
    }
    wheel_->insert(*this, deadline);
}

void timer_core::run() noexcept {
    if (period_ns_ != 0) {
        arm_next_period();
    }
    // The callback is called from here and not from its place in the timer, which it may destroy.
    callback running = std::move(callback_);
    call here{this};
    call_ = &here;
    try {
        running();
    } catch (...) {
        try {
            throw;
        } catch (const std::exception& error) {
            log.error("a callback failed: {}", error.what());
        } catch (...) {
            log.error("a callback failed with an exception of an unknown type");
        }
    }
    if (here.timer != nullptr) {
        here.timer->call_ = nullptr;
        if (!here.timer->callback_) {
            here.timer->callback_ = std::move(running);
        }
    }
}

}  // namespace shale::detail
