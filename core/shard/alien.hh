// Work for shards from threads that are not shards: a main thread, a thread of another library, a signal waiter.
//
//     alien::instance shards;                                     // made on a shard, given to the thread
//     std::future<int> f = alien::submit_to(shards, 2, [] { return 1; });
//
// Any number of threads may submit at once; a shard that sleeps is woken. What one thread submits to one shard starts
// in that order, in the shard's main scheduling group. The runtime must outlive each call.
// check: allow closure, a call is made of futures, coroutines and the shard it goes to
#pragma once

#include <future>
#include <type_traits>
#include <vector>

#include "detail/remote_call.hh"

namespace shale::alien {

/// A runtime, as seen from outside.
class instance {
public:
    /// Of the runtime that this shard belongs to.
    instance();

    unsigned shard_count() const noexcept { return static_cast<unsigned>(boxes_.size()); }

    /// For run_on() and submit_to().
    void push(unsigned shard, shale::detail::message& m) const noexcept;

private:
    std::vector<shale::detail::mailbox*> boxes_;
};

namespace detail {

/// From a thread to a shard; there it becomes a task of the main group, and does not come back.
template <class Func>
class foreign_call final : public shale::detail::message {
public:
    template <class F>
    explicit foreign_call(F&& func) : func_(std::forward<F>(func)) {
        arrive = &arrived;
    }

private:
    class runner final : public task {
    public:
        explicit runner(foreign_call& call) noexcept
            : task(&run, std::source_location::current(), this_shard().group(0)), call_(&call) {}

    private:
        static void run(task& t) noexcept {
            auto& self = static_cast<runner&>(t);
            foreign_call* const call = self.call_;
            delete &self;
            call->func_();
            delete call;
        }
        foreign_call* call_;
    };

    static void arrived(shale::detail::message& m) noexcept {
        this_shard().schedule(*new runner(static_cast<foreign_call&>(m)));
    }

    Func func_;
};

template <class T>
void settle(std::promise<T>& promise, future<T>& f) noexcept {
    if (f.failed()) {
        promise.set_exception(f.get_exception());
    } else if constexpr (std::is_void_v<T>) {
        f.get();
        promise.set_value();
    } else {
        promise.set_value(f.get());
    }
}

}  // namespace detail

/// Runs `func()` on shard `target`, some time soon. It returns nothing and must not throw.
template <class Func>
void run_on(const instance& shards, unsigned target, Func&& func) {
    static_assert(std::is_void_v<std::invoke_result_t<std::decay_t<Func>&>>, "for a result there is submit_to()");
    shards.push(target, *new detail::foreign_call<std::decay_t<Func>>(std::forward<Func>(func)));
}

/// Runs `func()` on shard `target`; what it gives, or what its future becomes, is the result. `func` is kept until
/// then.
template <class Func>
auto submit_to(const instance& shards, unsigned target, Func&& func,
               std::source_location site = std::source_location::current()) {
    using result = typename shale::detail::call_result<Func>::value_type;
    std::promise<result> promise;
    std::future<result> f = promise.get_future();
    run_on(shards, target,
           [func = std::decay_t<Func>(std::forward<Func>(func)), promise = std::move(promise), site]() mutable {
               (void)shale::detail::call_here(std::move(func), site)
                   .then_wrapped(
                       [promise = std::move(promise)](future<result> done) mutable { detail::settle(promise, done); });
           });
    return f;
}

}  // namespace shale::alien
