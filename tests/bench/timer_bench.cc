// What a timer costs: the wheel alone, with few and with a hundred thousand armed, and timer<> on a shard.
//
// Distances are drawn before measuring, so that the generator is not part of the figure. Seastar's figures to beat
// stand in PERFORMANCE.md: cancel and arm 32-42 ns (low resolution 7-14), 200 thousand due at once 50-56 ns each.
#include <benchmark/benchmark.h>

#include <shale/core/base/random.hh>
#include <shale/core/shard/detail/timer_wheel.hh>
#include <shale/core/shard/shard.hh>
#include <shale/core/shard/timer.hh>

#include <algorithm>
#include <cstdint>
#include <vector>

namespace {

using shale::random_engine;
using shale::detail::timer_wheel;

constexpr std::uint64_t second_ns = 1'000'000'000;

std::vector<std::uint64_t> distances(std::size_t count, std::uint64_t low_ns, std::uint64_t high_ns) {
    random_engine random(1);
    std::vector<std::uint64_t> out(count);
    for (std::uint64_t& d : out) {
        d = random.between(low_ns, high_ns);
    }
    return out;
}

void remove_all(timer_wheel& wheel, std::vector<timer_wheel::node>& nodes) {
    for (timer_wheel::node& n : nodes) {
        if (n.linked()) {
            wheel.remove(n);
        }
    }
}

/// One of state.range(0) time-outs is pushed back. Sizes are powers of two: a division would cost more than a timer.
void wheel_cancel_and_arm(benchmark::State& state) {
    timer_wheel wheel;
    std::vector<timer_wheel::node> nodes(static_cast<std::size_t>(state.range(0)));
    const auto distance = distances(4096, second_ns, 60 * second_ns);
    std::size_t i = 0;
    for (timer_wheel::node& n : nodes) {
        wheel.insert(n, distance[i++ & (distance.size() - 1)]);
    }
    std::uint64_t now = 0;
    for (auto _ : state) {
        timer_wheel::node& n = nodes[i & (nodes.size() - 1)];
        wheel.remove(n);
        wheel.insert(n, now + distance[i & (distance.size() - 1)]);
        now += 20;
        ++i;
    }
    remove_all(wheel, nodes);
}
BENCHMARK(wheel_cancel_and_arm)->Arg(1)->Arg(1024)->Arg(131'072);

/// A turn in which nothing is due, with state.range(0) timers armed.
void wheel_idle_turn(benchmark::State& state) {
    timer_wheel wheel;
    std::vector<timer_wheel::node> nodes(static_cast<std::size_t>(state.range(0)));
    const auto distance = distances(nodes.size(), 3600 * second_ns, 7200 * second_ns);
    for (std::size_t i = 0; i < nodes.size(); ++i) {
        wheel.insert(nodes[i], distance[i]);
    }
    std::uint64_t now = 0;
    for (auto _ : state) {
        wheel.advance(now += 1000);
        benchmark::DoNotOptimize(wheel.pop_due());
        benchmark::DoNotOptimize(wheel.next_deadline());
    }
    remove_all(wheel, nodes);
}
BENCHMARK(wheel_idle_turn)->Arg(0)->Arg(100'000);

/// state.range(0) timers spread over state.range(1) ns, all due in one turn; the figure is for all of them.
void wheel_expire(benchmark::State& state) {
    timer_wheel wheel;
    std::vector<timer_wheel::node> nodes(static_cast<std::size_t>(state.range(0)));
    const auto spread = static_cast<std::uint64_t>(state.range(1));
    const auto distance = distances(nodes.size(), second_ns, second_ns + spread);
    std::uint64_t now = 0;
    for (auto _ : state) {
        state.PauseTiming();
        for (std::size_t i = 0; i < nodes.size(); ++i) {
            wheel.insert(nodes[i], now + distance[i]);
        }
        now += second_ns + spread;
        state.ResumeTiming();
        wheel.advance(now);
        std::size_t popped = 0;
        while (wheel.pop_due() != nullptr) {
            ++popped;
        }
        benchmark::DoNotOptimize(popped);
    }
    state.SetItemsProcessed(state.iterations() * state.range(0));
}
BENCHMARK(wheel_expire)
    ->Args({200'000, 0})
    ->Args({200'000, 10'000'000})
    ->Args({200'000, 1'000'000'000})
    ->Args({1000, 10'000'000});

/// The steady state of many timers that do fire: 8192 timers of 1 to 10 ms, a turn each 10 us.
void wheel_fire_and_rearm(benchmark::State& state) {
    timer_wheel wheel;
    std::vector<timer_wheel::node> nodes(8192);
    const auto distance = distances(4096, 1'000'000, 10'000'000);
    std::size_t i = 0;
    for (timer_wheel::node& n : nodes) {
        wheel.insert(n, distance[i++ & (distance.size() - 1)]);
    }
    std::uint64_t now = 0;
    std::uint64_t fired = 0;
    for (auto _ : state) {
        wheel.advance(now += 10'000);
        while (timer_wheel::node* n = wheel.pop_due()) {
            wheel.insert(*n, now + distance[i++ & (distance.size() - 1)]);
            ++fired;
        }
    }
    state.SetItemsProcessed(static_cast<std::int64_t>(fired));
    remove_all(wheel, nodes);
}
BENCHMARK(wheel_fire_and_rearm);

/// A shard to which nothing happens but time.
class time_only final : public shale::platform {
public:
    std::uint64_t now() noexcept override { return now_ns; }
    std::int64_t wall() noexcept override { return 0; }
    void entropy(std::span<std::byte>) noexcept override {}
    unsigned submit(shale::io_request* const*, unsigned) noexcept override { return 0; }
    unsigned reap(shale::io_request**, unsigned) noexcept override { return 0; }
    void wait(std::uint64_t) noexcept override {}
    void wake() noexcept override {}

    std::uint64_t now_ns = second_ns;
};

struct timer_shard {
    timer_shard() {
        std::vector<shale::shard*> all{&self};
        self.connect(all);
    }

    time_only outside;
    shale::shard self{outside, shale::shard_options{}};
    shale::run_queue_scope scope{&self};
};

/// As wheel_cancel_and_arm, with the timer around it: what a request pays for its time-out.
template <class Clock>
void timer_rearm(benchmark::State& state) {
    timer_shard shard;
    std::vector<shale::timer<Clock>> timers(static_cast<std::size_t>(state.range(0)));
    const auto distance = distances(4096, second_ns, 60 * second_ns);
    for (auto& t : timers) {
        t.set_callback([] {});
        t.arm(std::chrono::seconds(30));
    }
    std::size_t i = 0;
    for (auto _ : state) {
        timers[i & (timers.size() - 1)].rearm(shale::duration(distance[i & (distance.size() - 1)]));
        ++i;
    }
}
BENCHMARK(timer_rearm<shale::clock>)->Arg(1)->Arg(131'072);
BENCHMARK(timer_rearm<shale::lowres_clock>)->Arg(1)->Arg(131'072);

/// 200 thousand timers spread over state.range(0) ns, all due in one turn, callbacks included; the figure is for all.
/// They were armed in deadline order (as equal time-outs are) or, if state.range(1), in random order, which is as good
/// as random in memory.
void timer_fire(benchmark::State& state) {
    timer_shard shard;
    std::uint64_t fired = 0;
    std::vector<shale::timer<>> timers(200'000);
    const auto spread = static_cast<std::uint64_t>(state.range(0));
    auto distance = distances(timers.size(), second_ns, second_ns + spread);
    if (state.range(1) == 0) {
        std::ranges::sort(distance);
    }
    for (auto& t : timers) {
        t.set_callback([&fired] { ++fired; });
    }
    for (auto _ : state) {
        state.PauseTiming();
        for (std::size_t i = 0; i < timers.size(); ++i) {
            timers[i].arm(shale::duration(distance[i]));
        }
        shard.outside.now_ns += second_ns + spread;
        state.ResumeTiming();
        while (!shard.self.timers().empty()) {
            shard.self.step();
        }
    }
    state.SetItemsProcessed(static_cast<std::int64_t>(fired));
}
BENCHMARK(timer_fire)->Args({0, 0})->Args({10'000'000, 0})->Args({10'000'000, 1})->Args({1'000'000'000, 1});

}  // namespace

BENCHMARK_MAIN();
