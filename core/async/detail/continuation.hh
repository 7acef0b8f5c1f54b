// The one node that `then` allocates on a pending future, and the out-of-line half of `finally`.
//
// The node is the task that runs when the value is in, holds the value meanwhile, and holds the promise of the future
// that `then` returned. It is made by chain() in future.hh, queued by the promise it waits for, and frees itself.
// Included by future.hh alone, at its end, where future is complete.
#pragma once

#include "invoke.hh"

namespace shale::detail {

/// then(): errors pass by the callable.
struct on_value {
    template <class Result, class Func, class T>
    static void run(Func& func, std::source_location site, future_state<T>& state,
                    linked_promise<Result>& to) noexcept {
        if (state.failed()) [[unlikely]] {
            to.set_error(state.take_failure());
        } else {
            invoke_marked<Result>(func, site, state).forward_to(std::move(to));
        }
    }
};

/// then_wrapped(): the callable gets the future.
struct on_either {
    template <class Result, class Func, class T>
    static void run(Func& func, std::source_location site, future_state<T>& state,
                    linked_promise<Result>& to) noexcept {
        invoke_wrapped<Result>(func, site, future_access::make<T>(std::move(state))).forward_to(std::move(to));
    }
};

template <class T, class Result, class Mode, class Func>
class continuation final : public task {
public:
    template <class F>
    continuation(F&& func, std::source_location site) : task(&run, site), func_(std::forward<F>(func)) {}

    future_state<T>& state() noexcept { return state_; }
    future<Result> get_future() noexcept { return future_access::make<Result>(to_); }

private:
    static void run(task& self) noexcept {
        auto& node = static_cast<continuation&>(self);
        Mode::template run<Result>(node.func_, node.site(), node.state_, node.to_);
        delete &node;
    }

    future_state<T> state_;
    linked_promise<Result> to_;
    Func func_;
};

/// The two outcomes of a future and its finally(): the later failure wins and takes the earlier along.
template <class T>
future<T> merge_outcomes(future<T>&& self, future<void>&& last, std::source_location site) noexcept {
    if (!last.failed()) {
        last.ignore_ready_future();
        return std::move(self);
    }
    std::exception_ptr inner = last.get_exception();
    if (!self.failed()) {
        return future_access::make_failed<T>(std::move(inner), site);
    }
    return future_access::make_failed<T>(
        std::make_exception_ptr(nested_exception(std::move(inner), self.get_exception())), site);
}

template <class Func, class T>
future<T> run_finally(Func& func, std::source_location site, future<T>&& self) noexcept {
    constexpr bool returns_future = is_future_v<std::remove_cvref_t<std::invoke_result_t<Func&>>>;
    [[maybe_unused]] invocation_mark<Func, returns_future> mark(site);
    auto last = invoke_for<futurize_t<std::invoke_result_t<Func&>>>(func, site).discard_result(site);
    if (last.available()) {
        return merge_outcomes(std::move(self), std::move(last), site);
    }
    return last.then_wrapped(
        [self = std::move(self), site](future<void> done) mutable {
            return merge_outcomes(std::move(self), std::move(done), site);
        },
        site);
}

}  // namespace shale::detail
