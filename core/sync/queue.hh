// A bounded queue between fibers of one shard: who pops an empty one waits, who pushes to a full one waits.
//
// Waiters are woken in the order in which they came. abort() ends it: what is in it is dropped, and every wait, now
// and later, fails with the reason given. Names and meanings are Seastar's. Belongs to one shard.
#pragma once

#include <deque>
#include <limits>

#include "condition_variable.hh"

namespace shale {

template <class T>
class queue {
public:
    explicit queue(std::size_t max_size = std::numeric_limits<std::size_t>::max()) noexcept : max_size_(max_size) {}

    /// Puts `value` in if there is room.
    bool push(T&& value) {
        if (full() || aborted_) {
            return false;
        }
        items_.push_back(std::move(value));
        not_empty_.wake();
        return true;
    }

    /// The first; the queue must not be empty.
    T pop() {
        SHALE_ASSERT(!empty(), "pop() on an empty queue");
        T value = std::move(items_.front());
        items_.pop_front();
        not_full_.wake();
        return value;
    }
    T& front() noexcept { return items_.front(); }

    /// As push() and pop(), once it can be. The limit's excess is condition_variable_timed_out.
    future<void> push_eventually(T value, wait_limit limit = {}) {
        while (!usable(!full())) {
            co_await not_full_.when(limit);
        }
        push(std::move(value));
    }
    future<T> pop_eventually(wait_limit limit = {}) {
        while (!usable(!empty())) {
            co_await not_empty_.when(limit);
        }
        co_return pop();
    }

    /// Ready once there is something to pop, or room to push, which another may take before the caller runs.
    future<void> not_empty(wait_limit limit = {}) {
        return not_empty_.wait(limit, [this] { return usable(!empty()); });
    }
    future<void> not_full(wait_limit limit = {}) {
        return not_full_.wait(limit, [this] { return usable(!full()); });
    }

    bool empty() const noexcept { return items_.empty(); }
    bool full() const noexcept { return items_.size() >= max_size_; }
    std::size_t size() const noexcept { return items_.size(); }
    std::size_t max_size() const noexcept { return max_size_; }
    void set_max_size(std::size_t max_size) {
        max_size_ = max_size;
        not_full_.broadcast();
    }
    bool has_blocked_consumer() const noexcept { return not_empty_.has_waiters(); }

    /// Drops what is in it and fails all waits, now and from now on, with `reason`.
    void abort(std::exception_ptr reason) noexcept {
        items_.clear();
        aborted_ = reason;
        not_empty_.broken(reason);
        not_full_.broken(std::move(reason));
    }

private:
    /// Wakes one that waits, and forgets about it when there is none: the predicate sees the state anyway.
    struct side : condition_variable {
        void wake() noexcept {
            if (has_waiters()) {
                signal();
            }
        }
    };

    bool usable(bool now) const {
        if (aborted_) {
            std::rethrow_exception(aborted_);
        }
        return now;
    }

    std::size_t max_size_;
    std::deque<T> items_;
    std::exception_ptr aborted_;
    side not_empty_;
    side not_full_;
};

}  // namespace shale
