// Those who wait for something, in the order in which they came; what semaphore, gate and condition_variable share.
//
// A waiter is an intrusive node with its own timer node and abort subscription, so a wait costs one block from the
// shard's pool when a future is asked for, and none when the node lies in a coroutine's frame. A waiter is settled
// exactly once: granted, refused, out of time or aborted; settling takes it off the queue first and may destroy it.
// Settling schedules tasks and runs none, so nobody comes back into the queue from inside.
#pragma once

#include <boost/intrusive/list.hpp>
#include <coroutine>
#include <optional>

#include "../../async/coroutine.hh"
#include "../../shard/timer_node.hh"
#include "../wait_limit.hh"

namespace shale::detail {

class wait_queue;

class waiter : public boost::intrusive::list_base_hook<>, private timer_node {
public:
    waiter(const waiter&) = delete;
    waiter& operator=(const waiter&) = delete;

    std::size_t units() const noexcept { return units_; }

protected:
    explicit waiter(std::size_t units) noexcept : units_(units) {}
    virtual ~waiter() = default;

    /// The wait is over: granted, or failed when `failure` is set. May destroy the waiter.
    virtual void settle(std::exception_ptr failure) noexcept = 0;

private:
    friend class wait_queue;
    static void timed_out(timer_node& node) noexcept;

    wait_queue* queue_ = nullptr;
    std::size_t units_;
    std::optional<abort_source::subscription> subscription_;
};

class wait_queue {
public:
    /// `make_timeout` gives what a wait fails with when its time is over. `on_leave` is called after a waiter has left
    /// by time or abort: those behind it may be able to go on. Null when that cannot be.
    using make_timeout = std::exception_ptr (*)();
    using on_leave = void (*)(wait_queue&) noexcept;

    explicit wait_queue(make_timeout timeout, on_leave leave = nullptr) noexcept : timeout_(timeout), leave_(leave) {}
    wait_queue(const wait_queue&) = delete;
    wait_queue& operator=(const wait_queue&) = delete;
    ~wait_queue() { SHALE_ASSERT(empty(), "{} still wait for something that is destroyed", size()); }

    bool empty() const noexcept { return waiters_.empty(); }
    std::size_t size() const noexcept { return waiters_.size(); }
    waiter& front() noexcept { return waiters_.front(); }

    /// Puts `w` at the end and arms its limit. False, and nothing done, when the limit's abort source has fired.
    bool add(waiter& w, const wait_limit& limit);

    /// Takes the first off and settles it.
    void settle_front(std::exception_ptr failure = {}) noexcept { settle(waiters_.front(), std::move(failure)); }

    void settle_all(const std::exception_ptr& failure) noexcept {
        while (!empty()) {
            settle_front(failure);
        }
    }

private:
    friend class waiter;
    void settle(waiter& w, std::exception_ptr failure) noexcept;
    void expel(waiter& w, std::exception_ptr failure) noexcept;

    boost::intrusive::list<waiter> waiters_;
    make_timeout timeout_;
    on_leave leave_;
};

/// A waiter with a promise, from the shard's pool; gone once settled. `make()` gives the value when it is granted.
template <class T, class Make>
class promise_waiter final : public waiter {
public:
    promise_waiter(std::size_t units, Make make, std::source_location site)
        : waiter(units), promise_(site), make_(std::move(make)) {}

    future<T> get_future() noexcept { return promise_.get_future(); }

    static void* operator new(std::size_t size) { return task::operator new(size); }
    static void operator delete(void* block, std::size_t size) noexcept { task::operator delete(block, size); }

private:
    void settle(std::exception_ptr failure) noexcept override {
        if (failure) {
            promise_.set_exception(std::move(failure));
        } else if constexpr (std::is_void_v<T>) {
            promise_.set_value();
        } else {
            promise_.set_value(make_());
        }
        delete this;
    }

    promise<T> promise_;
    Make make_;
};

/// Waits at the end of `queue`; the future gets what `make()` gives.
template <class T, class Make>
future<T> wait_in(wait_queue& queue, std::size_t units, const wait_limit& limit, Make make, std::source_location site) {
    using node = promise_waiter<T, Make>;
    auto made = std::make_unique<node>(units, std::move(make), site);
    future<T> result = made->get_future();
    if (!queue.add(*made, limit)) {
        return make_exception_future<T>(limit.abort()->abort_requested_exception_ptr(), site);
    }
    made.release();  // it frees itself when settled
    return result;
}

/// A waiter in a coroutine's frame: co_await it at once. Allocates nothing.
class [[nodiscard]] frame_waiter : public waiter {
public:
    frame_waiter(wait_queue& queue, const wait_limit& limit, std::source_location site) noexcept
        : waiter(1), queue_(queue), limit_(limit), site_(site) {}

    bool await_ready() const noexcept { return false; }
    template <class P>
    bool await_suspend(std::coroutine_handle<P> waiting) {
        task_ = &waiting.promise();
        task_->set_site(site_);
        if (!queue_.add(*this, limit_)) {
            failure_ = limit_.abort()->abort_requested_exception_ptr();
            return false;
        }
        return true;
    }
    void await_resume() {
        if (failure_) {
            std::rethrow_exception(std::move(failure_));
        }
    }

private:
    void settle(std::exception_ptr failure) noexcept override {
        failure_ = std::move(failure);
        this_run_queue()->schedule(*task_);
    }

    wait_queue& queue_;
    wait_limit limit_;
    std::source_location site_;
    task* task_ = nullptr;
    std::exception_ptr failure_;
};

}  // namespace shale::detail
