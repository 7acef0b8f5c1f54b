// What `then` and its kin share: naming result types, and calling a callable so that any outcome becomes a future.
//
// Also the guard of the capture rule: while `then` runs a callable that has captures and returns a future, the run
// queue names the callable's type. A coroutine whose implicit object is that callable then knows in its first
// execution that its captures will die at its first suspension, and stops the program with the site of the `then`.
#pragma once

#include <concepts>
#include <exception>
#include <functional>
#include <source_location>
#include <type_traits>
#include <utility>

#include "future_state.hh"

namespace shale {

template <class T>
inline constexpr bool is_future_v = false;
template <class T>
inline constexpr bool is_future_v<future<T>> = true;

namespace detail {

template <class R>
struct futurize {
    using type = future<R>;
};
template <class T>
struct futurize<future<T>> {
    using type = future<T>;
};

/// What a continuation for a value of T is called with.
template <class Func, class T>
struct then_invoke : std::invoke_result<Func, T> {};
template <class Func>
struct then_invoke<Func, void> : std::invoke_result<Func> {};

}  // namespace detail

/// future<T> for T, and for future<T>.
template <class R>
using futurize_t = typename detail::futurize<std::remove_cvref_t<R>>::type;

namespace detail {

template <class Func, class T>
using then_result =
    typename futurize<std::conditional_t<std::is_lvalue_reference_v<typename then_invoke<Func, T>::type>,
                                         typename then_invoke<Func, T>::type,
                                         std::remove_cvref_t<typename then_invoke<Func, T>::type>>>::type;

/// From how a future stores a value to what its consumer gets.
template <class T>
T unstore(stored<T>&& value) noexcept {
    if constexpr (std::is_void_v<T>) {
        return;
    } else if constexpr (std::is_reference_v<T>) {
        return *value;
    } else {
        return std::move(value);
    }
}

/// Makes futures from their parts, for the files of this folder.
struct future_access {
    template <class T>
    static future<T> make(linked_promise<T>& from) noexcept {
        return future<T>(from);
    }
    template <class T>
    static future<T> make(future_state<T>&& state) noexcept {
        return future<T>(std::move(state));
    }
    template <class T, class... Args>
    static future<T> make_ready(Args&&... args) {
        return future<T>(std::in_place, std::forward<Args>(args)...);
    }
    template <class T>
    static future<T> make_failed(failure&& f) noexcept {
        return future<T>(std::move(f));
    }
    template <class T>
    static future<T> make_failed(std::exception_ptr error, std::source_location site) noexcept {
        return future<T>(failure{std::move(error), site});
    }
    /// `waiter` runs once `f`, which is pending, is available; the result stays in `f`.
    template <class T>
    static void wait(future<T>& f, task& waiter) noexcept {
        SHALE_ASSERT(f.promise_ != nullptr, "a future was awaited after it was moved from or asked");
        f.promise_->set_waiter(waiter);
    }
    template <class T>
    static future_state<T>& state(future<T>& f) noexcept {
        return f.state_;
    }
};

template <class F>
inline constexpr char closure_tag = 0;

/// Names the callable about to run while in scope; see the head of the file.
template <class Func, bool ReturnsFuture>
class invocation_mark {
public:
    explicit invocation_mark(std::source_location) noexcept {}
};
template <class Func>
requires(std::is_class_v<Func> && !std::is_empty_v<Func>) class invocation_mark<Func, true> {
public:
    explicit invocation_mark(std::source_location site) noexcept : queue_(this_run_queue()) {
        if (queue_ != nullptr) {
            outer_ = std::exchange(queue_->invoked, invoked_callable{&closure_tag<Func>, site});
        }
    }
    invocation_mark(const invocation_mark&) = delete;
    invocation_mark& operator=(const invocation_mark&) = delete;
    ~invocation_mark() {
        if (queue_ != nullptr) {
            queue_->invoked = outer_;
        }
    }

private:
    run_queue* queue_;
    invoked_callable outer_;
};

/// Calls `func`; whatever it does becomes a `Future`. The callable outlives the future it returns, so no mark.
template <class Future, class Func, class... Args>
Future invoke_for(Func& func, std::source_location site, Args&&... args) noexcept {
    using value = typename Future::value_type;
    using raw = std::invoke_result_t<Func&, Args...>;
    try {
        if constexpr (is_future_v<std::remove_cvref_t<raw>>) {
            return std::invoke(func, std::forward<Args>(args)...);
        } else if constexpr (std::is_void_v<raw>) {
            std::invoke(func, std::forward<Args>(args)...);
            return future_access::make_ready<value>();
        } else if constexpr (std::is_reference_v<value>) {
            return future_access::make_ready<value>(std::addressof(std::invoke(func, std::forward<Args>(args)...)));
        } else {
            return future_access::make_ready<value>(std::invoke(func, std::forward<Args>(args)...));
        }
    } catch (...) {
        return future_access::make_failed<value>(std::current_exception(), site);
    }
}

/// As invoke_for with the value in `state`, for a callable that dies when it returns.
template <class Result, class Func, class T>
future<Result> invoke_marked(Func& func, std::source_location site, future_state<T>& state) noexcept {
    constexpr bool returns_future = is_future_v<std::remove_cvref_t<typename then_invoke<Func, T>::type>>;
    [[maybe_unused]] invocation_mark<std::remove_cvref_t<Func>, returns_future> mark(site);
    if constexpr (std::is_void_v<T>) {
        state.take_value();
        return invoke_for<future<Result>>(func, site);
    } else if constexpr (std::is_reference_v<T>) {
        return invoke_for<future<Result>>(func, site, *state.take_value());
    } else {
        return invoke_for<future<Result>>(func, site, state.take_value());
    }
}

template <class Result, class Func, class T>
future<Result> invoke_wrapped(Func& func, std::source_location site, future<T>&& self) noexcept {
    constexpr bool returns_future = is_future_v<std::remove_cvref_t<std::invoke_result_t<Func&, future<T>>>>;
    [[maybe_unused]] invocation_mark<std::remove_cvref_t<Func>, returns_future> mark(site);
    return invoke_for<future<Result>>(func, site, std::move(self));
}

// In continuation.hh, which needs the whole of future.
struct on_value;
struct on_either;
template <class T, class Result, class Mode, class Func>
class continuation;
template <class Func, class T>
future<T> run_finally(Func& func, std::source_location site, future<T>&& self) noexcept;

}  // namespace detail
}  // namespace shale
