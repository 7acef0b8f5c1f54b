// Choosing CPUs: see placement.hh.
#include "placement.hh"

#include <algorithm>
#include <iterator>
#include <map>
#include <set>
#include <tuple>
#include <utility>

#include <fmt/format.h>

#include "cpu_list.hh"

namespace shale {

namespace {

std::string cpus_in_words(std::span<const unsigned> cpus) {
    if (cpus.size() == 2) {
        return fmt::format("CPUs {} and {}", cpus[0], cpus[1]);
    }
    return fmt::format("{} {}", cpus.size() == 1 ? "CPU" : "CPUs", format_cpu_list(cpus));
}

std::string counted(std::size_t n, std::string_view what) {
    return fmt::format("{} {}{}", n, what, n == 1 ? "" : "s");
}

std::string quota_in_words(const cpu_quota& quota) {
    const double cpus = static_cast<double>(quota.quota_us * 100 / quota.period_us) / 100;
    return fmt::format("{} {}", cpus, cpus == 1 ? "CPU" : "CPUs");
}

bool contains(std::span<const unsigned> sorted, unsigned value) {
    return std::ranges::binary_search(sorted, value);
}

std::string refuse_cpu(unsigned wrong, const machine_topology& machine, const cpu_allowance& allowance,
                       std::span<const unsigned> asked) {
    if (machine.find(wrong) == nullptr) {
        return fmt::format("--cpuset {}: there is no CPU {} here (online: {}); name only CPUs of this machine",
                           format_cpu_list(asked), wrong, format_cpu_list(machine.indices()));
    }
    return fmt::format(
        "--cpuset {}: CPU {} is not allowed here (allowed: {}); name only allowed CPUs, or widen the "
        "process's affinity (taskset) or its container's cpuset",
        format_cpu_list(asked), wrong, format_cpu_list(allowance.cpus));
}

// The CPUs to choose from, in the order the user wrote them or ascending.
std::expected<std::vector<unsigned>, std::string> find_candidates(const machine_topology& machine,
                                                                  const cpu_allowance& allowance,
                                                                  const placement_request& request) {
    std::vector<unsigned> usable;
    std::ranges::copy_if(allowance.cpus, std::back_inserter(usable),
                         [&](unsigned index) { return machine.find(index) != nullptr; });
    if (request.cpuset.empty()) {
        if (usable.empty()) {
            return std::unexpected(
                fmt::format("placement: none of the allowed CPUs ({}) is online ({}); widen the "
                            "process's affinity (taskset) or its container's cpuset",
                            format_cpu_list(allowance.cpus), format_cpu_list(machine.indices())));
        }
        return usable;
    }
    std::set<unsigned> seen;
    for (const unsigned index : request.cpuset) {
        if (!contains(usable, index)) {
            return std::unexpected(refuse_cpu(index, machine, allowance, request.cpuset));
        }
        if (!seen.insert(index).second) {
            return std::unexpected(
                fmt::format("--cpuset {}: CPU {} is named twice; name each CPU once, or use --smp "
                            "for more shards than CPUs",
                            format_cpu_list(request.cpuset), index));
        }
    }
    return request.cpuset;
}

// Orders the candidates so that any prefix is a good choice: every core's first usable thread, then the second ones.
// Within a turn, `spread` deals cores out to packages and nodes alternately, `pack` goes node by node.
std::vector<unsigned> rank_candidates(const machine_topology& machine, std::span<const unsigned> candidates,
                                      placement_policy policy) {
    struct ranked {
        unsigned thread_turn;  // this CPU is its core's so-many-th candidate
        unsigned core_turn;    // that core is its node's so-many-th
        unsigned node_turn;    // that node is its package's so-many-th
        const cpu* unit;
    };
    std::vector<unsigned> ascending(candidates.begin(), candidates.end());
    std::ranges::sort(ascending);
    std::map<unsigned, unsigned> threads_of_core;
    std::map<std::pair<unsigned, unsigned>, std::map<unsigned, unsigned>> cores_of_node;  // by package and node
    std::map<unsigned, std::map<unsigned, unsigned>> nodes_of_package;
    std::vector<ranked> order;
    for (const unsigned index : ascending) {
        const cpu* unit = machine.find(index);
        auto& cores = cores_of_node[{unit->package, unit->numa_node}];
        auto& nodes = nodes_of_package[unit->package];
        const auto core_turn = cores.try_emplace(unit->core, static_cast<unsigned>(cores.size())).first->second;
        const auto node_turn = nodes.try_emplace(unit->numa_node, static_cast<unsigned>(nodes.size())).first->second;
        order.push_back({threads_of_core[unit->core]++, core_turn, node_turn, unit});
    }
    if (policy == placement_policy::spread) {
        std::ranges::sort(order, {}, [](const ranked& r) {
            return std::tuple(r.thread_turn, r.core_turn, r.node_turn, r.unit->package, r.unit->os_index);
        });
    } else {
        std::ranges::sort(order, {}, [](const ranked& r) {
            return std::tuple(r.thread_turn, r.unit->package, r.unit->numa_node, r.core_turn, r.unit->os_index);
        });
    }
    std::vector<unsigned> result;
    std::ranges::transform(order, std::back_inserter(result), [](const ranked& r) { return r.unit->os_index; });
    return result;
}

// "one thread a core", "2 threads on some of 3 cores": whether siblings are in use.
std::string sharing_in_words(const machine_topology& machine, std::span<const unsigned> chosen) {
    std::map<unsigned, unsigned> threads;
    std::set<unsigned> nodes;
    for (const unsigned index : chosen) {
        ++threads[machine.find(index)->core];
        nodes.insert(machine.find(index)->numa_node);
    }
    const auto by_count = [](const auto& a, const auto& b) { return a.second < b.second; };
    const unsigned most = std::ranges::max_element(threads, by_count)->second;
    const unsigned least = std::ranges::min_element(threads, by_count)->second;
    std::string text = "one thread a core";
    if (most > 1) {
        text = fmt::format("{}{} threads a core on {}", least < most ? "up to " : "", most,
                           counted(threads.size(), "core"));
    }
    if (nodes.size() > 1) {
        text += fmt::format(", over {} NUMA nodes", nodes.size());
    }
    return text;
}

std::string limits_in_words(const cpu_allowance& allowance, const placement_request& request, bool quota_decided) {
    std::string text = fmt::format("{} allowed", allowance.cpus.size());
    if (!request.cpuset.empty()) {
        text = fmt::format("{} in --cpuset", request.cpuset.size());
    }
    if (!allowance.quota) {
        return text + " (cgroup quota none)";
    }
    return text + fmt::format(" (cgroup quota {}{})", quota_in_words(*allowance.quota),
                              quota_decided ? ", rounded down to whole CPUs" : "");
}

}  // namespace

unsigned cpu_quota::whole_cpus() const noexcept {
    const std::uint64_t whole = quota_us / period_us;
    return static_cast<unsigned>(std::clamp<std::uint64_t>(whole, 1, shards_max));
}

std::expected<placement_plan, std::string> plan_placement(const machine_topology& machine,
                                                          const cpu_allowance& allowance,
                                                          const placement_request& request) {
    if (request.shards && (*request.shards == 0 || *request.shards > shards_max)) {
        return std::unexpected(
            fmt::format("--smp {}: the number of shards is between 1 and {}; leave --smp out for "
                        "one a CPU",
                        *request.shards, shards_max));
    }
    const auto candidates = find_candidates(machine, allowance, request);
    if (!candidates) {
        return std::unexpected(candidates.error());
    }
    const auto available = static_cast<unsigned>(std::min<std::size_t>(candidates->size(), shards_max));
    const unsigned within_quota = allowance.quota ? std::min(available, allowance.quota->whole_cpus()) : available;
    const unsigned count = request.shards.value_or(within_quota);

    placement_plan plan;
    plan.oversubscribed = count > available;
    // An explicit list that is used whole keeps the order it was written in: shard 0 on its first CPU.
    std::vector<unsigned> chosen = *candidates;
    if (count < chosen.size()) {
        chosen = rank_candidates(machine, *candidates, request.policy);
        chosen.resize(count);
        std::ranges::sort(chosen);
    }
    for (unsigned i = 0; i < count; ++i) {
        const bool alone = request.pin && !plan.oversubscribed;
        const unsigned home = chosen[i % chosen.size()];
        plan.shards.push_back({.cpus = alone ? std::vector{home} : chosen, .numa_node = machine.find(home)->numa_node});
    }

    const bool quota_decided = !request.shards && count < available;
    plan.why.push_back(fmt::format(
        "{} {} {}{} of {}; {}", counted(count, "shard"), plan.oversubscribed ? (count == 1 ? "shares" : "share") : "on",
        cpus_in_words(chosen), !request.pin && !plan.oversubscribed ? ", not pinned," : "",
        limits_in_words(allowance, request, quota_decided), sharing_in_words(machine, chosen)));
    if (plan.oversubscribed) {
        plan.why.push_back(
            fmt::format("more shards than the {}: they are not pinned and do not spin when idle; "
                        "--smp {} gives each its own",
                        counted(available, "CPU"), within_quota));
    } else if (allowance.quota && count > allowance.quota->whole_cpus()) {
        plan.why.push_back(
            fmt::format("more shards than the cgroup quota of {} ({}): the kernel will stop all of them "
                        "for part of each {} ms; --smp {} avoids that",
                        quota_in_words(*allowance.quota), allowance.quota->source,
                        static_cast<double>(allowance.quota->period_us) / 1000, within_quota));
    }
    return plan;
}

}  // namespace shale
