// Loops over futures, and do_with. Each is a coroutine that owns the callable it is given: captures live until the
// future returned is done, coroutine lambdas included. They give way to other work between iterations when preemption
// is due. Pass callables as rvalues or copyable lvalues; a range passed to parallel_for_each and do_for_each as an
// lvalue must outlive the future, as a rvalue it is kept.
#pragma once

#include <cstddef>
#include <iterator>
#include <optional>
#include <ranges>
#include <vector>

#include "coroutine.hh"

namespace shale {

/// What a body of repeat() says: go on, or stop.
enum class stop_iteration : bool { no, yes };

namespace detail {

// The coroutines behind the loops. Plain functions that take references stand before them, because GCC 12 destroys a
// temporary that initialises a by-value parameter inside a co_await expression twice.

template <class Body>
future<void> repeat_loop(Body body) {
    stop_iteration stop = stop_iteration::no;
    while (stop == stop_iteration::no) {
        stop = co_await futurize_invoke(body);
    }
}

template <class Result, class Body>
future<Result> repeat_until_value_loop(Body body) {
    while (true) {
        auto value = co_await futurize_invoke(body);
        if (value) {
            co_return std::move(*value);
        }
    }
}

template <class Stop, class Body>
future<void> do_until_loop(Stop stop, Body body) {
    while (!stop()) {
        co_await futurize_invoke(body);
    }
}

template <class Iterator, class Sentinel, class Body>
future<void> do_for_each_loop(Iterator begin, Sentinel end, Body body) {
    for (; begin != end; ++begin) {
        co_await futurize_invoke(body, *begin);
    }
}

template <class Range, class Body>
future<void> do_for_each_kept(Range kept, Body body) {
    for (auto&& element : kept) {
        co_await futurize_invoke(body, element);
    }
}

}  // namespace detail

/// Calls `body` until it returns stop_iteration::yes, one call after another. An error ends it.
template <class Body>
requires std::same_as < futurize_t < std::invoke_result_t < std::decay_t<Body>
& >>, future < stop_iteration >> future<void> repeat(Body&& body) {
    return detail::repeat_loop<std::decay_t<Body>>(std::forward<Body>(body));
}

/// Calls `body` until the std::optional it returns, or its future, holds a value; that is the result.
template <class Body>
auto repeat_until_value(Body&& body) {
    using optional = typename futurize_t<std::invoke_result_t<std::decay_t<Body>&>>::value_type;
    return detail::repeat_until_value_loop<typename optional::value_type, std::decay_t<Body>>(std::forward<Body>(body));
}

/// Calls `body` as long as `stop()` is false, asked before each call.
template <class Stop, class Body>
future<void> do_until(Stop&& stop, Body&& body) {
    return detail::do_until_loop<std::decay_t<Stop>, std::decay_t<Body>>(std::forward<Stop>(stop),
                                                                         std::forward<Body>(body));
}

/// Calls `body` for ever; only an error ends it.
template <class Body>
future<void> keep_doing(Body&& body) {
    return do_until([] { return false; }, std::forward<Body>(body));
}

/// Calls `body` with each element in turn, the next when the one before is done. The first error ends it.
template <class Iterator, class Sentinel, class Body>
requires std::sentinel_for<Sentinel, Iterator> future<void> do_for_each(Iterator begin, Sentinel end, Body&& body) {
    return detail::do_for_each_loop<Iterator, Sentinel, std::decay_t<Body>>(std::move(begin), std::move(end),
                                                                            std::forward<Body>(body));
}
template <std::ranges::range Range, class Body>
future<void> do_for_each(Range&& range, Body&& body) {
    return detail::do_for_each_kept<Range, std::decay_t<Body>>(std::forward<Range>(range), std::forward<Body>(body));
}

namespace detail {

/// Futures still pending, and the first error, of a set that was started together.
class started_set {
public:
    void add(future<void>&& f) {
        if (!f.available()) {
            pending_.push_back(std::move(f));
        } else if (f.failed()) {
            keep_first(f.get_exception());
        }
    }
    /// Room for so many pending ones, once there is one: growing would move them, one by one.
    void expect(std::size_t count) {
        if (!pending_.empty() && pending_.capacity() < count) {
            pending_.reserve(count);
        }
    }
    /// Waits for all, the last first, so that the waiter mostly wakes once. Then throws the first error, if any.
    future<void> wait();
    bool quiet() const noexcept { return pending_.empty() && !error_; }

private:
    void keep_first(std::exception_ptr error) noexcept {
        if (!error_) {
            error_ = std::move(error);
        }
    }
    std::vector<future<void>> pending_;
    std::exception_ptr error_;
};

template <class Iterator, class Sentinel, class Body>
future<void> parallel_loop(Iterator begin, Sentinel end, Body body) {
    started_set started;
    std::size_t count = 0;
    if constexpr (std::sized_sentinel_for<Sentinel, Iterator>) {
        count = static_cast<std::size_t>(end - begin);
    }
    for (; begin != end; ++begin) {
        started.add(futurize_invoke(body, *begin).discard_result());
        started.expect(count);
    }
    if (!started.quiet()) {
        co_await started.wait();
    }
}

template <class Range, class Body>
future<void> parallel_kept(Range kept, Body body) {
    co_await parallel_loop(std::ranges::begin(kept), std::ranges::end(kept), std::ref(body));
}

}  // namespace detail

/// Calls `body` with every element at once, in order and without a pause, and waits for all. The first error in the
/// order of the elements is the result; the others still run to their end.
template <class Iterator, class Sentinel, class Body>
requires std::sentinel_for<Sentinel, Iterator> future<void> parallel_for_each(Iterator begin, Sentinel end,
                                                                              Body&& body) {
    return detail::parallel_loop<Iterator, Sentinel, std::decay_t<Body>>(std::move(begin), std::move(end),
                                                                         std::forward<Body>(body));
}
template <std::ranges::range Range, class Body>
future<void> parallel_for_each(Range&& range, Body&& body) {
    return detail::parallel_kept<Range, std::decay_t<Body>>(std::forward<Range>(range), std::forward<Body>(body));
}

/// Keeps `values...` alive, calls `body` with references to them, and destroys them when its future is done.
/// The last argument is the callable: do_with(std::vector<int>(), [](auto& v) { ... }).
template <class First, class... Rest>
auto do_with(First&& first, Rest&&... rest) {
    auto all =
        std::tuple<std::decay_t<First>, std::decay_t<Rest>...>(std::forward<First>(first), std::forward<Rest>(rest)...);
    return [](auto kept) -> decltype(auto) {
        constexpr std::size_t count = sizeof...(Rest);
        return [&]<std::size_t... I>(std::index_sequence<I...>) {
            using result = futurize_t<std::invoke_result_t<std::tuple_element_t<count, decltype(kept)>&,
                                                           std::tuple_element_t<I, decltype(kept)>&...>>;
            return [](auto held) -> result {
                co_return co_await futurize_invoke(std::get<sizeof...(I)>(held), std::get<I>(held)...);
            }(std::move(kept));
        }
        (std::make_index_sequence<count>());
    }(std::move(all));
}

}  // namespace shale
