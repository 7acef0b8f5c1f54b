// kv --sim: what a simulated run of the server is like, and the clients that judge it.
#pragma once

#include <cstdint>

#include <shale/core/app/simulation.hh>
#include <shale/core/async/future.hh>

#include "settings.hh"

namespace shale::kv {

/// What app_template::simulate() draws by itself: at least three power cycles in each run.
inline constexpr const char* simulated_storm = "power_cycles_min=3 power_cycles_max=30 down_max_ns=500000000";

/// Settings for a run with this seed: small logs, so that space is reclaimed within it, a cache that may be tiny, and a
/// server that other machines reach, at a port they know and without a password. What else was chosen on the command
/// line stays.
void draw_settings(settings& conf, std::uint64_t seed);

/// The workload: clients that check every answer through the storm; then, in the calm, every key is read back within
/// 30 s of virtual time, and once more after a last power loss. Fails with oracle_violation.
future<> play_clients(simulation& sim, const settings& conf);

}  // namespace shale::kv
