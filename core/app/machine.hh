// What this process may use of the machine: affinity, cgroup cpuset and cgroup CPU quota.
//
// Three limits are set by three different people (taskset, the container's cpuset, the container's CPU limit) and a
// runtime that overlooks one of them is slow in a way nobody can see: so all are read, and all are told. Both cgroup
// versions are walked from the process's own group up to the top, because the tightest limit may stand at any level.
// A file that is missing or not understood limits nothing: a strange container must not keep a server from starting.
// Blocking file reads: for the time before the shards start. The root path lets tests bring their own /proc and /sys.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "../shard/placement.hh"

namespace shale {

/// The CPUs the scheduler may run this thread on, ascending (sched_getaffinity). Throws std::system_error.
std::vector<unsigned> read_affinity();

/// The CPUs the cgroup grants, ascending; nothing when no cgroup limits them.
std::optional<std::vector<unsigned>> read_cgroup_cpuset(const std::string& root = "");

/// The tightest CPU quota on the way from this process's cgroup to the top; nothing when there is none.
std::optional<cpu_quota> read_cgroup_quota(const std::string& root = "");

/// All of it: affinity and cpuset intersected, and the quota.
cpu_allowance read_allowance();

/// As above with the affinity given and files below `root`, which has proc/self/cgroup, proc/self/mountinfo and the
/// cgroup mounts that these name.
cpu_allowance read_allowance(std::vector<unsigned> affinity, const std::string& root);

}  // namespace shale
