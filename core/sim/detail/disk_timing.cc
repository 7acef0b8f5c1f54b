// See disk_timing.hh.
#include "disk_timing.hh"

#include <algorithm>
#include <cmath>

namespace shale::sim::detail {

namespace {

constexpr std::uint64_t ms = 1'000'000;

}  // namespace

disk_timing::service disk_timing::serve(std::uint64_t now_ns, std::uint64_t base_ns, std::uint64_t bytes,
                                        random_engine& random) {
    double takes_ns = static_cast<double>(base_ns);
    if (latency_.tail_ns != 0) {
        takes_ns += random.exponential(static_cast<double>(latency_.tail_ns));
    }
    takes_ns += static_cast<double>(bytes) * 1e9 / static_cast<double>(latency_.bytes_per_second);
    if (now_ns < slow_until_ns_) {
        takes_ns *= slow_factor_;
    }
    std::uint64_t& place = *std::ranges::min_element(free_at_ns_);
    const std::uint64_t start_ns = std::max(place, now_ns);
    place = start_ns + static_cast<std::uint64_t>(takes_ns);
    return {start_ns, place};
}

void disk_timing::begin_slow_spell(std::uint64_t now_ns, random_engine& random) {
    slow_until_ns_ = now_ns + random.between(10 * ms, 1000 * ms);
    slow_factor_ = 10 * std::pow(100.0, random.uniform());
}

void disk_timing::stall(std::uint64_t now_ns, random_engine& random) {
    const std::uint64_t until_ns = now_ns + random.between(50 * ms, 500 * ms);
    for (std::uint64_t& each : free_at_ns_) {
        each = std::max(each, until_ns);
    }
}

}  // namespace shale::sim::detail
