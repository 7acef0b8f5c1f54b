// Waiting for several futures of different types at once.
//
// Each argument is a future, or a callable that is called at once and kept alive until the end. All are started before
// any is waited for, and all are waited for whatever fails. The waits go from the last to the first, so that the
// waiter mostly wakes once.
#pragma once

#include <tuple>
#include <vector>

#include "coroutine.hh"

namespace shale {

namespace detail {

template <class F>
struct started {
    using type = futurize_t<std::invoke_result_t<F&>>;
    static type start(F& f) noexcept { return futurize_invoke(f); }
};
template <class T>
struct started<future<T>> {
    using type = future<T>;
    static type start(future<T>& f) noexcept { return std::move(f); }
};
template <class F>
using started_t = typename started<F>::type;

/// Waits for the first `Count` elements, the last first.
template <std::size_t Count, class Tuple>
future<void> wait_each(Tuple& futures) {
    if constexpr (Count > 0) {
        co_await when_available(std::get<Count - 1>(futures));
        if constexpr (Count > 1) {
            co_await wait_each<Count - 1>(futures);
        }
    }
    co_return;
}

template <class... F>
future<std::tuple<started_t<F>...>> wait_all(std::tuple<F...> arguments) {
    auto futures = std::apply([](F&... f) { return std::tuple<started_t<F>...>{started<F>::start(f)...}; }, arguments);
    co_await wait_each<sizeof...(F)>(futures);
    co_return std::move(futures);
}

/// A tuple element for a value, none for void.
template <class T>
std::tuple<T> as_tuple(future<T>&& f) {
    return std::tuple<T>(f.get());
}
inline std::tuple<> as_tuple(future<void>&& f) {
    f.get();
    return {};
}

/// Marks every failure but the first as seen, and throws that.
template <class... T>
void throw_first(std::tuple<future<T>...>& futures) {
    std::exception_ptr first;
    std::apply(
        [&](auto&... f) {
            auto look = [&](auto& one) {
                if (one.failed()) {
                    std::exception_ptr error = one.get_exception();
                    if (!first) {
                        first = std::move(error);
                    }
                }
            };
            (look(f), ...);
        },
        futures);
    if (first) {
        std::rethrow_exception(first);
    }
}

}  // namespace detail

/// Waits for all; the result is a tuple of available futures, failed ones among them.
template <class... F>
auto when_all(F&&... f) {
    return detail::wait_all(std::tuple<std::decay_t<F>...>(std::forward<F>(f)...));
}

/// Waits for all; the result is the tuple of their values without the voids, nothing when all are void, or the first
/// error in the order of the arguments.
template <class... F>
auto when_all_succeed(F&&... f) {
    using values = decltype(std::tuple_cat(detail::as_tuple(std::declval<detail::started_t<std::decay_t<F>>>())...));
    using result = std::conditional_t<std::tuple_size_v<values> == 0, void, values>;
    return [](std::tuple<std::decay_t<F>...> arguments) -> future<result> {
        auto futures = co_await detail::wait_all(std::move(arguments));
        detail::throw_first(futures);
        if constexpr (!std::is_void_v<result>) {
            co_return std::apply([](auto&... one) { return std::tuple_cat(detail::as_tuple(std::move(one))...); },
                                 futures);
        }
    }(std::tuple<std::decay_t<F>...>(std::forward<F>(f)...));
}

/// As when_all for any number of futures of one type.
template <class T>
future<std::vector<future<T>>> when_all(std::vector<future<T>> futures) {
    for (std::size_t i = futures.size(); i-- > 0;) {
        co_await when_available(futures[i]);
    }
    co_return std::move(futures);
}

}  // namespace shale
