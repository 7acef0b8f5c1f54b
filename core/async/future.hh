// Futures and promises: a value that may not be there yet, and what to do once it is.
//
// A future holds its value, its error or a link to its promise inline. `then` on a ready future runs the callable at
// once; on a pending one it allocates one node from the shard's pool. A future belongs to the shard that made it, has
// one consumer, and is also the type a coroutine returns (coroutine.hh). A failed future that is destroyed before
// anybody looked at it is reported with the place where the failure entered the futures.
// Errors in the callables given to `then` and its kin become errors of the future they return; nothing throws through.
#pragma once

#include <concepts>
#include <functional>
#include <tuple>

#include "detail/future_state.hh"
#include "detail/invoke.hh"

namespace shale {

template <class T>
class promise;

/// Thrown by a future whose `finally` failed after the future itself had failed.
class nested_exception : public std::exception {
public:
    nested_exception(std::exception_ptr inner, std::exception_ptr outer) noexcept;
    const char* what() const noexcept override { return "failure in finally() after a failure"; }
    std::exception_ptr inner;  ///< what finally's callable threw
    std::exception_ptr outer;  ///< what had failed before
};

/// A result of type T, or an error, now or later. Move-only, one consumer, one shard.
template <class T = void>
class [[nodiscard]] future : private detail::future_base {
public:
    using value_type = T;

    future(future&& other) noexcept : state_(std::move(other.state_)) { adopt(other, state_); }
    future& operator=(future&& other) noexcept {
        if (this != &other) {
            detach();
            state_ = std::move(other.state_);
            adopt(other, state_);
        }
        return *this;
    }
    ~future() { detach(); }

    /// True when the value or the error is there.
    bool available() const noexcept { return state_.available(); }
    bool failed() const noexcept { return state_.failed(); }

    /// The value, or throws the error. The future must be available; it never blocks. Once only.
    T get() {
        SHALE_ASSERT(available(), "get() on a future that is not ready; co_await it, or use then()");
        if (state_.failed()) [[unlikely]] {
            std::rethrow_exception(state_.take_failure().error);
        }
        return detail::unstore<T>(state_.take_value());
    }

    /// The error; the future must have failed. It counts as looked at.
    std::exception_ptr get_exception() noexcept {
        SHALE_ASSERT(failed(), "get_exception() on a future that has not failed");
        return state_.take_failure().error;
    }

    /// Marks an available future, failed or not, as looked at.
    void ignore_ready_future() noexcept {
        SHALE_ASSERT(available(), "ignore_ready_future() on a future that is not ready");
        if (state_.failed()) {
            state_.take_failure();
        } else {
            state_.take_value();
        }
    }

    /// Runs `func` with the value and returns a future of its result; an error passes by it. `func` may return a
    /// value, nothing, or a future. It lives until it has been run, not until the future it returned is done: a
    /// coroutine lambda with captures is therefore refused, in its first execution, with the site of this call.
    template <class Func>
    auto then(Func&& func, std::source_location site = std::source_location::current()) noexcept
        -> detail::then_result<Func, T> {
        using result = typename detail::then_result<Func, T>::value_type;
        if (state_.kind() == detail::state_kind::value) [[likely]] {
            return detail::invoke_marked<result>(func, site, state_);
        }
        if (state_.failed()) {
            return detail::future_access::make_failed<result>(state_.take_failure());
        }
        return chain<result, detail::on_value>(std::forward<Func>(func), site);
    }

    /// Runs `func` with this future once it is available, whether it failed or not.
    template <class Func>
    auto then_wrapped(Func&& func, std::source_location site = std::source_location::current()) noexcept
        -> futurize_t<std::invoke_result_t<Func, future>> {
        using result = typename futurize_t<std::invoke_result_t<Func, future>>::value_type;
        if (available()) {
            return detail::invoke_wrapped<result>(func, site, std::move(*this));
        }
        return chain<result, detail::on_either>(std::forward<Func>(func), site);
    }

    /// Runs `func`, without arguments, whatever the outcome, and passes the outcome on. Its own failure wins, as a
    /// nested_exception where both failed.
    template <class Func>
    future finally(Func&& func, std::source_location site = std::source_location::current()) noexcept {
        return then_wrapped([func = std::decay_t<Func>(std::forward<Func>(func)),
                             site](future self) mutable { return detail::run_finally(func, site, std::move(self)); },
                            site);
    }

    /// Runs `func(std::exception_ptr)` if this fails; its result, of type T or future<T>, takes the error's place.
    template <class Func>
    future handle_exception(Func&& func, std::source_location site = std::source_location::current()) noexcept {
        return then_wrapped(
            [func = std::decay_t<Func>(std::forward<Func>(func)), site](future self) mutable -> future {
                if (!self.failed()) {
                    return self;
                }
                return detail::invoke_for<future>(func, site, self.get_exception());
            },
            site);
    }

    /// As handle_exception, for errors of type E alone; others pass.
    template <class E, class Func>
    future handle_exception_type(Func&& func, std::source_location site = std::source_location::current()) noexcept {
        return handle_exception(
            [func = std::decay_t<Func>(std::forward<Func>(func)), site](std::exception_ptr error) mutable -> future {
                try {
                    std::rethrow_exception(error);
                } catch (E& e) {
                    return detail::invoke_for<future>(func, site, e);
                }
            },
            site);
    }

    /// Drops the value; errors stay.
    future<void> discard_result(std::source_location site = std::source_location::current()) noexcept {
        if constexpr (std::is_void_v<T>) {
            return std::move(*this);
        } else {
            return then([](auto&&...) {}, site);
        }
    }

    /// Everything this future will be is given to `to` instead.
    void forward_to(detail::linked_promise<T>&& to) noexcept {
        if (available()) {
            to.set_state(std::move(state_));
            return;
        }
        SHALE_ASSERT(promise_ != nullptr, "a future was used after it was moved from or asked");
        promise_->take_over(to);
        promise_ = nullptr;
        state_ = {};
    }

private:
    explicit future(detail::linked_promise<T>& from) noexcept : future_base(from, state_) {}
    explicit future(detail::future_state<T>&& state) noexcept : state_(std::move(state)) {}
    explicit future(detail::failure&& f) noexcept { state_.set_error(std::move(f)); }
    explicit future(std::in_place_t, auto&&... args) { state_.set_value(std::forward<decltype(args)>(args)...); }

    template <class Result, class Mode, class Func>
    future<Result> chain(Func&& func, std::source_location site) noexcept {
        SHALE_ASSERT(promise_ != nullptr, "a future was used after it was moved from or asked");
        using node = detail::continuation<T, Result, Mode, std::decay_t<Func>>;
        auto* next = new node(std::forward<Func>(func), site);
        promise_->set_target(next->state(), *next);
        promise_ = nullptr;
        return next->get_future();
    }

    friend struct detail::future_access;
    detail::future_state<T> state_;
};

/// The other end of a future: whoever has it decides the result. Move-only; set once; on the future's shard.
template <class T = void>
class promise : private detail::linked_promise<T> {
public:
    explicit promise(std::source_location site = std::source_location::current()) noexcept : site_(site) {
        this->state_ = &local_;
    }
    promise(promise&& other) noexcept
        : detail::linked_promise<T>(std::move(other)),
          local_(std::move(other.local_)),
          site_(other.site_),
          taken_(other.taken_) {
        if (this->state_ == &other.local_) {
            this->state_ = &local_;
        }
        other.taken_ = true;
    }
    promise& operator=(promise&& other) noexcept {
        if (this != &other) {
            std::destroy_at(this);
            std::construct_at(this, std::move(other));
        }
        return *this;
    }
    /// A promise given up while somebody waits fails the future with broken_promise.
    ~promise() {
        if (taken_ && this->has_target()) [[unlikely]] {
            this->set_error({std::make_exception_ptr(broken_promise()), site_});
        }
    }

    /// The future; once only.
    future<T> get_future() noexcept {
        SHALE_ASSERT(!taken_, "get_future() was called twice");
        taken_ = true;
        if (local_.available()) {
            return detail::future_access::make<T>(std::move(local_));
        }
        return detail::future_access::make<T>(static_cast<detail::linked_promise<T>&>(*this));
    }

    template <class... Args>
    void set_value(Args&&... args) {
        if constexpr (std::is_reference_v<T>) {
            detail::linked_promise<T>::set_value(std::addressof(args)...);
        } else {
            detail::linked_promise<T>::set_value(std::forward<Args>(args)...);
        }
    }
    void set_exception(std::exception_ptr error) noexcept { this->set_error({std::move(error), site_}); }
    template <class E>
    requires(!std::same_as<std::decay_t<E>, std::exception_ptr>) void set_exception(E&& error) noexcept {
        set_exception(std::make_exception_ptr(std::forward<E>(error)));
    }

private:
    detail::future_state<T> local_;  ///< the result, until the future is taken
    std::source_location site_;
    bool taken_ = false;
};

/// A future that has its value already.
template <class T = void, class... Args>
future<T> make_ready_future(Args&&... args) {
    if constexpr (std::is_reference_v<T>) {
        return detail::future_access::make_ready<T>(std::addressof(args)...);
    } else {
        return detail::future_access::make_ready<T>(std::forward<Args>(args)...);
    }
}

/// A future that has failed already, with an exception_ptr or an exception object.
template <class T = void, class E>
future<T> make_exception_future(E&& error, std::source_location site = std::source_location::current()) noexcept {
    if constexpr (std::same_as<std::decay_t<E>, std::exception_ptr>) {
        return detail::future_access::make_failed<T>(std::forward<E>(error), site);
    } else {
        return detail::future_access::make_failed<T>(std::make_exception_ptr(std::forward<E>(error)), site);
    }
}

/// For use in a catch block.
template <class T = void>
future<T> current_exception_as_future(std::source_location site = std::source_location::current()) noexcept {
    return detail::future_access::make_failed<T>(std::current_exception(), site);
}

/// Calls `func` and makes a future of whatever it does: value, nothing, future, exception.
template <class Func, class... Args>
futurize_t<std::invoke_result_t<Func, Args...>> futurize_invoke(Func&& func, Args&&... args) noexcept {
    return detail::invoke_for<futurize_t<std::invoke_result_t<Func, Args...>>>(func, std::source_location::current(),
                                                                               std::forward<Args>(args)...);
}

}  // namespace shale

#include "detail/continuation.hh"
