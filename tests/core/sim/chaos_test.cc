// The promises of core/sim/chaos.hh.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <shale/core/shard/sleep.hh>
#include <shale/core/sim/chaos.hh>
#include <shale/core/testing/testing.hh>

using namespace shale;
using namespace std::chrono_literals;

namespace {

future<int> for_ever() {
    while (true) {
        co_await sleep(10ms);
    }
}

struct outcome {
    std::uint64_t hash;
    std::uint64_t power_cycles;
    std::uint64_t kills;
    unsigned starts;
};

outcome storm_of(std::uint64_t seed) {
    sim::world world({.seed = seed});
    for (const char* name : {"a", "b"}) {
        world.add_machine({.name = name, .shards = 2, .entry = &for_ever}).start();
    }
    const sim::chaos storm(world, {.power_cycles = {3, 8}, .kills = {2, 4}, .down_max = 100ms});
    world.run_for(12s);
    return {world.hash(), world.faults().of("machine.power_cycle"), world.faults().of("machine.kill"),
            world.machines()[1]->incarnation() + world.machines()[2]->incarnation()};
}

}  // namespace

TEST(chaos, kills_and_power_cycles_machines_and_starts_them_again) {
    std::uint64_t all = 0;
    for (std::uint64_t seed = 1; seed <= 5; ++seed) {
        const outcome o = storm_of(seed);
        EXPECT_LE(o.power_cycles, 8U);
        EXPECT_LE(o.kills, 4U);
        EXPECT_EQ(o.starts, 2 + o.power_cycles + o.kills);
        EXPECT_EQ(o.hash, storm_of(seed).hash);
        all += o.power_cycles;
    }
    EXPECT_GE(all, 12U) << "a few may have met a machine that was down";
    EXPECT_NE(storm_of(1).hash, storm_of(2).hash);
}

TEST(chaos, ends_with_calm_which_brings_everything_back) {
    sim::world world({});
    sim::machine& m = world.add_machine({.name = "a", .entry = &for_ever});
    m.start();
    int wrong = 0;
    sim::chaos storm(world, {.span = 1s,
                             .kills = {1, 1},
                             .down_min = 5s,
                             .down_max = 6s,
                             .disturbances = {{.name = "disk.slow",
                                               .times = {1, 1},
                                               .length_min = 5s,
                                               .length_max = 6s,
                                               .begin = [&](random_engine&) { wrong = 1; },
                                               .end = [&] { wrong = 0; }}}});
    world.run_for(2s);
    EXPECT_FALSE(m.running());
    EXPECT_EQ(wrong, 1);
    EXPECT_EQ(world.faults().of("disk.slow"), 1U);
    storm.calm();
    EXPECT_TRUE(m.running());
    EXPECT_EQ(wrong, 0);
    world.run_for(10s);
    EXPECT_EQ(storm.count(), 2U);
    EXPECT_EQ(m.incarnation(), 2U);
}

TEST(chaos, lets_disturbances_end_by_themselves) {
    sim::world world({});
    world.add_machine({.name = "a", .entry = &for_ever}).start();
    std::vector<std::string> log;
    const sim::chaos storm(world, {.span = 1s,
                                   .disturbances = {{.name = "net.cut",
                                                     .times = {1, 1},
                                                     .begin = [&](random_engine&) { log.push_back("begin"); },
                                                     .end = [&] { log.push_back("end"); }}}});
    world.run_for(3s);
    EXPECT_THAT(log, testing::ElementsAre("begin", "end"));
    EXPECT_THAT(world.history(), testing::Not(testing::IsEmpty()));
}

TEST(chaos, leaves_a_program_alone_that_has_ended) {
    sim::world world({});
    sim::machine& m = world.add_machine({.name = "a", .entry = [] { return make_ready_future<int>(3); }});
    m.start();
    const sim::chaos storm(world, {.span = 1s, .power_cycles = {5, 5}});
    world.settle();
    EXPECT_EQ(m.exit_code(), 3);
    EXPECT_EQ(m.incarnation(), 1U);
    EXPECT_EQ(storm.count(), 0U);
}

TEST(chaos, takes_a_minimum_above_the_maximum_for_the_number) {
    sim::world world({});
    world.add_machine({.name = "a", .entry = &for_ever}).start();
    const sim::chaos storm(world, {.span = 1s, .power_cycles = {3, 0}, .down_max = 1ms});
    world.run_for(2s);
    EXPECT_EQ(storm.count(), 3U);
}
