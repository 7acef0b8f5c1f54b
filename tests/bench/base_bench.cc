// The parts of core/base that stand on hot paths.
#include <benchmark/benchmark.h>

#include <shale/core/base/bytes.hh>
#include <shale/core/base/crc32c.hh>
#include <shale/core/base/fault_point.hh>
#include <shale/core/base/histogram.hh>
#include <shale/core/base/log.hh>
#include <shale/core/base/random.hh>

#include <cstdint>
#include <vector>

namespace {

using namespace shale;

void random_next(benchmark::State& state) {
    random_engine random(1);
    for (auto _ : state) {
        benchmark::DoNotOptimize(random());
    }
}
BENCHMARK(random_next);

void random_below(benchmark::State& state) {
    random_engine random(1);
    for (auto _ : state) {
        benchmark::DoNotOptimize(random.below(1000));
    }
}
BENCHMARK(random_below);

/// state.range(0) bytes: a small record, a page, a segment.
void crc32c_of(benchmark::State& state) {
    const std::vector<std::byte> data(static_cast<std::size_t>(state.range(0)), std::byte{0x5a});
    for (auto _ : state) {
        benchmark::DoNotOptimize(crc32c(data));
    }
    state.SetBytesProcessed(state.iterations() * state.range(0));
}
BENCHMARK(crc32c_of)->Arg(16)->Arg(128)->Arg(4096)->Arg(1 << 20);

/// Latencies as they come: spread over three powers of ten.
void histogram_record(benchmark::State& state) {
    histogram h;
    random_engine random(1);
    std::vector<std::uint64_t> values(4096);
    for (std::uint64_t& value : values) {
        value = static_cast<std::uint64_t>(random.exponential(50'000)) >> random.below(10);
    }
    std::size_t i = 0;
    for (auto _ : state) {
        h.record(values[i++ & (values.size() - 1)]);
    }
    benchmark::DoNotOptimize(h.quantile(0.99));
}
BENCHMARK(histogram_record);

void histogram_quantile(benchmark::State& state) {
    histogram h;
    random_engine random(1);
    for (int i = 0; i < 10'000; ++i) {
        h.record(static_cast<std::uint64_t>(random.exponential(50'000)));
    }
    for (auto _ : state) {
        benchmark::DoNotOptimize(h.quantile(0.999));
    }
}
BENCHMARK(histogram_quantile);

constinit logger bench_log{"bench"};

void log_not_written(benchmark::State& state) {
    set_log_level("bench", log_level::warn);
    std::uint64_t value = 0;
    for (auto _ : state) {
        bench_log.debug("value {} of {}", value, "some");
        benchmark::DoNotOptimize(++value);
    }
}
BENCHMARK(log_not_written);

void fault_point_when_off(benchmark::State& state) {
    for (auto _ : state) {
        benchmark::DoNotOptimize(FAULT("bench.fault"));
        PROBE("bench.probe");
    }
}
BENCHMARK(fault_point_when_off);

}  // namespace

BENCHMARK_MAIN();
