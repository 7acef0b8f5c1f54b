// What came of one simulated run, what is said about it, and what many of them come to.
//
// It is the one place that puts a run into words: `--sim` of programs (core/app) and SIM_TEST (core/testing) both tell
// a failed seed by explain(), and hand it to scripts/sim by to_json(). It prints nothing and measures nothing itself.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

namespace shale::sim {

class world;
struct swarm_options;

using named_counts = std::map<std::string, std::uint64_t, std::less<>>;

struct run_report {
    std::uint64_t seed = 0;
    std::string failure = {};  ///< a sentence or more; empty: all is well
    std::string drawn = {};    ///< swarm_options::to_string()
    std::uint64_t hash = 0;
    std::uint64_t steps = 0;  ///< turns and events
    std::uint64_t virtual_ns = 0;
    named_counts figures = {};  ///< what the test or workload counted
    named_counts faults = {};
    named_counts probes = {};
    std::vector<std::string> last_events = {};  ///< of a run that failed
    std::vector<std::string> waiting = {};      ///< the same: who waits for what

    bool failed() const noexcept { return !failure.empty(); }

    /// Takes from the world what it has come to since `begin_ns`; a dropped failure is one of the run. At the end of a
    /// run, whose other failures are noted already.
    void take(world& from, std::uint64_t begin_ns);

    /// Everything about a run that failed, in lines that begin with two blanks; `replay` is the command that repeats
    /// it.
    std::string explain(std::string_view replay) const;

    /// One line, for scripts/sim: an object of these members, and `name`, `replay`, `real_s` and `report`, which is
    /// explain() of a run that failed.
    std::string to_json(std::string_view name, std::string_view replay, double real_s) const;
};

struct run_totals {
    std::uint64_t seeds = 0;
    std::uint64_t failed = 0;
    std::uint64_t steps = 0;
    double virtual_s = 0;
    double real_s = 0;
    named_counts figures = {};
    named_counts faults = {};
    named_counts probes = {};

    /// One more run, which took `seconds` of real time.
    void add(const run_report& run, double seconds);
    void add(const run_totals& more);

    /// "echo: 3 seeds, 0 failed; ...", and what was counted, in lines of their own.
    std::string to_string(std::string_view name) const;
};

/// "disk.stall 3, machine.kill 7", or "none".
std::string list(const named_counts& counts);

/// As a shell takes it for one word: quoted where that is needed.
std::string shell_word(std::string_view word);

}  // namespace shale::sim
