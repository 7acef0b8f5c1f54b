// The promises of core/shard/phase_clock.hh.
#include <gtest/gtest.h>

#include <shale/core/shard/phase_clock.hh>
#include <shale/core/sim/world.hh>

using namespace shale;

TEST(phase_clock, charges_each_interval_to_one_phase) {
    phase_clock clock(100);
    EXPECT_EQ(clock.mark(phase::tasks, 150), 50U);
    EXPECT_EQ(clock.mark(phase::spin, 170), 20U);
    EXPECT_EQ(clock.mark(phase::tasks, 175), 5U);
    EXPECT_EQ(clock.spent_ns(phase::tasks), 55U);
    EXPECT_EQ(clock.spent_ns(phase::spin), 20U);
    EXPECT_EQ(clock.spent_ns(phase::sleep), 0U);
}

TEST(phase_clock, names_every_phase) {
    for (unsigned p = 0; p < phase_count; ++p) {
        EXPECT_FALSE(to_string(static_cast<phase>(p)).empty());
    }
}
