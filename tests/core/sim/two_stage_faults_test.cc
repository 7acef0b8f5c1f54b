// The promises of core/sim/two_stage_faults.hh.
#include <gtest/gtest.h>

#include <set>
#include <thread>

#include <shale/core/shard/io.hh>
#include <shale/core/sim/two_stage_faults.hh>
#include <shale/core/sim/world.hh>
#include <shale/core/testing/testing.hh>

using namespace shale;

namespace {

/// Which of a hundred questions to `name` are answered with yes.
template <class Ask>
std::vector<bool> answers(sim::world& world, Ask ask) {
    std::vector<bool> all;
    world.on(0, [&] {
        for (int i = 0; i < 100; ++i) {
            all.push_back(ask());
        }
    });
    return all;
}

constexpr auto ask_a = [] { return FAULT("test.a"); };
constexpr auto ask_b = [] { return FAULT("test.b"); };

}  // namespace

TEST(two_stage_faults, activate_a_point_in_some_runs_and_fire_it_now_and_then_in_those) {
    unsigned active = 0;
    unsigned fired = 0;
    for (std::uint64_t seed = 0; seed < 200; ++seed) {
        sim::world world({.seed = seed, .faults = {.enabled = true}});
        const auto all = answers(world, ask_a);
        const auto count = static_cast<unsigned>(std::ranges::count(all, true));
        EXPECT_EQ(world.faults().of("test.a"), count);
        active += count > 0;
        fired += count;
    }
    EXPECT_NEAR(active, 50, 25);
    EXPECT_NEAR(fired, active * 25, active * 4);
}

TEST(two_stage_faults, answer_the_same_for_the_same_seed_whatever_other_points_do) {
    const sim::world_options options{.seed = 3, .faults = {.enabled = true, .activate = 1}};
    sim::world one(options);
    sim::world other(options);
    const auto first = answers(one, ask_a);
    EXPECT_NE(answers(other, ask_b), first);
    EXPECT_EQ(answers(other, ask_a), first);
}

TEST(two_stage_faults, can_be_set_and_switched_off_by_name) {
    sim::world world({.faults = {.enabled = true, .activate = 1, .fire = 1, .overrides = {{"test.a", 0, 0}}}});
    EXPECT_EQ(answers(world, ask_a), std::vector<bool>(100, false));
    EXPECT_EQ(answers(world, ask_b), std::vector<bool>(100, true));
    sim::world often({.faults = {.enabled = true, .activate = 0, .overrides = {{"test.a", 1, 1}}}});
    EXPECT_EQ(answers(often, ask_a), std::vector<bool>(100, true));
    EXPECT_EQ(answers(often, ask_b), std::vector<bool>(100, false));
}

TEST(two_stage_faults, fire_only_in_code_of_the_worlds_shards) {
    sim::world world({.faults = {.enabled = true, .activate = 1, .fire = 1}});
    EXPECT_FALSE(FAULT("test.a")) << "between the turns";
    world.on(0, [] {
        EXPECT_TRUE(FAULT("test.a"));
        std::jthread([] { EXPECT_FALSE(FAULT("test.a")) << "another thread"; }).join();
        const run_queue_scope none(nullptr);
        EXPECT_FALSE(FAULT("test.a")) << "no shard";
    });
    EXPECT_FALSE(FAULT("test.a"));
    sim::world off({});
    off.on(0, [] { EXPECT_FALSE(FAULT("test.a")); });
}

TEST(two_stage_faults, count_the_probes_that_control_came_to) {
    sim::world world({.faults = {.enabled = true, .activate = 0}});
    PROBE("test.outside");
    world.on(0, [] {
        PROBE("test.probe");
        PROBE("test.probe");
    });
    EXPECT_EQ(world.probes().of("test.probe"), 2U);
    EXPECT_EQ(world.probes().of("test.outside"), 0U);
}

TEST(two_stage_faults, make_the_platform_take_fewer_requests_and_block) {
    sim::world world({.faults = {.enabled = true,
                                 .activate = 0,
                                 .overrides = {{"platform.take_fewer", 1, 0.5}, {"platform.submit_blocks", 1, 0.5}}}});
    const auto start = world.now_ns();
    auto f = world.on(0, []() -> future<int> {
        int answered = 0;
        for (int i = 0; i < 40; ++i) {
            answered += co_await submit_io({.op = io_op::read}) == -ENOSYS;
        }
        co_return answered;
    });
    EXPECT_TRUE(world.run_until([&] { return f.available(); }));
    EXPECT_EQ(f.get(), 40);
    EXPECT_GT(world.faults().of("platform.take_fewer"), 0U);
    EXPECT_GT(world.faults().of("platform.submit_blocks"), 0U);
    EXPECT_GT(world.now_ns() - start, 20'000'000U);
}
