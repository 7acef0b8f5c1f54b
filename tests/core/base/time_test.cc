// Time values: conversions at the ends of the range, and sums that do not overflow.
#include <gtest/gtest.h>

#include <shale/core/base/time.hh>

#include <limits>

namespace {

using namespace shale;

constexpr auto at(std::int64_t ns) {
    return time_point(duration(ns));
}

TEST(time, is_nanoseconds_since_the_origin) {
    EXPECT_EQ(to_ns(at(5)), 5u);
    EXPECT_EQ(from_ns(7), at(7));
    EXPECT_EQ(to_ns(from_ns(123'456'789)), 123'456'789u);
}

TEST(time, before_the_origin_counts_as_the_origin) {
    EXPECT_EQ(to_ns(at(-1)), 0u);
}

TEST(time, beyond_the_range_is_the_last_point) {
    EXPECT_EQ(from_ns(std::numeric_limits<std::uint64_t>::max()), time_point::max());
    EXPECT_EQ(to_ns(time_point::max()), static_cast<std::uint64_t>(std::numeric_limits<std::int64_t>::max()));
}

TEST(saturating_add, adds) {
    EXPECT_EQ(saturating_add(at(2), 3ns), at(5));
}

TEST(saturating_add, stops_at_the_ends_of_time) {
    EXPECT_EQ(saturating_add(at(1), duration::max()), time_point::max());
    EXPECT_EQ(saturating_add(at(-2), duration::min()), time_point::min());
    EXPECT_EQ(saturating_add(time_point::max(), -1ns), at(std::numeric_limits<std::int64_t>::max() - 1));
}

TEST(time, clocks_are_distinct_types) {
    static_assert(!std::is_convertible_v<clock::time_point, lowres_clock::time_point>);
    static_assert(!std::is_convertible_v<clock::time_point, wall_clock::time_point>);
    static_assert(std::chrono::is_clock_v<shale::clock>);
    static_assert(std::chrono::is_clock_v<lowres_clock>);
    static_assert(std::chrono::is_clock_v<wall_clock>);
    static_assert(clock::is_steady && lowres_clock::is_steady && !wall_clock::is_steady);
}

}  // namespace
