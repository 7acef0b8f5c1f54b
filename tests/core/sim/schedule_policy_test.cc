// Who steps next, by each policy: core/sim/detail/schedule_policy.hh, alone and in whole runs.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <array>
#include <map>

#include <shale/core/shard/sleep.hh>
#include <shale/core/sim/detail/schedule_policy.hh>
#include <shale/core/sim/world.hh>
#include <shale/core/testing/testing.hh>

using namespace shale;
using namespace std::chrono_literals;
using sim::detail::candidate;
using sim::detail::schedule_policy;

namespace {

/// How often each of three was chosen in 3,000 choices.
std::array<unsigned, 3> counts_of(const sim::schedule_options& options, std::array<candidate, 3> from) {
    const auto policy = schedule_policy::make(options, random_engine(1));
    std::array<unsigned, 3> counts{};
    for (int i = 0; i < 3'000; ++i) {
        ++counts[policy->choose(from)];
    }
    return counts;
}

constexpr std::array<candidate, 3> three{{{0, 100}, {1, 200}, {2, 5'000}}};

/// A bug of depth 2: shard 0 is between its first and second turn all the time that shard 1 takes sixty.
bool finds_the_bug(const sim::schedule_options& order, std::uint64_t seed) {
    sim::world world({.shards = 2, .seed = seed, .preempt_at_random = false, .order = order});
    bool halfway = false;
    bool found = false;
    auto first = world.on(0, [&]() -> future<> {
        co_await sleep(0s);
        halfway = true;
        co_await sleep(0s);
        halfway = false;
    });
    auto second = world.on(1, [&]() -> future<> {
        for (int turn = 0; turn < 60; ++turn) {
            co_await sleep(0s);
        }
        found = halfway;
    });
    EXPECT_TRUE(world.run_until([&] { return first.available() && second.available(); }));
    return found;
}

}  // namespace

TEST(schedule_policy, chooses_anybody_when_uniform) {
    for (const unsigned count : counts_of({.kind = sim::schedule::uniform}, three)) {
        EXPECT_NEAR(count, 1'000, 150);
    }
}

TEST(schedule_policy, chooses_the_clock_that_is_furthest_behind_give_or_take_the_jitter) {
    EXPECT_THAT(counts_of({.kind = sim::schedule::min_time, .jitter_ns = 0, .passed_over_max = 10'000}, three),
                testing::ElementsAre(3'000, 0, 0));
    const auto counts =
        counts_of({.kind = sim::schedule::min_time, .jitter_ns = 200, .passed_over_max = 10'000}, three);
    EXPECT_NEAR(counts[0], 1'500, 150);
    EXPECT_NEAR(counts[1], 1'500, 150);
    EXPECT_EQ(counts[2], 0U);
}

TEST(schedule_policy, starves_the_one_that_is_named) {
    const auto counts = counts_of({.kind = sim::schedule::starve_one, .starved = 1, .passed_over_max = 10'000}, three);
    EXPECT_EQ(counts[1], 0U);
    EXPECT_NEAR(counts[0], 1'500, 150);
    EXPECT_NEAR(counts[2], 1'500, 150);
}

TEST(schedule_policy, passes_over_nobody_for_ever) {
    for (const sim::schedule kind : {sim::schedule::starve_one, sim::schedule::pct, sim::schedule::min_time}) {
        const auto counts =
            counts_of({.kind = kind, .jitter_ns = 0, .change_points = 0, .starved = 1, .passed_over_max = 100}, three);
        EXPECT_THAT(counts, testing::Each(testing::Ge(25U)));
    }
}

TEST(schedule_policy, keeps_priorities_between_change_points) {
    const auto policy = schedule_policy::make(
        {.kind = sim::schedule::pct, .change_points = 0, .passed_over_max = 10'000}, random_engine(5));
    const std::size_t front = policy->choose(three);
    for (int i = 0; i < 100; ++i) {
        policy->stepped(three[front].number, true);
        EXPECT_EQ(policy->choose(three), front);
    }
    policy->stepped(three[front].number, false);
    EXPECT_NE(policy->choose(three), front) << "who only looks for something to do falls behind";
}

TEST(schedule_policy, finds_a_bug_of_depth_two_within_a_few_seeds_by_pct) {
    unsigned by_pct = 0;
    unsigned by_chance = 0;
    for (std::uint64_t seed = 1; seed <= 100; ++seed) {
        by_pct += finds_the_bug({.kind = sim::schedule::pct, .change_points = 1, .turns_expected = 10}, seed);
        by_chance += finds_the_bug({.kind = sim::schedule::uniform}, seed);
    }
    EXPECT_GE(by_pct, 3U);
    EXPECT_EQ(by_chance, 0U);
}

TEST(schedule_policy, lets_a_starved_shard_step_once_the_others_sleep) {
    sim::world world({.shards = 2, .order = {.kind = sim::schedule::starve_one, .starved = 0}});
    int of_other = 0;
    int seen = -1;
    auto starved = world.on(0, [&]() -> future<> {
        co_await sleep(0s);
        seen = of_other;
    });
    auto other = world.on(1, [&]() -> future<> {
        for (; of_other < 50; ++of_other) {
            co_await sleep(0s);
        }
    });
    EXPECT_TRUE(world.run_until([&] { return starved.available() && other.available(); }));
    EXPECT_EQ(seen, 50);
}
