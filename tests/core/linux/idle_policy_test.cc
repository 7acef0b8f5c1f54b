// The idle policy: spins while that pays, and stops when it does not.
#include <shale/core/linux/idle_policy.hh>

#include <gtest/gtest.h>

namespace shale {
namespace {

constexpr std::uint64_t us = 1000;

TEST(idle_policy, spins_as_long_as_allowed_at_first) {
    const idle_policy policy(50 * us, false);
    EXPECT_TRUE(policy.spins(0));
    EXPECT_TRUE(policy.spins(49 * us));
    EXPECT_FALSE(policy.spins(50 * us));
}

TEST(idle_policy, stops_spinning_when_work_comes_too_late_for_it) {
    idle_policy policy(50 * us, false);
    for (int i = 0; i < 8; ++i) {
        policy.worked_after(1000 * us);
    }
    EXPECT_EQ(policy.spin_ns(), 0u);
    EXPECT_FALSE(policy.spins(0));
}

TEST(idle_policy, spins_again_when_work_comes_soon) {
    idle_policy policy(50 * us, false);
    for (int i = 0; i < 8; ++i) {
        policy.worked_after(1000 * us);
    }
    for (int i = 0; i < 3; ++i) {
        policy.worked_after(20 * us);
    }
    EXPECT_EQ(policy.spin_ns(), 50 * us);
}

TEST(idle_policy, learns_nothing_from_the_turns_of_a_busy_shard) {
    idle_policy policy(50 * us, false);
    policy.worked_after(1000 * us);
    const std::uint64_t before = policy.spin_ns();
    for (int i = 0; i < 100; ++i) {
        policy.worked_after(100);
    }
    EXPECT_EQ(policy.spin_ns(), before);
}

TEST(idle_policy, never_spins_when_told_not_to_and_always_when_polling) {
    idle_policy none(0, false);
    none.worked_after(10 * us);
    EXPECT_FALSE(none.spins(0));
    idle_policy always(0, true);
    always.worked_after(1000 * us);
    EXPECT_TRUE(always.spins(~std::uint64_t{0} - 1));
}

}  // namespace
}  // namespace shale
