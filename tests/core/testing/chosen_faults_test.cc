// The plan for unit tests fires what it was told to, and counts.
#include <gtest/gtest.h>

#include <shale/core/testing/chosen_faults.hh>

#include <thread>

using namespace shale;
using test::chosen_faults;

TEST(chosen_faults, fire_always_and_no_others_do) {
    {
        chosen_faults plan({"one.a", "two.*"});
        EXPECT_TRUE(FAULT("one.a"));
        EXPECT_FALSE(FAULT("one.b"));
        EXPECT_TRUE(FAULT("two.c"));
        PROBE("one.d");
        EXPECT_EQ(plan.fired("one.a"), 1U);
        EXPECT_EQ(plan.fired("one.b"), 0U);
        EXPECT_EQ(plan.probed("one.d"), 1U);
        EXPECT_EQ(plan.probed("one.e"), 0U);
    }
    EXPECT_FALSE(FAULT("one.a")) << "it is still installed";
}

TEST(chosen_faults, fire_now_and_then_the_same_way_for_a_seed) {
    auto draw = [](std::uint64_t seed) {
        chosen_faults plan({"one.a"}, 0.5, seed);
        std::string all;
        for (int i = 0; i < 64; ++i) {
            all += FAULT("one.a") ? 'x' : '-';
        }
        return all;
    };
    EXPECT_EQ(draw(1), draw(1));
    EXPECT_NE(draw(1), draw(2));
    EXPECT_NE(draw(1).find('x'), std::string::npos);
    EXPECT_NE(draw(1).find('-'), std::string::npos);
}

TEST(chosen_faults, may_be_asked_from_several_threads) {
    chosen_faults plan({"one.a"});
    auto ask = [] {
        for (int i = 0; i < 1000; ++i) {
            EXPECT_TRUE(FAULT("one.a"));
        }
    };
    std::jthread other(ask);
    ask();
    other.join();
    EXPECT_EQ(plan.fired("one.a"), 2000U);
}
