// Waiting until somebody says that something may have changed.
//
// signal() wakes one waiter, the one that has waited longest, and is remembered when there is none; broadcast() wakes
// all. A waiter that has been woken runs later, as a task, so the thing may have changed again: wait with a predicate.
// when() is wait() for coroutines and allocates nothing. Belongs to one shard. Names and meanings are Seastar's.
#pragma once

#include "detail/wait_queue.hh"

namespace shale {

/// A wait outlasted its limit.
class condition_variable_timed_out : public timed_out_error {
public:
    const char* what() const noexcept override { return "timed out waiting for a condition variable"; }
};

/// The condition variable was broken or destroyed.
class broken_condition_variable : public std::exception {
public:
    const char* what() const noexcept override { return "condition variable broken"; }
};

class condition_variable : private detail::wait_queue {
public:
    class [[nodiscard]] awaiter;

    condition_variable() noexcept;
    /// Waits still going on fail with broken_condition_variable.
    ~condition_variable() { broken(); }

    /// Ready after a signal() or broadcast(). Fails with condition_variable_timed_out, with the reason of the limit's
    /// abort source, or with what it was broken with.
    future<void> wait(wait_limit limit = {}, std::source_location site = std::source_location::current());

    /// `co_await cv.when(limit)`: the same, in the coroutine's frame.
    awaiter when(wait_limit limit = {}, std::source_location site = std::source_location::current()) noexcept;

    /// Ready once `ready()` is true; it is asked first, and again after each signal.
    template <std::predicate Ready>
    future<void> wait(Ready ready, std::source_location site = std::source_location::current()) {
        return wait(wait_limit(), std::move(ready), site);
    }
    template <std::predicate Ready>
    future<void> wait(wait_limit limit, Ready ready, std::source_location site = std::source_location::current());
    template <std::predicate Ready>
    future<void> when(Ready ready, std::source_location site = std::source_location::current()) {
        return wait(wait_limit(), std::move(ready), site);
    }
    template <std::predicate Ready>
    future<void> when(wait_limit limit, Ready ready, std::source_location site = std::source_location::current()) {
        return wait(limit, std::move(ready), site);
    }

    /// Wakes the first waiter, or, if there is none, the next one as soon as it comes.
    void signal() noexcept {
        if (empty()) {
            signalled_ = true;
        } else {
            settle_front();
        }
    }

    /// Wakes all that wait now.
    void broadcast() noexcept { settle_all({}); }

    bool has_waiters() const noexcept { return !empty(); }

    /// All waits, now and from now on, fail.
    void broken(std::exception_ptr reason) noexcept {
        broken_with_ = std::move(reason);
        settle_all(broken_with_);
    }
    void broken() noexcept { broken(std::make_exception_ptr(broken_condition_variable())); }

private:
    bool ready_now() noexcept { return std::exchange(signalled_, false) || broken_with_; }

    bool signalled_ = false;
    std::exception_ptr broken_with_;
};

class condition_variable::awaiter : public detail::frame_waiter {
public:
    awaiter(condition_variable& on, const wait_limit& limit, std::source_location site) noexcept
        : frame_waiter(on, limit, site), on_(on) {}
    bool await_ready() noexcept {
        ready_ = on_.ready_now();
        return ready_;
    }
    void await_resume() {
        if (ready_ && on_.broken_with_) {
            std::rethrow_exception(on_.broken_with_);
        }
        frame_waiter::await_resume();
    }

private:
    condition_variable& on_;
    bool ready_ = false;
};

inline condition_variable::awaiter condition_variable::when(wait_limit limit, std::source_location site) noexcept {
    return {*this, limit, site};
}

template <std::predicate Ready>
future<void> condition_variable::wait(wait_limit limit, Ready ready, std::source_location site) {
    while (!ready()) {
        co_await when(limit, site);
    }
}

}  // namespace shale
