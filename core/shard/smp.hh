// Calling functions on other shards.
//
//     int sum = co_await smp::submit_to(3, [a, b] { return a + b; });
//
// Shards share nothing: the callable moves to the target, runs there as a task of the caller's scheduling group, and
// its result or exception moves back. The callable may be a coroutine, with captures: it is kept until the future it
// returned is done. Calls from one shard to another start in the order they were made. Nothing here blocks: when the
// ring to the target is full, calls wait on the caller's side, and submit_options can limit that wait.
// With GCC 12, name the future before awaiting it when the lambda captures more than numbers and pointers; see
// coroutine.hh. Pointers and references that travel along must be used on their own shard only; foreign_ptr.hh helps
// with that.
// check: allow closure, a call is made of futures, coroutines and the shard it goes to
#pragma once

#include <ranges>

#include "../async/loop.hh"
#include "detail/remote_call.hh"

namespace shale {

/// The shard this code runs on, 0 to smp::shard_count() - 1. Only on a shard.
inline unsigned this_shard_id() noexcept {
    return this_shard().id();
}

namespace smp {

/// How many shards this runtime has.
inline unsigned shard_count() noexcept {
    return this_shard().count();
}

/// Their ids, for loops.
inline auto all_shards() noexcept {
    return std::views::iota(0U, shard_count());
}

/// Runs `func()` on shard `target` and gives its result: a value, nothing, an exception, or what its future becomes.
/// On the own shard it runs at once, in place. A result that is a reference is returned as a copy of what it refers to.
template <class Func>
detail::call_result<Func> submit_to(unsigned target, Func&& func,
                                    std::source_location site = std::source_location::current()) {
    static_assert(!std::is_reference_v<typename detail::call_result<Func>::value_type>,
                  "a future of a reference must not cross shards: return a copy, or a foreign_ptr");
    if (target == this_shard_id()) {
        return detail::call_here(std::forward<Func>(func), site);
    }
    auto* call = new detail::remote_call<std::decay_t<Func>>(std::forward<Func>(func), site);
    auto result = call->get_future();
    call->submit(target);
    return result;
}

/// As above, with a limit to the wait for room; see submit_options. The call is refused when that is over already.
template <class Func>
detail::call_result<Func> submit_to(unsigned target, const submit_options& options, Func&& func,
                                    std::source_location site = std::source_location::current()) {
    using result = typename detail::call_result<Func>::value_type;
    if (options.abort != nullptr && options.abort->abort_requested()) {
        return make_exception_future<result>(options.abort->abort_requested_exception_ptr(), site);
    }
    if (target == this_shard_id()) {
        return detail::call_here(std::forward<Func>(func), site);
    }
    auto* call = new detail::remote_call<std::decay_t<Func>, detail::send_limit>(std::forward<Func>(func), site);
    auto f = call->get_future();
    if (!call->submit(target)) {
        call->limit(target, options);
    }
    return f;
}

}  // namespace smp

namespace detail {

template <class Range, class Func>
future<void> invoke_on_each(Range shards, Func func, std::source_location site) {
    started_set calls;
    for (const unsigned id : shards) {
        calls.add(smp::submit_to(id, func, site).discard_result());
    }
    if (!calls.quiet()) {
        co_await calls.wait();
    }
}

}  // namespace detail

namespace smp {

/// Runs a copy of `func` on every shard at once and waits for all. If some fail, the error is one of theirs.
template <class Func>
future<void> invoke_on_all(Func func, std::source_location site = std::source_location::current()) {
    return detail::invoke_on_each(all_shards(), std::move(func), site);
}

/// As invoke_on_all, without the shard `except`.
template <class Func>
future<void> invoke_on_others(unsigned except, Func func, std::source_location site = std::source_location::current()) {
    return detail::invoke_on_each(all_shards() | std::views::filter([except](unsigned id) { return id != except; }),
                                  std::move(func), site);
}

/// Everywhere but here.
template <class Func>
future<void> invoke_on_others(Func func, std::source_location site = std::source_location::current()) {
    return invoke_on_others(this_shard_id(), std::move(func), site);
}

}  // namespace smp
}  // namespace shale
