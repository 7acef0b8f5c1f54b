// The promises of core/sim/swarm.hh.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <set>

#include <shale/core/sim/swarm.hh>

using namespace shale;

TEST(swarm, draws_the_same_for_the_same_seed_and_all_sorts_of_runs_for_many) {
    std::set<sim::schedule> schedules;
    unsigned stalls = 0;
    for (std::uint64_t seed = 0; seed < 100; ++seed) {
        const auto drawn = sim::swarm_options::draw(seed);
        EXPECT_EQ(drawn.to_string(), sim::swarm_options::draw(seed).to_string());
        schedules.insert(drawn.world.order.kind);
        stalls += drawn.world.stalls.probability > 0;
        EXPECT_LE(drawn.storm.power_cycles.min, drawn.storm.power_cycles.max);
        EXPECT_LE(drawn.storm.down_min, drawn.storm.down_max);
    }
    EXPECT_EQ(schedules.size(), 4U) << "all but replay";
    EXPECT_NEAR(stalls, 50, 20);
}

TEST(swarm, can_be_made_again_from_its_line) {
    for (std::uint64_t seed = 0; seed < 20; ++seed) {
        auto drawn = sim::swarm_options::draw(seed);
        ASSERT_TRUE(drawn.set("fault.net.cut=0.125 fault.disk.torn=0"));
        sim::swarm_options other;
        const auto set = other.set(drawn.to_string());
        ASSERT_TRUE(set) << set.error();
        EXPECT_EQ(other.to_string(), drawn.to_string());
        EXPECT_EQ(other.world.faults.overrides.size(), 2U);
    }
}

TEST(swarm, takes_overrides_by_name) {
    auto drawn = sim::swarm_options::draw(1);
    ASSERT_TRUE(drawn.set("order=starve_one starved=3  stalls=0.5 faults=0 down_max_ns=7"));
    EXPECT_EQ(drawn.world.order.kind, sim::schedule::starve_one);
    EXPECT_EQ(drawn.world.order.starved, 3U);
    EXPECT_EQ(drawn.world.stalls.probability, 0.5);
    EXPECT_FALSE(drawn.world.faults.enabled);
    EXPECT_EQ(drawn.storm.down_max, duration(7));
}

TEST(swarm, says_what_is_wrong_with_an_override) {
    sim::swarm_options s;
    EXPECT_THAT(s.set("order=fair").error(), testing::HasSubstr("'fair' is no value for order"));
    EXPECT_THAT(s.set("speed=3").error(), testing::HasSubstr("no option 'speed'"));
    EXPECT_THAT(s.set("order").error(), testing::HasSubstr("not name=value"));
    EXPECT_THAT(s.set("faults=2").error(), testing::HasSubstr("'2' is no value for faults"));
    EXPECT_THAT(s.set("fault.net.cut=often").error(), testing::HasSubstr("no probability"));
    EXPECT_THAT(s.set("starved=-1").error(), testing::HasSubstr("no value"));
}
