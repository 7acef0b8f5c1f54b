// One instance of a service on each shard, and how to reach them.
// check: allow closure, a call is made of futures, coroutines and the shard it goes to
//
//     sharded<counter> counters;
//     co_await counters.start(0);                                      // counter(0) on every shard
//     co_await counters.invoke_on(2, [](counter& c) { c.increment(); });
//     int sum = co_await counters.map_reduce0(std::mem_fn(&counter::get), 0, std::plus<int>());
//     co_await counters.stop();                                        // counter::stop() everywhere, then destroys
//
// Names and meanings are Seastar's. Instances are made and destroyed on their own shards. The sharded object belongs
// to the shard that starts it, must outlive every call, and must be stopped before it is destroyed; local() may be
// used on every shard in between. Callables and their arguments are copied to where they run, and kept until the
// futures they return are done.
#pragma once

#include <memory>
#include <typeinfo>
#include <vector>

#include "../async/when_all.hh"
#include "../shard/smp.hh"

namespace shale {

template <class Service>
class sharded;

/// local() on a shard that has no instance. what() names the service.
class no_sharded_instance_exception : public std::runtime_error {
public:
    using std::runtime_error::runtime_error;
};

/// A service derived from this can reach its siblings, once start() has made it: not in its constructor.
template <class Service>
class peering_sharded_service {
public:
    sharded<Service>& container() noexcept { return *container_; }
    const sharded<Service>& container() const noexcept { return *container_; }

private:
    friend class sharded<Service>;
    sharded<Service>* container_ = nullptr;
};

/// An argument of start() that each shard computes for itself: start(sharded_parameter([](int a) { ... }, 1)).
template <class Func, class... Args>
class sharded_parameter {
public:
    explicit sharded_parameter(Func func, Args... args) : func_(std::move(func)), args_(std::move(args)...) {}
    decltype(auto) evaluate() const;

private:
    Func func_;
    std::tuple<Args...> args_;
};

namespace detail {

[[noreturn]] void throw_no_instance(const std::type_info& service);

/// What a constructor gets for an argument of start(): the local instance for std::ref(sharded<S>), the value of a
/// sharded_parameter, and else the argument.
template <class T>
T&& for_this_shard(T& argument) noexcept {
    return std::move(argument);
}
template <class S>
S& for_this_shard(std::reference_wrapper<sharded<S>>& argument) {
    return argument.get().local();
}
template <class S>
S& for_this_shard(const std::reference_wrapper<sharded<S>>& argument) {
    return argument.get().local();
}
template <class Func, class... Args>
decltype(auto) for_this_shard(sharded_parameter<Func, Args...>& argument) {
    return argument.evaluate();
}

template <class T>
future<std::vector<T>> all_values(std::vector<future<T>> calls) {
    calls = co_await when_all(std::move(calls));
    std::exception_ptr error;
    std::vector<T> values;
    for (auto& call : calls) {
        if (call.failed()) {
            std::exception_ptr found = call.get_exception();
            error = error ? error : found;
        } else {
            values.push_back(call.get());
        }
    }
    if (error) {
        std::rethrow_exception(error);
    }
    co_return values;
}

/// What a reducer's get() gives; nothing when it has none.
template <class Reducer>
struct reducer_result {
    using type = void;
};
template <class Reducer>
requires requires(Reducer r) {
    std::move(r).get();
}
struct reducer_result<Reducer> {
    using type = decltype(std::declval<Reducer>().get());
};

}  // namespace detail

/// A reducer for map_reduce() that adds up.
template <class T>
class adder {
public:
    void operator()(const T& value) { sum_ = sum_ + value; }
    T get() && { return std::move(sum_); }

private:
    T sum_{};
};

template <class Service>
class sharded {
public:
    sharded() = default;
    sharded(const sharded&) = delete;
    sharded& operator=(const sharded&) = delete;
    ~sharded() {
        SHALE_ASSERT(instances_.empty(), "a sharded<{}> was destroyed before stop()", typeid(Service).name());
    }

    /// Makes Service(args...) on every shard, each from its own copies. If one fails, those that were made are stopped
    /// and destroyed, and the error is passed on.
    template <class... Args>
    future<void> start(Args&&... args) {
        return start_on(smp::shard_count(), std::tuple<std::decay_t<Args>...>(std::forward<Args>(args)...));
    }

    /// Makes Service(args...) on shard 0 alone.
    template <class... Args>
    future<void> start_single(Args&&... args) {
        return start_on(1, std::tuple<std::decay_t<Args>...>(std::forward<Args>(args)...));
    }

    /// Calls stop() of every instance, if it has one, waits for all, and then destroys them. Does nothing when there
    /// are none. A failed stop() is passed on at the end.
    future<void> stop() {
        if (instances_.empty()) {
            co_return;
        }
        auto stopped = co_await as_result(smp::invoke_on_all([this] { return stop_local(); }));
        co_await smp::invoke_on_all([this] { mine().reset(); });
        instances_.clear();
        if (!stopped) {
            std::rethrow_exception(stopped.error());
        }
    }

    bool local_is_initialized() const noexcept {
        return this_shard_id() < instances_.size() && instances_[this_shard_id()].service != nullptr;
    }
    /// This shard's instance, or throws no_sharded_instance_exception.
    Service& local() {
        if (!local_is_initialized()) [[unlikely]] {
            detail::throw_no_instance(typeid(Service));
        }
        return *mine();
    }
    const Service& local() const { return const_cast<sharded*>(this)->local(); }

    /// func(Service&, args...) on shard `target`; func may be a member function of Service.
    template <class Func, class... Args>
    auto invoke_on(unsigned target, Func&& func, Args&&... args) {
        return smp::submit_to(target, bound(std::forward<Func>(func), std::forward<Args>(args)...));
    }
    /// With a limit to the wait for room, as smp::submit_to.
    template <class Func, class... Args>
    auto invoke_on(unsigned target, const submit_options& options, Func&& func, Args&&... args) {
        return smp::submit_to(target, options, bound(std::forward<Func>(func), std::forward<Args>(args)...));
    }
    /// On each shard of a range at once.
    template <std::ranges::range Range, class Func, class... Args>
    future<void> invoke_on(Range targets, Func&& func, Args&&... args) {
        return detail::invoke_on_each(std::move(targets), bound(std::forward<Func>(func), std::forward<Args>(args)...),
                                      std::source_location::current());
    }
    template <class Func, class... Args>
    future<void> invoke_on_all(Func&& func, Args&&... args) {
        return smp::invoke_on_all(bound(std::forward<Func>(func), std::forward<Args>(args)...));
    }
    /// Everywhere but on this shard.
    template <class Func, class... Args>
    future<void> invoke_on_others(Func&& func, Args&&... args) {
        return smp::invoke_on_others(bound(std::forward<Func>(func), std::forward<Args>(args)...));
    }

    /// map(Service&, args...) on every shard; the results by shard.
    template <class Mapper, class... Args>
    auto map(Mapper&& mapper, Args&&... args) {
        auto call = bound(std::forward<Mapper>(mapper), std::forward<Args>(args)...);
        std::vector<detail::call_result<decltype(call)>> calls;
        for (const unsigned id : smp::all_shards()) {
            calls.push_back(smp::submit_to(id, call));
        }
        return detail::all_values(std::move(calls));
    }

    /// reduce(reduce(initial, map on shard 0), map on shard 1) ...
    template <class Mapper, class Initial, class Reduce>
    future<Initial> map_reduce0(Mapper mapper, Initial initial, Reduce reduce) {
        auto values = co_await map(std::move(mapper));
        for (auto& value : values) {
            initial = reduce(std::move(initial), std::move(value));
        }
        co_return initial;
    }

    /// Gives what map(Service&, args...) returned on each shard to reducer(value), which may return a future; the
    /// result is reducer.get(), if it has that.
    template <class Reducer, class Mapper, class... Args>
    auto map_reduce(Reducer reducer, Mapper mapper, Args... args) {
        return reduce_values(std::move(reducer), map(std::move(mapper), std::move(args)...));
    }

private:
    struct alignas(cache_line) instance {
        std::unique_ptr<Service> service;
    };

    std::unique_ptr<Service>& mine() noexcept { return instances_[this_shard_id()].service; }

    template <class Func, class... Args>
    auto bound(Func&& func, Args&&... args) {
        return [this, func = std::decay_t<Func>(std::forward<Func>(func)),
                args = std::tuple<std::decay_t<Args>...>(std::forward<Args>(args)...)]() mutable {
            return std::apply([&](auto&... a) { return std::invoke(func, local(), std::move(a)...); }, args);
        };
    }

    template <class... Args>
    void make_local(std::tuple<Args...>& args) {
        mine() = std::apply([](auto&... a) { return std::make_unique<Service>(detail::for_this_shard(a)...); }, args);
        if constexpr (std::is_base_of_v<peering_sharded_service<Service>, Service>) {
            mine()->container_ = this;
        }
    }

    template <class... Args>
    future<void> start_on(unsigned shards, std::tuple<Args...> args) {
        SHALE_ASSERT(instances_.empty(), "a sharded<{}> was started twice", typeid(Service).name());
        instances_ = std::vector<instance>(smp::shard_count());
        std::exception_ptr error;
        if constexpr ((std::is_copy_constructible_v<Args> && ...)) {
            auto make = [this, args = std::move(args)]() mutable { make_local(args); };
            auto made = co_await as_result(
                detail::invoke_on_each(std::views::iota(0U, shards), std::move(make), std::source_location::current()));
            error = made ? nullptr : made.error();
        } else {
            SHALE_ASSERT(shards == 1, "start() copies its arguments to each shard; one of these cannot be copied");
            auto made = co_await as_result(smp::submit_to(0, [this, &args] { make_local(args); }));
            error = made ? nullptr : made.error();
        }
        if (error) {
            (void)co_await as_result(stop());
            std::rethrow_exception(error);
        }
    }

    future<void> stop_local() {
        if constexpr (requires(Service & s) { s.stop(); }) {
            if (mine() != nullptr) {
                return futurize_invoke([this] { return mine()->stop(); });
            }
        }
        return make_ready_future<>();
    }

    template <class Reducer, class T>
    static future<typename detail::reducer_result<Reducer>::type> reduce_values(Reducer reducer,
                                                                                future<std::vector<T>> mapped) {
        auto values = co_await std::move(mapped);
        for (auto& value : values) {
            co_await futurize_invoke(reducer, std::move(value));
        }
        if constexpr (requires { std::move(reducer).get(); }) {
            co_return std::move(reducer).get();
        }
    }

    std::vector<instance> instances_;
};

template <class Func, class... Args>
decltype(auto) sharded_parameter<Func, Args...>::evaluate() const {
    return std::apply(
        [this](const auto&... a) -> decltype(auto) { return std::invoke(func_, detail::for_this_shard(a)...); }, args_);
}

}  // namespace shale
