// The promises of core/sim/world_options.hh.
#include <gtest/gtest.h>

#include <shale/core/sim/world.hh>

using namespace shale;

TEST(world_options, are_kind_unless_told_otherwise) {
    const sim::world_options options;
    EXPECT_FALSE(options.faults.enabled);
    EXPECT_EQ(options.stalls.probability, 0);
    EXPECT_EQ(options.turn_cost_max_ns, 0U);
    EXPECT_EQ(options.wake_delay_max_ns, 0U);
    EXPECT_EQ(options.wall_offset_max_ns, 0U);
}

TEST(world_options, say_what_a_turn_costs) {
    sim::world world({.turn_cost_ns = 1'000});
    const auto start = world.now_ns();
    world.on(0, [] {});
    EXPECT_TRUE(world.step());
    world.on(0, [] {});
    EXPECT_TRUE(world.step());
    world.on(0, [] {});
    EXPECT_TRUE(world.step());
    EXPECT_EQ(world.now_ns(), start + 2'000) << "the third turn began after two";
}

TEST(world_options, limits_are_in_force_as_long_as_the_world_lives) {
    const limits usual;
    {
        limits narrow;
        narrow.reap_max = 1;
        narrow.log_space_retry = std::chrono::milliseconds(1);
        const sim::world one({.limits = narrow});
        EXPECT_EQ(current_limits().reap_max, 1U);
        EXPECT_EQ(current_limits().log_space_retry, narrow.log_space_retry);
    }
    EXPECT_EQ(current_limits().reap_max, usual.reap_max);
}
