// The promises of core/base/limits.hh.
#include <gtest/gtest.h>

#include <shale/core/base/limits.hh>

using namespace shale;

TEST(limits, are_the_defaults_unless_a_simulation_runs) {
    const limits usual;
    EXPECT_EQ(current_limits().reap_max, usual.reap_max);
    EXPECT_EQ(current_limits().log_space_retry, usual.log_space_retry);
}

// What depends on each other.
TEST(limits, fit_together) {
    const limits usual;
    EXPECT_LE(usual.reap_max, 256U);
    EXPECT_GE(usual.listing_bytes, 512U);
    EXPECT_LT(usual.transfer_bytes_max, std::uint64_t{1} << 32);
    for (const std::uint64_t blocks :
         {usual.log_read_bytes, usual.log_copy_bytes, usual.log_zero_bytes, usual.log_zeros_ahead}) {
        EXPECT_EQ(blocks % 4096, 0U);
        EXPECT_NE(blocks, 0U);
    }
}
