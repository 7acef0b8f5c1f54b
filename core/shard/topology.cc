// The machine's CPUs, as hwloc finds them: see topology.hh.
#include "topology.hh"

#include <algorithm>
#include <cerrno>
#include <memory>
#include <stdexcept>

#include <fmt/format.h>
#include <hwloc.h>

#include "../base/error.hh"

namespace shale {

namespace {

using topology_handle = std::unique_ptr<hwloc_topology, decltype(&hwloc_topology_destroy)>;

// Everything not asked about is left out. The x86 component would bind this thread to each CPU in turn to run CPUID
// there; the Linux component alone knows all that is needed.
topology_handle make_lean() {
    hwloc_topology_t raw = nullptr;
    if (hwloc_topology_init(&raw) != 0) {
        throw_system_error(errno, "hwloc: creating a topology");
    }
    topology_handle topology(raw, &hwloc_topology_destroy);
    hwloc_topology_set_all_types_filter(raw, HWLOC_TYPE_FILTER_KEEP_NONE);
    hwloc_topology_set_type_filter(raw, HWLOC_OBJ_GROUP, HWLOC_TYPE_FILTER_KEEP_STRUCTURE);  // NUMA nodes hang here
    hwloc_topology_set_type_filter(raw, HWLOC_OBJ_PACKAGE, HWLOC_TYPE_FILTER_KEEP_ALL);
    hwloc_topology_set_type_filter(raw, HWLOC_OBJ_CORE, HWLOC_TYPE_FILTER_KEEP_ALL);
    hwloc_topology_set_flags(raw, HWLOC_TOPOLOGY_FLAG_INCLUDE_DISALLOWED | HWLOC_TOPOLOGY_FLAG_DONT_CHANGE_BINDING |
                                      HWLOC_TOPOLOGY_FLAG_NO_DISTANCES | HWLOC_TOPOLOGY_FLAG_NO_MEMATTRS |
                                      HWLOC_TOPOLOGY_FLAG_NO_CPUKINDS);
    hwloc_topology_set_components(raw, HWLOC_TOPOLOGY_COMPONENTS_FLAG_BLACKLIST, "x86");
    return topology;
}

unsigned ancestor_index(hwloc_topology_t topology, hwloc_obj_type_t type, hwloc_obj_t pu, unsigned otherwise) {
    const hwloc_obj_t ancestor = hwloc_get_ancestor_obj_by_type(topology, type, pu);
    return ancestor == nullptr ? otherwise : ancestor->logical_index;
}

// A kernel may hide packages, cores or nodes (a small container runtime, an odd hypervisor). Then there is one
// package, one node, and every thread is a core of its own.
std::vector<cpu> list_cpus(hwloc_topology_t topology) {
    std::vector<cpu> cpus;
    hwloc_obj_t pu = nullptr;
    while ((pu = hwloc_get_next_obj_by_type(topology, HWLOC_OBJ_PU, pu)) != nullptr) {
        const hwloc_obj_t core = hwloc_get_ancestor_obj_by_type(topology, HWLOC_OBJ_CORE, pu);
        const int node = pu->nodeset == nullptr ? -1 : hwloc_bitmap_first(pu->nodeset);
        cpus.push_back({
            .os_index = pu->os_index,
            .core = core == nullptr ? pu->logical_index : core->logical_index,
            .package = ancestor_index(topology, HWLOC_OBJ_PACKAGE, pu, 0),
            .numa_node = node < 0 ? 0 : static_cast<unsigned>(node),
            .smt_rank = 0,
        });
    }
    return cpus;
}

void number_siblings(std::vector<cpu>& cpus) {
    std::vector<unsigned> threads_seen;
    for (cpu& each : cpus) {
        if (each.core >= threads_seen.size()) {
            threads_seen.resize(each.core + 1);
        }
        each.smt_rank = threads_seen[each.core]++;
    }
}

machine_topology load(const topology_handle& topology) {
    if (hwloc_topology_load(topology.get()) != 0) {
        throw make_system_error(errno, "hwloc: reading the machine's topology")
            .advise("Is /sys mounted and readable here?");
    }
    return machine_topology(list_cpus(topology.get()));
}

}  // namespace

machine_topology machine_topology::discover() {
    return load(make_lean());
}

machine_topology machine_topology::from_synthetic(const std::string& description) {
    const topology_handle topology = make_lean();
    if (hwloc_topology_set_synthetic(topology.get(), description.c_str()) != 0) {
        throw std::invalid_argument(fmt::format(
            "topology '{}': not understood; write it as hwloc does, such as 'pack:2 numa:1 core:4 pu:2'", description));
    }
    return load(topology);
}

machine_topology::machine_topology(std::vector<cpu> cpus) : cpus_(std::move(cpus)) {
    if (cpus_.empty()) {
        throw std::invalid_argument("topology: a machine has at least one CPU");
    }
    std::ranges::sort(cpus_, {}, &cpu::os_index);
    number_siblings(cpus_);
}

const cpu* machine_topology::find(unsigned os_index) const noexcept {
    const auto found = std::ranges::lower_bound(cpus_, os_index, {}, &cpu::os_index);
    return found != cpus_.end() && found->os_index == os_index ? &*found : nullptr;
}

std::vector<unsigned> machine_topology::indices() const {
    std::vector<unsigned> indices;
    indices.reserve(cpus_.size());
    for (const cpu& each : cpus_) {
        indices.push_back(each.os_index);
    }
    return indices;
}

}  // namespace shale
