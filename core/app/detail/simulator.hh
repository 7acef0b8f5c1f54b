// What --sim does: runs a range of seeds, says a line about each, and of one that fails everything there is to know.
#pragma once

#include <functional>
#include <string>

#include "../options.hh"
#include "simulated_run.hh"

namespace shale::detail {

/// Adds the group "Simulation": --sim, --seed, --sim-seeds, --sim-check, --sim-set, --sim-json.
void add_simulation_flags(option_set& options, simulation_options& to);

/// Which of them was given without --sim, in a sentence; the program would run for real. Empty: none.
std::string stray_simulation_flag(const simulation_options& given);

/// The line that repeats one seed of this command line.
std::string replay_line(int argc, const char* const* argv, std::uint64_t seed);

/// Runs the seeds one after another, on the calling thread, and prints to stdout. Gives the exit code: ok, failed when
/// a seed has failed or did not repeat, usage when an override of `options` is wrong. `replay` gives the line to show.
int simulate(simulated_run& run, const std::string& name, std::optional<unsigned> shards,
             const simulation_options& options, const std::function<std::string(std::uint64_t)>& replay);

}  // namespace shale::detail
