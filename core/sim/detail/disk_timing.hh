// When the requests of a simulated disk are served: places to be served in, spells, stalls.
#pragma once

#include <cstdint>
#include <vector>

#include "../../base/random.hh"
#include "../disk_profile.hh"

namespace shale::sim::detail {

class disk_timing {
public:
    explicit disk_timing(const disk_latency& latency) : latency_(latency), free_at_ns_(latency.parallel, 0) {}

    struct service {
        std::uint64_t start_ns;  ///< until then it waits for a place
        std::uint64_t done_ns;
    };
    /// Takes the place that is free first.
    service serve(std::uint64_t now_ns, std::uint64_t base_ns, std::uint64_t bytes, random_engine& random);

    void begin_slow_spell(std::uint64_t now_ns, random_engine& random);
    void stall(std::uint64_t now_ns, random_engine& random);
    /// Ends the spell; those already served take as long as they do.
    void calm() noexcept { slow_until_ns_ = 0; }
    /// All places are free, and there is no spell.
    void reset() { *this = disk_timing(latency_); }

private:
    disk_latency latency_;
    std::vector<std::uint64_t> free_at_ns_;  // one a place
    std::uint64_t slow_until_ns_ = 0;
    double slow_factor_ = 1;
};

}  // namespace shale::sim::detail
