// The state that a future, its promise and the task waiting for it share, and the links between them.
//
// A result lives in exactly one place at a time: inside the future that will be asked for it, inside the continuation
// that waits for it, or (before anyone took the future) inside the promise. The promise always points at that place,
// and moving either end mends the other's pointer, so a future that is ready when it is made costs no allocation and
// no indirection. Everything here belongs to one shard; nothing is atomic.
#pragma once

#include <cstdint>
#include <exception>
#include <memory>
#include <new>
#include <source_location>
#include <type_traits>
#include <utility>

#include "../run_queue.hh"
#include "../task.hh"

namespace shale {

template <class T>
class future;

/// The error a future gets when its promise is destroyed unfulfilled.
class broken_promise : public std::exception {
public:
    const char* what() const noexcept override { return "broken promise"; }
};

namespace detail {

/// The type a future of T stores: T itself, a pointer for a reference, an empty struct for void.
struct unit {};
template <class T>
struct stored_type {
    using type = T;
};
template <class T>
struct stored_type<T&> {
    using type = T*;
};
template <>
struct stored_type<void> {
    using type = unit;
};
template <class T>
using stored = typename stored_type<T>::type;

/// An error on its way, and the place in the source where it entered the futures.
struct failure {
    std::exception_ptr error;
    std::source_location site;
};

/// Counts and reports an error that nobody looked at.
void report_dropped(const failure& f) noexcept;

enum class state_kind : std::uint8_t {
    pending,  ///< nothing yet
    value,
    error,
    taken,  ///< moved from, or asked for already
};

class state_base {
public:
    state_kind kind() const noexcept { return kind_; }
    bool available() const noexcept { return kind_ == state_kind::value || kind_ == state_kind::error; }
    bool failed() const noexcept { return kind_ == state_kind::error; }

protected:
    state_kind kind_ = state_kind::pending;
};

template <class T>
class future_state : public state_base {
public:
    using value_type = stored<T>;
    static_assert(std::is_nothrow_move_constructible_v<value_type>, "a future's value must move without throwing");
    static_assert(std::is_nothrow_destructible_v<value_type>, "a future's value must be destroyed without throwing");

    future_state() noexcept {}
    future_state(future_state&& other) noexcept { move_from(other); }
    future_state& operator=(future_state&& other) noexcept {
        if (this != &other) {
            destroy();
            move_from(other);
        }
        return *this;
    }
    ~future_state() { destroy(); }

    template <class... Args>
    void set_value(Args&&... args) noexcept(std::is_nothrow_constructible_v<value_type, Args...>) {
        SHALE_ASSERT(kind_ == state_kind::pending, "a promise was fulfilled twice");
        std::construct_at(&value_, std::forward<Args>(args)...);
        kind_ = state_kind::value;
    }
    void set_error(failure&& f) noexcept {
        SHALE_ASSERT(kind_ == state_kind::pending, "a promise was fulfilled twice");
        std::construct_at(&failure_, std::move(f));
        kind_ = state_kind::error;
    }

    /// The value, moved out; kind() must be value.
    value_type take_value() noexcept {
        value_type out = std::move(value_);
        std::destroy_at(&value_);
        kind_ = state_kind::taken;
        return out;
    }
    failure take_failure() noexcept {
        failure out = std::move(failure_);
        std::destroy_at(&failure_);
        kind_ = state_kind::taken;
        return out;
    }
    const value_type& peek_value() const noexcept { return value_; }
    const std::exception_ptr& peek_error() const noexcept { return failure_.error; }

private:
    void move_from(future_state& other) noexcept {
        kind_ = other.kind_;
        if (kind_ == state_kind::value) [[likely]] {
            std::construct_at(&value_, other.take_value());
        } else if (kind_ == state_kind::error) {
            std::construct_at(&failure_, other.take_failure());
        } else {
            other.kind_ = state_kind::taken;
        }
    }
    void destroy() noexcept {
        if (kind_ == state_kind::value) {
            std::destroy_at(&value_);
        } else if (kind_ == state_kind::error) [[unlikely]] {
            report_dropped(failure_);
            std::destroy_at(&failure_);
        }
    }

    union {
        value_type value_;
        failure failure_;
    };
};

class promise_base;

/// The half of a future that does not depend on its type: the link to the promise.
class future_base {
protected:
    future_base() noexcept = default;
    inline explicit future_base(promise_base& promise, state_base& state) noexcept;
    inline void adopt(future_base& other, state_base& state) noexcept;
    inline void detach() noexcept;

    friend class promise_base;
    promise_base* promise_ = nullptr;  ///< null when ready, taken or detached
};

/// The half of a promise that does not depend on its type: where the result goes and who waits for it.
class promise_base {
public:
    promise_base(const promise_base&) = delete;
    promise_base& operator=(const promise_base&) = delete;

    /// Result to `state`, then `waiter` runs. Used by continuations, which hold the state themselves.
    void set_target(state_base& state, task& waiter) noexcept {
        state_ = &state;
        waiter_ = &waiter;
        future_ = nullptr;
    }
    /// `waiter` runs once the result is in; the result stays where it is.
    void set_waiter(task& waiter) noexcept { waiter_ = &waiter; }

    bool has_target() const noexcept { return state_ != nullptr; }

    /// Everything `other` would have delivered to is delivered to by this promise from now on.
    void take_over(promise_base& other) noexcept {
        state_ = std::exchange(other.state_, nullptr);
        waiter_ = std::exchange(other.waiter_, nullptr);
        future_ = std::exchange(other.future_, nullptr);
        if (future_ != nullptr) {
            future_->promise_ = this;
        }
    }

protected:
    promise_base() noexcept = default;
    promise_base(promise_base&& other) noexcept { take_over(other); }
    ~promise_base() { unlink(); }

    void unlink() noexcept {
        if (future_ != nullptr) {
            future_->promise_ = nullptr;
            future_ = nullptr;
        }
    }

    /// The result is in `*state_`: whoever waits may run.
    void made_ready() noexcept {
        if (waiter_ != nullptr) {
            this_run_queue()->schedule(*std::exchange(waiter_, nullptr));
        }
        state_ = nullptr;
        unlink();
    }

    friend class future_base;
    state_base* state_ = nullptr;    ///< where the result goes; null when nobody wants it
    future_base* future_ = nullptr;  ///< the future that holds *state_, when it is a future that does
    task* waiter_ = nullptr;         ///< runs when the result is in
};

inline future_base::future_base(promise_base& promise, state_base& state) noexcept : promise_(&promise) {
    promise.future_ = this;
    promise.state_ = &state;
}

inline void future_base::adopt(future_base& other, state_base& state) noexcept {
    promise_ = std::exchange(other.promise_, nullptr);
    if (promise_ != nullptr) {
        promise_->future_ = this;
        promise_->state_ = &state;
    }
}

inline void future_base::detach() noexcept {
    if (promise_ != nullptr) {
        promise_->future_ = nullptr;
        promise_->state_ = nullptr;
        promise_->waiter_ = nullptr;
        promise_ = nullptr;
    }
}

/// A promise that delivers to a future or continuation that exists already: what continuations and coroutines hold.
template <class T>
class linked_promise : public promise_base {
public:
    linked_promise() noexcept = default;
    linked_promise(linked_promise&& other) noexcept : promise_base(std::move(other)) {}

    future_state<T>* target() const noexcept { return static_cast<future_state<T>*>(state_); }

    template <class... Args>
    void set_value(Args&&... args) {
        if (future_state<T>* state = target(); state != nullptr) [[likely]] {
            state->set_value(std::forward<Args>(args)...);
            made_ready();
        } else {
            waiter_ = nullptr;
        }
    }
    void set_error(failure&& f) noexcept {
        if (future_state<T>* state = target(); state != nullptr) [[likely]] {
            state->set_error(std::move(f));
            made_ready();
        } else {
            report_dropped(f);
        }
    }
    void set_state(future_state<T>&& from) noexcept {
        if (future_state<T>* state = target(); state != nullptr) [[likely]] {
            *state = std::move(from);
            made_ready();
        }
    }
};

}  // namespace detail
}  // namespace shale
