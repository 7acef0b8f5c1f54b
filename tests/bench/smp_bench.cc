// What crossing cores costs, beside the raw round trip of a cache line between the same two. PERFORMANCE.md, "Between
// two cores", has the yardsticks. Each benchmark runs inside one runtime of two polling shards, except those of the
// mailbox alone and the one of a sleeping target. The counters are nanoseconds a round trip, quantiles over bursts.
#include <benchmark/benchmark.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <memory>
#include <shale/core/app/runtime.hh>
#include <shale/core/shard/alien.hh>
#include <shale/core/shard/sleep.hh>
#include <shale/core/shard/smp.hh>
#include <shale/core/sim/world.hh>
#include <thread>

using namespace shale;

namespace {

const alien::instance* shards = nullptr;  // of the runtime that is up

/// Nanoseconds a round trip, one entry a burst. Quantiles of bursts hold on a busy machine where means do not.
using bursts = std::vector<double>;

class stopwatch {
public:
    double ns() const {
        return std::chrono::duration<double, std::nano>(std::chrono::steady_clock::now() - start_).count();
    }

private:
    std::chrono::steady_clock::time_point start_ = std::chrono::steady_clock::now();
};

/// Runs `measure`, a coroutine function that gives bursts, on shard 0.
template <class Measure>
void on_shard_0(benchmark::State& state, Measure measure) {
    bursts all;
    for (auto _ : state) {
        const bursts some = alien::submit_to(*shards, 0, measure).get();
        all.insert(all.end(), some.begin(), some.end());
    }
    std::ranges::sort(all);
    state.counters["p10"] = all[all.size() / 10];
    state.counters["p50"] = all[all.size() / 2];
    state.counters["p99"] = all[all.size() * 99 / 100];
    state.counters["per_s"] = 1e9 / all[all.size() / 2];
}

// The floor: two threads pass a token through two cache lines, without a shard's turn around it.
struct token {
    alignas(cache_line) std::atomic<std::uint64_t> there{0};
    alignas(cache_line) std::atomic<std::uint64_t> back{0};
};

void cache_line_round_trip(benchmark::State& state) {
    on_shard_0(state, []() -> future<bursts> {
        constexpr std::uint64_t trips = 100;
        constexpr std::uint64_t count = 200;
        auto t = std::make_unique<token>();
        auto echo = smp::submit_to(1, [t = t.get()] {
            for (std::uint64_t i = 1; i <= trips * count; ++i) {
                while (t->there.load(std::memory_order_acquire) != i) {
                }
                t->back.store(i, std::memory_order_release);
            }
        });
        co_await sleep(1us);  // the request leaves at the end of this turn
        bursts result;
        for (std::uint64_t i = 1; i <= trips * count;) {
            const stopwatch watch;
            for (std::uint64_t end = i + trips; i < end; ++i) {
                t->there.store(i, std::memory_order_release);
                while (t->back.load(std::memory_order_acquire) != i) {
                }
            }
            result.push_back(watch.ns() / trips);
        }
        co_await std::move(echo);
        co_return result;
    });
}

void round_trip(benchmark::State& state) {
    on_shard_0(state, []() -> future<bursts> {
        bursts result;
        for (int i = 0; i < 5'000; ++i) {
            const stopwatch watch;
            co_await smp::submit_to(1, [] {});
            result.push_back(watch.ns());
        }
        co_return result;
    });
}

constexpr unsigned flights = 64;
constexpr unsigned trips_a_flight = 100;

/// A burst of calls to `target`, `flights` of them at a time.
future<> fly(unsigned target) {
    std::vector<unsigned> chains(flights);
    co_await parallel_for_each(chains, [&target](unsigned&) -> future<> {
        for (unsigned i = 0; i < trips_a_flight; ++i) {
            co_await smp::submit_to(target, [] {});
        }
    });
}

void in_flight_one_way(benchmark::State& state) {
    on_shard_0(state, []() -> future<bursts> {
        bursts result;
        for (int i = 0; i < 20; ++i) {
            const stopwatch watch;
            co_await fly(1);
            result.push_back(watch.ns() / (flights * trips_a_flight));
        }
        co_return result;
    });
}

void in_flight_both_ways(benchmark::State& state) {
    on_shard_0(state, []() -> future<bursts> {
        bursts result;
        for (int i = 0; i < 20; ++i) {
            const stopwatch watch;
            auto other = smp::submit_to(1, [] { return fly(0); });
            co_await fly(1);
            co_await std::move(other);
            result.push_back(watch.ns() / (2 * flights * trips_a_flight));
        }
        co_return result;
    });
}

void round_trip_to_a_sleeper(benchmark::State& state) {
    on_shard_0(state, []() -> future<bursts> {
        bursts result;
        for (int i = 0; i < 100; ++i) {
            co_await sleep(1ms);
            const stopwatch watch;
            co_await smp::submit_to(1, [] {});
            result.push_back(watch.ns());
        }
        co_return result;
    });
}

// The mailbox alone.

struct message {
    message* next = nullptr;
    std::uint64_t stamp = 0;
};
using mailbox = shale::detail::basic_mailbox<std_atomics, message>;

struct network {
    explicit network(unsigned count) {
        for (unsigned i = 0; i < count; ++i) {
            owned.push_back(std::make_unique<mailbox>(shale::detail::mailbox_options{.self = i,
                                                                                     .shards = count,
                                                                                     .capacity = 8,
                                                                                     .heavy_barrier = []() noexcept {},
                                                                                     .wake = [](void*) noexcept {}}));
            boxes.push_back(owned.back().get());
        }
        for (mailbox* box : boxes) {
            box->connect(boxes);
        }
    }
    std::vector<std::unique_ptr<mailbox>> owned;
    std::vector<mailbox*> boxes;
};

void empty_poll(benchmark::State& state) {
    network net(static_cast<unsigned>(state.range(0)));
    for (auto _ : state) {
        benchmark::DoNotOptimize(net.boxes[0]->has_arrived());
        benchmark::ClobberMemory();
    }
}
BENCHMARK(empty_poll)->ArgName("shards")->Arg(2)->Arg(16)->Arg(64)->Arg(256)->Arg(1024);

void send_publish_receive(benchmark::State& state) {
    network net(2);
    message m;
    for (auto _ : state) {
        net.boxes[0]->send(1, m, 0);
        net.boxes[0]->publish();
        net.boxes[1]->receive(0, [](message& got) { benchmark::DoNotOptimize(&got); });
    }
}
BENCHMARK(send_publish_receive);

// The instructions of a call and its answer, both shards on this thread: what is left without the caches' part.
void call_without_crossing(benchmark::State& state) {
    sim::world world({.shards = 2, .turn_cost_ns = 1, .preempt_at_random = false});
    for (auto _ : state) {
        auto done = world.on(0, [] { return fly(1); });
        while (!done.available()) {
            for (const unsigned id : {0U, 1U}) {
                const run_queue_scope scope(&world.at(id));
                world.at(id).step();
            }
        }
    }
    state.SetItemsProcessed(static_cast<std::int64_t>(state.iterations()) * flights * trips_a_flight);
}
BENCHMARK(call_without_crossing);

/// Runs what `filter` matches inside a runtime of two shards.
void run_inside(bool poll, const char* filter) {
    runtime two({.placement = {.shards = 2}, .poll = poll});
    two.run([&]() -> future<int> {
        const alien::instance here;
        shards = &here;
        promise<> done;
        std::thread outside([&] {
            benchmark::RunSpecifiedBenchmarks(nullptr, nullptr, filter);
            alien::run_on(here, 0, [&done] { done.set_value(); });
        });
        co_await done.get_future();
        outside.join();
        co_return 0;
    });
}

}  // namespace

int main(int argc, char** argv) {
    for (auto* b : {benchmark::RegisterBenchmark("polling/cache_line_round_trip", cache_line_round_trip),
                    benchmark::RegisterBenchmark("polling/round_trip", round_trip),
                    benchmark::RegisterBenchmark("polling/in_flight_64_one_way", in_flight_one_way),
                    benchmark::RegisterBenchmark("polling/in_flight_64_both_ways", in_flight_both_ways),
                    benchmark::RegisterBenchmark("idle/round_trip_to_a_sleeper", round_trip_to_a_sleeper)}) {
        b->UseRealTime();
    }
    benchmark::Initialize(&argc, argv);
    const std::string wanted = benchmark::GetBenchmarkFilter();
    if (!wanted.empty()) {
        run_inside(!wanted.starts_with("idle"), wanted.c_str());
        return 0;
    }
    benchmark::RunSpecifiedBenchmarks("^[^/]*(/shards.*)?$");
    run_inside(true, "^polling/");
    run_inside(false, "^idle/");
    return 0;
}
