// The machine's CPUs: which share a core, which a package, which a NUMA node.
//
// A value, found once before any shard exists and then only read. hwloc does the finding and stays hidden in the
// .cc: its load is stripped to packages, cores, threads and NUMA nodes (no caches, no devices, no distances), which
// makes it 0.5-1.3 ms where the default costs twice that. A description in hwloc's synthetic language makes any
// machine for the tests and the simulation. This file says what the machine is; what the process may use of it is
// for core/app/machine.hh to find out, and what to use is placement.hh's choice.
#pragma once

#include <span>
#include <string>
#include <vector>

namespace shale {

/// One hardware thread.
struct cpu {
    unsigned os_index;   ///< the kernel's number, as in taskset and /proc/cpuinfo
    unsigned core;       ///< physical core, numbered through the whole machine
    unsigned package;    ///< socket, numbered through the machine
    unsigned numa_node;  ///< the kernel's number of the nearest memory
    unsigned smt_rank;   ///< 0 for the first thread of its core, 1 for its sibling

    bool operator==(const cpu&) const = default;
};

/// All online CPUs of a machine, by ascending os_index.
class machine_topology {
public:
    /// This machine as the kernel shows it, the CPUs this process may not use included. Reads /sys: call it before
    /// the shards start. Throws std::system_error when hwloc cannot read it.
    static machine_topology discover();

    /// A machine from hwloc's synthetic language: "pack:2 numa:2 core:4 pu:2" has 2 packages of 2 NUMA nodes of 4
    /// cores of 2 threads. Throws std::invalid_argument when the text is not understood.
    static machine_topology from_synthetic(const std::string& description);

    /// At least one CPU, in any order; smt_rank is numbered anew, by os_index within each core.
    explicit machine_topology(std::vector<cpu> cpus);

    std::span<const cpu> cpus() const noexcept { return cpus_; }

    /// The CPU of that number, or null.
    const cpu* find(unsigned os_index) const noexcept;

    /// The numbers alone, ascending.
    std::vector<unsigned> indices() const;

private:
    std::vector<cpu> cpus_;
};

}  // namespace shale
