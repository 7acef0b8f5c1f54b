// What futures, coroutines and tasks cost in memory, one core. PERFORMANCE yardsticks are named at each benchmark.
#include <benchmark/benchmark.h>

#include <shale/core/async/coroutine.hh>
#include <shale/core/async/loop.hh>
#include <shale/core/sim/world.hh>

using namespace shale;

namespace {

/// A shard to run on, without a world's randomness.
struct bench_queue : run_queue {
    bench_queue() : scope(this) {}
    void drain() noexcept {
        while (group_queue* group = next_group()) {
            run_group(*group);
        }
    }
    run_queue_scope scope;
};

future<int> ready_coroutine(int x) {
    co_return x;
}

future<int> nested_twice(int x) {
    co_return co_await ready_coroutine(x);
}

future<int> nested_thrice(int x) {
    co_return co_await nested_twice(x);
}

future<int> await_link(future<int> f) {
    const int x = co_await std::move(f);
    co_return x + 1;
}

future<> yields_once() {
    co_await yield_now();
}

void ready_then(benchmark::State& state) {
    bench_queue queue;
    for (auto _ : state) {
        int x = 1;
        benchmark::DoNotOptimize(x);
        auto ready = make_ready_future<int>(x);
        benchmark::DoNotOptimize(ready);
        x = ready.then([](int v) { return v + 1; }).get();
        benchmark::DoNotOptimize(x);
    }
}
BENCHMARK(ready_then);

void ready_then_nested_5(benchmark::State& state) {
    bench_queue queue;
    for (auto _ : state) {
        auto ready = make_ready_future<int>(1);
        benchmark::DoNotOptimize(ready);
        auto f = ready.then([](int a) {
            return make_ready_future<int>(a).then([](int b) {
                return make_ready_future<int>(b).then([](int c) {
                    return make_ready_future<int>(c).then(
                        [](int d) { return make_ready_future<int>(d).then([](int e) { return e; }); });
                });
            });
        });
        benchmark::DoNotOptimize(f.get());
    }
}
BENCHMARK(ready_then_nested_5);

void pending_then_chain_5(benchmark::State& state) {
    bench_queue queue;
    for (auto _ : state) {
        auto f = yield()
                     .then([] { return yield(); })
                     .then([] { return yield(); })
                     .then([] { return yield(); })
                     .then([] { return yield(); })
                     .then([] { return 1; });
        queue.drain();
        benchmark::DoNotOptimize(f.get());
    }
}
BENCHMARK(pending_then_chain_5);

void pending_then_link(benchmark::State& state) {
    bench_queue queue;
    constexpr int links = 1000;
    for (auto _ : state) {
        promise<int> p;
        auto f = p.get_future();
        for (int i = 0; i < links; ++i) {
            f = f.then([](int x) { return x + 1; });
        }
        p.set_value(0);
        queue.drain();
        benchmark::DoNotOptimize(f.get());
    }
    state.SetItemsProcessed(state.iterations() * links);
}
BENCHMARK(pending_then_link);

void coroutine_ready(benchmark::State& state) {
    bench_queue queue;
    for (auto _ : state) {
        benchmark::DoNotOptimize(ready_coroutine(1).get());
    }
}
BENCHMARK(coroutine_ready);

void coroutine_ready_nested_3(benchmark::State& state) {
    bench_queue queue;
    for (auto _ : state) {
        benchmark::DoNotOptimize(nested_thrice(1).get());
    }
}
BENCHMARK(coroutine_ready_nested_3);

void coroutine_yield_once(benchmark::State& state) {
    bench_queue queue;
    for (auto _ : state) {
        auto f = yields_once();
        queue.drain();
        f.get();
    }
}
BENCHMARK(coroutine_yield_once);

void coroutine_await_link(benchmark::State& state) {
    bench_queue queue;
    constexpr int links = 1000;
    for (auto _ : state) {
        promise<int> p;
        auto f = p.get_future();
        for (int i = 0; i < links; ++i) {
            f = await_link(std::move(f));
        }
        p.set_value(0);
        queue.drain();
        benchmark::DoNotOptimize(f.get());
    }
    state.SetItemsProcessed(state.iterations() * links);
}
BENCHMARK(coroutine_await_link);

void error_through_chain_link(benchmark::State& state) {
    bench_queue queue;
    constexpr int links = 1000;
    const auto error = std::make_exception_ptr(std::runtime_error("x"));
    for (auto _ : state) {
        promise<int> p;
        auto f = p.get_future();
        for (int i = 0; i < links; ++i) {
            f = f.then([](int x) { return x + 1; });
        }
        p.set_exception(error);
        queue.drain();
        f.ignore_ready_future();
    }
    state.SetItemsProcessed(state.iterations() * links);
}
BENCHMARK(error_through_chain_link);

void parallel_for_each_100(benchmark::State& state) {
    bench_queue queue;
    const bool suspending = state.range(0) != 0;
    std::vector<int> items(100);
    for (auto _ : state) {
        auto f = suspending ? parallel_for_each(items, [](int) { return yields_once(); })
                            : parallel_for_each(items, [](int) { return make_ready_future<>(); });
        queue.drain();
        f.get();
    }
    state.SetItemsProcessed(state.iterations() * 100);
}
BENCHMARK(parallel_for_each_100)->ArgName("suspending")->Arg(0)->Arg(1);

struct requeued final : task {
    requeued() : task(&run, std::source_location::current()) {}
    static void run(task& self) noexcept {
        if (--static_cast<requeued&>(self).left > 0) {
            this_run_queue()->schedule(self);
        }
    }
    int left = 0;
};

void task_switch(benchmark::State& state) {
    bench_queue queue;
    constexpr int tasks = 1000;
    requeued t;
    for (auto _ : state) {
        t.left = tasks;
        queue.schedule(t);
        queue.drain();
    }
    state.SetItemsProcessed(state.iterations() * tasks);
}
BENCHMARK(task_switch);

void frame_pool_pair(benchmark::State& state) {
    bench_queue queue;
    for (auto _ : state) {
        void* block = queue.frames().allocate(100);
        benchmark::DoNotOptimize(block);
        queue.frames().free(block, 100);
    }
}
BENCHMARK(frame_pool_pair);

void empty_turn(benchmark::State& state) {
    sim::world world({.shards = static_cast<unsigned>(state.range(0)), .turn_cost_ns = 1, .preempt_at_random = false});
    run_queue_scope scope(&world.at(0));
    for (auto _ : state) {
        benchmark::DoNotOptimize(world.at(0).step());
    }
}
BENCHMARK(empty_turn)->ArgName("shards")->Arg(1)->Arg(2)->Arg(16)->Arg(64);

}  // namespace

BENCHMARK_MAIN();
