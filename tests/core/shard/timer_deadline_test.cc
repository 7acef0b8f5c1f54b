// Deadlines in the shard's nanoseconds: exact on clock, put off by little and never early on lowres_clock.
#include <gtest/gtest.h>

#include <shale/core/base/random.hh>
#include <shale/core/shard/detail/timer_deadline.hh>

namespace {

using namespace shale;
using detail::timer_deadline_ns;

TEST(timer_deadline, is_exact_on_the_clock) {
    EXPECT_EQ(timer_deadline_ns(from_ns(123'456'789)), 123'456'789u);
    EXPECT_EQ(timer_deadline_ns(shale::clock::time_point::min()), 0u);
    EXPECT_EQ(timer_deadline_ns(shale::clock::time_point::max()), to_ns(shale::clock::time_point::max()));
}

TEST(timer_deadline, is_put_off_to_a_common_moment_on_the_low_resolution_clock) {
    random_engine random(1);
    for (int i = 0; i < 1000; ++i) {
        const auto when = static_cast<std::int64_t>(random.below(std::uint64_t{1} << 62) >> random.below(60));
        const std::uint64_t deadline = timer_deadline_ns(lowres_clock::time_point(duration(when)));
        ASSERT_GE(deadline, static_cast<std::uint64_t>(when));
        ASSERT_LT(deadline - static_cast<std::uint64_t>(when), 2'100'000u);
        ASSERT_EQ(deadline % (1U << 21), 0u);
    }
    EXPECT_GE(timer_deadline_ns(lowres_clock::time_point::max()), to_ns(shale::clock::time_point::max()));
}

}  // namespace
