// Affinity and cgroup limits: see machine.hh.
#include "machine.hh"

#include <sched.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <fstream>
#include <iterator>
#include <span>
#include <sstream>
#include <system_error>

#include <fmt/format.h>

#include "../shard/cpu_list.hh"

namespace shale {

namespace {

std::optional<std::string> blocking_read_file(const std::string& path) {
    std::ifstream in(path);
    if (!in) {
        return std::nullopt;
    }
    std::ostringstream text;
    text << in.rdbuf();
    return std::move(text).str();
}

std::vector<std::string> split(const std::string& text, char separator) {
    std::vector<std::string> parts;
    std::istringstream in(text);
    for (std::string part; std::getline(in, part, separator);) {
        parts.push_back(part);
    }
    return parts;
}

bool lists(const std::string& comma_separated, std::string_view name) {
    return std::ranges::any_of(split(comma_separated, ','), [&](const std::string& each) { return each == name; });
}

std::optional<std::uint64_t> parse_number(const std::string& text) {
    std::uint64_t value = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
    return error == std::errc() && end != text.data() ? std::optional(value) : std::nullopt;
}

// Where one hierarchy is to be read: from `leaf` (this process's group) up to and including `mount`.
struct hierarchy {
    std::string mount;
    std::string leaf;
    bool v2 = false;
};

// mountinfo: "36 35 98:0 /root /mount/point rw,noatime master:1 - cgroup2 cgroup rw,cpu" (proc(5)).
struct mount_line {
    std::string root, point, type, options;
};

std::optional<mount_line> parse_mount(const std::string& line) {
    const auto dash = line.find(" - ");
    if (dash == std::string::npos) {
        return std::nullopt;
    }
    const auto before = split(line.substr(0, dash), ' ');
    const auto after = split(line.substr(dash + 3), ' ');
    if (before.size() < 6 || after.size() < 3) {
        return std::nullopt;
    }
    return mount_line{before[3], before[4], after[0], after[2]};
}

// This process's path in a hierarchy: "4:cpu,cpuacct:/path", or "0::/path" for version 2.
std::optional<std::string> own_path(const std::string& cgroup_file, bool v2, std::string_view controller) {
    for (const std::string& line : split(cgroup_file, '\n')) {
        const auto first = line.find(':');
        const auto second = line.find(':', first + 1);
        if (first == std::string::npos || second == std::string::npos) {
            continue;
        }
        const std::string controllers = line.substr(first + 1, second - first - 1);
        if (v2 ? controllers.empty() && line.starts_with("0:") : lists(controllers, controller)) {
            return line.substr(second + 1);
        }
    }
    return std::nullopt;
}

// Inside a container the mount shows a part of the hierarchy: its root is cut off our path. When our path lies
// outside what is mounted ("/../other"), the mount itself is the nearest thing to our group that can be read.
std::string leaf_below(const mount_line& mount, const std::string& path) {
    std::string below = path;
    if (mount.root != "/") {
        below = path.starts_with(mount.root) ? path.substr(mount.root.size()) : "";
    }
    if (below == "/" || below.find("/..") != std::string::npos) {
        below.clear();
    }
    return mount.point + below;
}

// The hierarchies that govern `controller`: usually one, both versions where they are mixed.
std::vector<hierarchy> find_hierarchies(const std::string& root, std::string_view controller) {
    std::vector<hierarchy> found;
    const auto cgroup_file = blocking_read_file(root + "/proc/self/cgroup");
    const auto mounts = blocking_read_file(root + "/proc/self/mountinfo");
    if (!cgroup_file || !mounts) {
        return found;
    }
    for (const std::string& line : split(*mounts, '\n')) {
        const auto mount = parse_mount(line);
        const bool v2 = mount && mount->type == "cgroup2";
        if (!mount || (!v2 && !(mount->type == "cgroup" && lists(mount->options, controller)))) {
            continue;
        }
        if (const auto path = own_path(*cgroup_file, v2, controller)) {
            found.push_back({mount->point, leaf_below(*mount, *path), v2});
        }
    }
    return found;
}

// Calls `visit(directory)` for the leaf, its parent and so on to the mount, until it returns false.
template <class Visit>
void walk_up(const hierarchy& where, Visit visit) {
    std::string directory = where.leaf;
    while (directory.size() >= where.mount.size() && visit(directory) && directory != where.mount) {
        directory.erase(directory.rfind('/'));
    }
}

std::optional<cpu_quota> make_quota(const std::string& quota, const std::string& period, std::string source) {
    const auto quota_us = parse_number(quota);  // "max" and "-1" are no numbers: no limit
    const auto period_us = parse_number(period);
    if (!quota_us || !period_us || *quota_us == 0 || *period_us == 0) {
        return std::nullopt;
    }
    return cpu_quota{*quota_us, *period_us, std::move(source)};
}

std::optional<cpu_quota> read_quota_in(const std::string& root, const std::string& directory, bool v2) {
    if (v2) {
        const std::string file = directory + "/cpu.max";
        const auto text = blocking_read_file(root + file).value_or("");
        const auto blank = text.find(' ');
        return blank == std::string::npos ? std::nullopt
                                          : make_quota(text.substr(0, blank), text.substr(blank + 1), file);
    }
    const std::string file = directory + "/cpu.cfs_quota_us";
    const auto quota = blocking_read_file(root + file);
    const auto period = blocking_read_file(root + directory + "/cpu.cfs_period_us");
    return quota && period ? make_quota(*quota, *period, file) : std::nullopt;
}

std::optional<std::vector<unsigned>> read_cpuset_in(const std::string& directory, bool v2) {
    const auto files = v2 ? std::vector{"/cpuset.cpus.effective", "/cpuset.cpus"}
                          : std::vector{"/cpuset.effective_cpus", "/cpuset.cpus"};
    for (const char* file : files) {
        if (const auto text = blocking_read_file(directory + file)) {
            if (const auto cpus = parse_cpu_list(*text); cpus && !cpus->empty()) {
                return *cpus;
            }
        }
    }
    return std::nullopt;
}

}  // namespace

std::vector<unsigned> read_affinity() {
    // The kernel refuses a mask smaller than its own (EINVAL), so ask with more until it fits.
    for (std::size_t size = 1024; size <= cpu_index_max + 1; size *= 2) {
        std::vector<cpu_set_t> mask(size / CPU_SETSIZE);
        const std::size_t bytes = mask.size() * sizeof(cpu_set_t);
        if (sched_getaffinity(0, bytes, mask.data()) == 0) {
            std::vector<unsigned> cpus;
            for (unsigned index = 0; index < size; ++index) {
                if (CPU_ISSET_S(index, bytes, mask.data())) {
                    cpus.push_back(index);
                }
            }
            return cpus;
        }
        if (errno != EINVAL) {
            break;
        }
    }
    throw std::system_error(errno, std::generic_category(), "sched_getaffinity: the allowed CPUs could not be read");
}

std::optional<std::vector<unsigned>> read_cgroup_cpuset(const std::string& root) {
    std::optional<std::vector<unsigned>> result;
    for (const hierarchy& each : find_hierarchies(root, "cpuset")) {
        walk_up(each, [&](const std::string& directory) {
            result = read_cpuset_in(root + directory, each.v2);
            return !result;  // the nearest group that says anything has its parents' limits in it
        });
        if (result) {
            std::ranges::sort(*result);
            break;
        }
    }
    return result;
}

std::optional<cpu_quota> read_cgroup_quota(const std::string& root) {
    std::optional<cpu_quota> tightest;
    for (const hierarchy& each : find_hierarchies(root, "cpu")) {
        walk_up(each, [&](const std::string& directory) {
            const auto quota = read_quota_in(root, directory, each.v2);
            if (quota && (!tightest || quota->cpus() < tightest->cpus())) {
                tightest = quota;
            }
            return true;
        });
    }
    return tightest;
}

cpu_allowance read_allowance() {
    return read_allowance(read_affinity(), "");
}

cpu_allowance read_allowance(std::vector<unsigned> affinity, const std::string& root) {
    cpu_allowance allowance{.cpus = std::move(affinity), .quota = read_cgroup_quota(root)};
    if (const auto cpuset = read_cgroup_cpuset(root)) {
        std::vector<unsigned> both;
        std::ranges::set_intersection(allowance.cpus, *cpuset, std::back_inserter(both));
        if (!both.empty()) {  // disjoint means one of the two was misread; the scheduler's own word counts
            allowance.cpus = std::move(both);
        }
    }
    return allowance;
}

}  // namespace shale
