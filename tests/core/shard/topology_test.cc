// Topologies: this machine's, whatever it is, and made-up ones up to 256 CPUs.
#include <shale/core/shard/topology.hh>

#include <stdexcept>

#include <gtest/gtest.h>

namespace shale {
namespace {

TEST(topology, knows_every_level_of_a_synthetic_machine) {
    const auto machine = machine_topology::from_synthetic("pack:2 numa:2 core:4 pu:2");
    ASSERT_EQ(machine.cpus().size(), 32U);
    EXPECT_EQ(machine.cpus()[0], (cpu{.os_index = 0, .core = 0, .package = 0, .numa_node = 0, .smt_rank = 0}));
    EXPECT_EQ(machine.cpus()[1], (cpu{.os_index = 1, .core = 0, .package = 0, .numa_node = 0, .smt_rank = 1}));
    EXPECT_EQ(machine.cpus()[8], (cpu{.os_index = 8, .core = 4, .package = 0, .numa_node = 1, .smt_rank = 0}));
    EXPECT_EQ(machine.cpus()[31], (cpu{.os_index = 31, .core = 15, .package = 1, .numa_node = 3, .smt_rank = 1}));
}

TEST(topology, numbers_siblings_by_core_where_the_kernel_numbers_them_far_apart) {
    // As on most Intel servers: CPUs 0-3 are the four cores, 4-7 their siblings.
    const auto machine = machine_topology::from_synthetic("pack:1 core:4 pu:2(indexes=0,4,1,5,2,6,3,7)");
    ASSERT_EQ(machine.cpus().size(), 8U);
    for (unsigned index = 0; index < 8; ++index) {
        ASSERT_NE(machine.find(index), nullptr);
        EXPECT_EQ(machine.find(index)->core, index % 4);
        EXPECT_EQ(machine.find(index)->smt_rank, index / 4);
    }
}

TEST(topology, stands_for_machines_that_hide_packages_cores_or_nodes) {
    const auto machine = machine_topology::from_synthetic("pu:3");
    ASSERT_EQ(machine.cpus().size(), 3U);
    EXPECT_EQ(machine.cpus()[2], (cpu{.os_index = 2, .core = 2, .package = 0, .numa_node = 0, .smt_rank = 0}));
}

TEST(topology, holds_256_cpus) {
    const auto machine = machine_topology::from_synthetic("pack:2 numa:4 core:16 pu:2");
    EXPECT_EQ(machine.cpus().size(), 256U);
    EXPECT_EQ(machine.indices().front(), 0U);
    EXPECT_EQ(machine.indices().back(), 255U);
    EXPECT_EQ(machine.find(255)->numa_node, 7U);
    EXPECT_EQ(machine.find(256), nullptr);
}

TEST(topology, takes_cpus_in_any_order_and_with_gaps) {
    const machine_topology machine({{.os_index = 9, .core = 5, .package = 0, .numa_node = 0, .smt_rank = 0},
                                    {.os_index = 2, .core = 5, .package = 0, .numa_node = 0, .smt_rank = 0}});
    EXPECT_EQ(machine.indices(), (std::vector<unsigned>{2, 9}));
    EXPECT_EQ(machine.find(9)->smt_rank, 1U);
    EXPECT_EQ(machine.find(3), nullptr);
}

TEST(topology, refuses_what_is_no_machine) {
    EXPECT_THROW(machine_topology({}), std::invalid_argument);
    try {
        machine_topology::from_synthetic("cows:7");
        FAIL() << "accepted";
    } catch (const std::invalid_argument& error) {
        EXPECT_STREQ(error.what(),
                     "topology 'cows:7': not understood; write it as hwloc does, such as "
                     "'pack:2 numa:1 core:4 pu:2'");
    }
}

TEST(topology, finds_this_machine) {
    const auto machine = machine_topology::discover();
    ASSERT_GE(machine.cpus().size(), 1U);
    for (const cpu& each : machine.cpus()) {
        EXPECT_EQ(machine.find(each.os_index), &each);
    }
}

}  // namespace
}  // namespace shale
