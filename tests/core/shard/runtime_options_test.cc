// The defaults of a runtime: good enough to fill in nothing.
#include <shale/core/shard/runtime_options.hh>

#include <gtest/gtest.h>

namespace shale {
namespace {

TEST(runtime_options, defaults_are_one_pinned_shard_a_cpu_that_may_sleep) {
    const runtime_options defaults;
    const auto machine = machine_topology::from_synthetic("core:3 pu:2");
    const auto plan = plan_placement(machine, {.cpus = machine.indices()}, defaults.placement);
    ASSERT_TRUE(plan);
    EXPECT_EQ(plan->shards.size(), 6U);
    EXPECT_TRUE(plan->shards[0].pinned());
    EXPECT_FALSE(defaults.poll);
    EXPECT_GT(defaults.stop_timeout, duration::zero());
}

}  // namespace
}  // namespace shale
