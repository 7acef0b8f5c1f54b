// Rounding to powers of two.
#include <gtest/gtest.h>

#include <shale/core/base/align.hh>

#include <limits>

namespace {

using namespace shale;

TEST(align, rounds_up_and_down_to_multiples) {
    EXPECT_EQ(align_up(0u, 8), 0u);
    EXPECT_EQ(align_up(1u, 8), 8u);
    EXPECT_EQ(align_up(8u, 8), 8u);
    EXPECT_EQ(align_down(7u, 8), 0u);
    EXPECT_EQ(align_down(8u, 8), 8u);
    EXPECT_EQ(align_down(4097u, 4096), 4096u);
}

TEST(align, to_one_changes_nothing) {
    EXPECT_EQ(align_up(std::uint64_t{12345}, 1), 12345u);
    EXPECT_EQ(align_down(std::uint64_t{12345}, 1), 12345u);
}

TEST(align, works_at_the_top_of_each_width) {
    constexpr auto top = std::numeric_limits<std::uint64_t>::max();
    EXPECT_EQ(align_down(top, 4096), top - 4095);
    EXPECT_EQ(align_up(top - 4095, 4096), top - 4095);
    EXPECT_EQ(align_down(std::uint8_t{255}, 16), 240);
    EXPECT_EQ(align_up(std::uint8_t{239}, 16), 240);
}

TEST(align, agrees_with_division_for_all_small_values) {
    for (std::uint32_t alignment = 1; alignment <= 64; alignment *= 2) {
        for (std::uint32_t value = 0; value < 300; ++value) {
            EXPECT_EQ(align_down(value, alignment), value / alignment * alignment);
            EXPECT_EQ(align_up(value, alignment), (value + alignment - 1) / alignment * alignment);
            EXPECT_EQ(is_aligned(value, alignment), value % alignment == 0);
        }
    }
}

TEST(align, knows_powers_of_two) {
    EXPECT_FALSE(is_power_of_two(0u));
    EXPECT_TRUE(is_power_of_two(1u));
    EXPECT_FALSE(is_power_of_two(3u));
    EXPECT_TRUE(is_power_of_two(std::uint64_t{1} << 63));
}

TEST(align, judges_addresses) {
    alignas(64) static const char bytes[64] = {};
    EXPECT_TRUE(is_aligned(bytes, 64));
    EXPECT_FALSE(is_aligned(bytes + 1, 2));
}

}  // namespace
