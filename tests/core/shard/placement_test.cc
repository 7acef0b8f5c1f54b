// Placement: which CPUs are chosen on machines from one CPU to 256, and the words it is told in.
#include <shale/core/shard/placement.hh>

#include <numeric>
#include <set>

#include <gtest/gtest.h>

#include <shale/core/shard/cpu_list.hh>

namespace shale {
namespace {

struct scene {
    machine_topology machine;
    cpu_allowance allowance;

    explicit scene(const std::string& synthetic)
        : machine(machine_topology::from_synthetic(synthetic)), allowance{.cpus = machine.indices(), .quota = {}} {}

    scene& allow(std::string_view cpus) {
        allowance.cpus = *parse_cpu_list(cpus);
        return *this;
    }
    scene& quota(std::uint64_t quota_us, std::uint64_t period_us = 100000) {
        allowance.quota = cpu_quota{quota_us, period_us, "/sys/fs/cgroup/cpu.max"};
        return *this;
    }
    placement_plan plan(const placement_request& request = {}) const {
        auto result = plan_placement(machine, allowance, request);
        EXPECT_TRUE(result) << (result ? "" : result.error());
        return result.value_or(placement_plan{});
    }
    std::string error(const placement_request& request) const {
        const auto result = plan_placement(machine, allowance, request);
        return result ? "no error" : result.error();
    }
};

// The CPUs of the shards in order, as a list; "?" for a shard that is not pinned.
std::string chosen(const placement_plan& plan) {
    std::vector<unsigned> cpus;
    for (const shard_place& place : plan.shards) {
        if (!place.pinned()) {
            return "?";
        }
        cpus.push_back(place.cpus[0]);
    }
    return format_cpu_list(cpus);
}

TEST(placement, takes_every_allowed_cpu_when_nothing_is_asked) {
    EXPECT_EQ(chosen(scene("pack:1 core:4 pu:2").plan()), "0-7");
    EXPECT_EQ(chosen(scene("pack:1 core:4 pu:2").allow("1,5-6").plan()), "1,5-6");
    EXPECT_EQ(chosen(scene("pu:1").plan()), "0");
}

TEST(placement, takes_one_thread_of_each_core_before_siblings) {
    const scene smt("pack:1 core:4 pu:2");
    EXPECT_EQ(chosen(smt.plan({.shards = 4})), "0,2,4,6");
    EXPECT_EQ(chosen(smt.plan({.shards = 5})), "0-2,4,6");
    const scene far_apart("pack:1 core:4 pu:2(indexes=0,4,1,5,2,6,3,7)");
    EXPECT_EQ(chosen(far_apart.plan({.shards = 4})), "0-3");
}

TEST(placement, counts_siblings_among_allowed_threads_only) {
    // Core 0's first thread is not ours, so its second is as good as any other core's first.
    EXPECT_EQ(chosen(scene("pack:1 core:2 pu:2").allow("1-3").plan({.shards = 2})), "1-2");
}

TEST(placement, spread_alternates_between_packages_and_nodes) {
    const scene two_packages("pack:2 numa:2 core:4 pu:2");
    EXPECT_EQ(chosen(two_packages.plan({.shards = 2})), "0,16");
    EXPECT_EQ(chosen(two_packages.plan({.shards = 4})), "0,8,16,24");
    EXPECT_EQ(chosen(two_packages.plan({.shards = 6})), "0,2,8,16,18,24");
    // One node for both packages, as some kernels show it.
    EXPECT_EQ(chosen(scene("numa:1 pack:2 core:4 pu:1").plan({.shards = 2})), "0,4");
}

TEST(placement, pack_fills_a_node_before_the_next) {
    const scene two_packages("pack:2 numa:2 core:4 pu:2");
    const auto packed = placement_policy::pack;
    EXPECT_EQ(chosen(two_packages.plan({.shards = 4, .policy = packed})), "0,2,4,6");
    EXPECT_EQ(chosen(two_packages.plan({.shards = 6, .policy = packed})), "0,2,4,6,8,10");
    EXPECT_EQ(chosen(two_packages.plan({.shards = 17, .policy = packed})),
              "0-2,4,6,8,10,12,14,16,18,20,22,24,26,28,30");
}

TEST(placement, never_gives_one_cpu_twice_and_never_a_sibling_too_early) {
    for (const char* synthetic : {"pack:2 numa:4 core:16 pu:2", "pack:4 core:16 pu:4", "core:7 pu:3", "pu:256"}) {
        const scene each(synthetic);
        std::set<unsigned> cores_here;
        for (const cpu& unit : each.machine.cpus()) {
            cores_here.insert(unit.core);
        }
        for (unsigned shards = 1; shards <= each.allowance.cpus.size(); shards += 5) {
            for (const auto policy : {placement_policy::spread, placement_policy::pack}) {
                const auto plan = each.plan({.shards = shards, .policy = policy});
                ASSERT_EQ(plan.shards.size(), shards);
                std::set<unsigned> cpus;
                std::set<unsigned> cores;
                for (const shard_place& place : plan.shards) {
                    ASSERT_TRUE(place.pinned());
                    cpus.insert(place.cpus[0]);
                    cores.insert(each.machine.find(place.cpus[0])->core);
                    EXPECT_EQ(place.numa_node, each.machine.find(place.cpus[0])->numa_node);
                }
                EXPECT_EQ(cpus.size(), shards);
                EXPECT_EQ(cores.size(), std::min<std::size_t>(shards, cores_here.size())) << synthetic;
            }
        }
    }
}

TEST(placement, keeps_the_written_order_of_an_explicit_list) {
    const scene smt("pack:1 core:4 pu:2");
    EXPECT_EQ(chosen(smt.plan({.cpuset = {6, 1, 0}})), "6,1,0");
    EXPECT_EQ(chosen(smt.plan({.shards = 2, .cpuset = {0, 1, 4, 5}})), "0,4");
}

TEST(placement, stays_within_the_cgroup_quota) {
    scene machine("pack:1 core:4 pu:2");
    EXPECT_EQ(chosen(machine.quota(250000).plan()), "0,2");
    EXPECT_EQ(chosen(machine.quota(50000).plan()), "0");
    EXPECT_EQ(chosen(machine.quota(1600000).plan()), "0-7");
    EXPECT_EQ(chosen(machine.quota(250000).plan({.cpuset = {4, 5, 6}})), "4,6");
}

TEST(placement, obeys_an_explicit_count_above_the_quota_and_warns) {
    const auto plan = scene("pack:1 core:4 pu:2").quota(250000).plan({.shards = 3});
    EXPECT_EQ(chosen(plan), "0,2,4");
    ASSERT_EQ(plan.why.size(), 2U);
    EXPECT_EQ(plan.why[1],
              "more shards than the cgroup quota of 2.5 CPUs (/sys/fs/cgroup/cpu.max): the kernel will "
              "stop all of them for part of each 100 ms; --smp 2 avoids that");
}

TEST(placement, shares_cpus_unpinned_when_there_are_too_few) {
    const auto plan = scene("pu:4").allow("0-1").plan({.shards = 4});
    EXPECT_TRUE(plan.oversubscribed);
    ASSERT_EQ(plan.shards.size(), 4U);
    for (const shard_place& place : plan.shards) {
        EXPECT_EQ(place.cpus, (std::vector<unsigned>{0, 1}));
    }
    ASSERT_EQ(plan.why.size(), 2U);
    EXPECT_EQ(plan.why[0], "4 shards share CPUs 0 and 1 of 2 allowed (cgroup quota none); one thread a core");
    EXPECT_EQ(plan.why[1],
              "more shards than the 2 CPUs: they are not pinned and do not spin when idle; --smp 2 gives "
              "each its own");
}

TEST(placement, leaves_threads_free_within_the_choice_when_told_not_to_pin) {
    const auto plan = scene("pu:4").plan({.shards = 2, .pin = false});
    EXPECT_FALSE(plan.oversubscribed);
    EXPECT_EQ(plan.shards[1].cpus, (std::vector<unsigned>{0, 1}));
    EXPECT_EQ(plan.why[0], "2 shards on CPUs 0 and 1, not pinned, of 4 allowed (cgroup quota none); one thread a core");
}

TEST(placement, explains_itself_in_words) {
    const auto why = [](const scene& where, const placement_request& request = {}) {
        const auto plan = where.plan(request);
        EXPECT_EQ(plan.why.size(), 1U);
        return plan.why.empty() ? "" : plan.why[0];
    };
    EXPECT_EQ(why(scene("core:2 pu:1")),
              "2 shards on CPUs 0 and 1 of 2 allowed (cgroup quota none); one thread a core");
    EXPECT_EQ(why(scene("pu:1")), "1 shard on CPU 0 of 1 allowed (cgroup quota none); one thread a core");
    EXPECT_EQ(why(scene("core:4 pu:2").quota(250000)),
              "2 shards on CPUs 0 and 2 of 8 allowed (cgroup quota 2.5 CPUs, rounded down to whole CPUs); one thread a "
              "core");
    EXPECT_EQ(why(scene("core:4 pu:2")),
              "8 shards on CPUs 0-7 of 8 allowed (cgroup quota none); 2 threads a core on 4 "
              "cores");
    EXPECT_EQ(why(scene("core:4 pu:2"), {.shards = 5}),
              "5 shards on CPUs 0-2,4,6 of 8 allowed (cgroup quota none); up to 2 threads a core on 4 cores");
    EXPECT_EQ(why(scene("pack:2 numa:1 core:4 pu:1"), {.cpuset = {0, 1, 4}}),
              "3 shards on CPUs 0-1,4 of 3 in --cpuset (cgroup quota none); one thread a core, over 2 NUMA nodes");
}

TEST(placement, refuses_impossible_wishes_in_one_sentence) {
    scene small("pu:8");
    small.allow("0-1");
    EXPECT_EQ(small.error({.cpuset = {0, 1, 2, 3, 4, 5, 6, 7}}),
              "--cpuset 0-7: CPU 2 is not allowed here (allowed: 0-1); name only allowed CPUs, or widen the process's "
              "affinity (taskset) or its container's cpuset");
    EXPECT_EQ(small.error({.cpuset = {0, 99}}),
              "--cpuset 0,99: there is no CPU 99 here (online: 0-7); name only CPUs of this machine");
    EXPECT_EQ(small.error({.cpuset = {0, 1, 0}}),
              "--cpuset 0-1,0: CPU 0 is named twice; name each CPU once, or use "
              "--smp for more shards than CPUs");
    EXPECT_EQ(small.error({.shards = 0}),
              "--smp 0: the number of shards is between 1 and 1024; leave --smp out for one a CPU");
    EXPECT_EQ(small.error({.shards = 1025}),
              "--smp 1025: the number of shards is between 1 and 1024; leave --smp out for one a CPU");
    EXPECT_EQ(small.allow("9").error({}),
              "placement: none of the allowed CPUs (9) is online (0-7); widen the process's "
              "affinity (taskset) or its container's cpuset");
}

TEST(cpu_quota, rounds_down_but_never_to_nothing) {
    EXPECT_EQ((cpu_quota{250000, 100000, ""}.whole_cpus()), 2U);
    EXPECT_EQ((cpu_quota{200000, 100000, ""}.whole_cpus()), 2U);
    EXPECT_EQ((cpu_quota{199999, 100000, ""}.whole_cpus()), 1U);
    EXPECT_EQ((cpu_quota{10000, 100000, ""}.whole_cpus()), 1U);
}

}  // namespace
}  // namespace shale
