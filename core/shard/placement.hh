// Which CPU each shard gets, and why.
//
// Pure planning: the machine (topology.hh), what the process may use of it (core/app/machine.hh reads that) and what
// the user asked for go in; a CPU a shard and one to three lines of plain words come out. One thread of each physical
// core is taken first and SMT siblings only when the cores run out, because two shards on one core get little more
// than half a core each. The number of shards stays within the cgroup's CPU quota unless the user insists: the kernel
// stops a whole process that has used up its quota, for tens of milliseconds, with all its shards.
#pragma once

#include <cstdint>
#include <expected>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "topology.hh"

namespace shale {

/// More shards than this are refused: every ordered pair of shards has a mailbox.
inline constexpr unsigned shards_max = 1024;

/// A limit on CPU time: so many microseconds in each period, over all CPUs together.
struct cpu_quota {
    std::uint64_t quota_us = 0;
    std::uint64_t period_us = 0;
    std::string source;  ///< the file that says so

    /// 2.5 means two and a half CPUs' worth.
    double cpus() const noexcept { return static_cast<double>(quota_us) / static_cast<double>(period_us); }

    /// Rounded down, as a started CPU's worth would have its shard stopped part of every period; but at least 1.
    unsigned whole_cpus() const noexcept;
};

/// What this process may use.
struct cpu_allowance {
    std::vector<unsigned> cpus;  ///< affinity and cgroup cpuset together, ascending
    std::optional<cpu_quota> quota = {};
};

/// How to choose when fewer CPUs are wanted than allowed.
enum class placement_policy : std::uint8_t {
    spread,  ///< alternate between packages and NUMA nodes: the most cache and memory bandwidth a shard
    pack,    ///< fill a NUMA node's cores before the next node's: the cheapest talk between shards
};

/// What the user asked for.
struct placement_request {
    std::optional<unsigned> shards = {};  ///< --smp; absent: one on each CPU that may be used, within the quota
    std::vector<unsigned> cpuset = {};    ///< --cpuset, in the order written; empty: all that are allowed
    placement_policy policy = placement_policy::spread;
    bool pin = true;  ///< false: shards may run on any of the CPUs chosen
};

/// Where one shard lives.
struct shard_place {
    std::vector<unsigned> cpus;  ///< the thread's affinity: one CPU when pinned, all the candidates when not
    unsigned numa_node = 0;      ///< where its memory belongs; meaningful when pinned

    bool pinned() const noexcept { return cpus.size() == 1; }
};

struct placement_plan {
    std::vector<shard_place> shards;
    bool oversubscribed = false;   ///< more shards than CPUs: they share, unpinned, and must not spin when idle
    std::vector<std::string> why;  ///< one to three lines for a person
};

/// Plans. The error is one sentence that names the option at fault: the user asked for what cannot be had.
std::expected<placement_plan, std::string> plan_placement(const machine_topology& machine,
                                                          const cpu_allowance& allowance,
                                                          const placement_request& request);

}  // namespace shale
