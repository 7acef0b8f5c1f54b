// The promises of core/sim/fault_counts.hh.
#include <gtest/gtest.h>

#include <shale/core/sim/fault_counts.hh>

using namespace shale;

TEST(fault_counts, counts_each_name_by_itself) {
    sim::fault_counts counts;
    counts.add("disk.torn");
    counts.add("disk.torn");
    counts.add("net.cut");
    EXPECT_EQ(counts.of("disk.torn"), 2U);
    EXPECT_EQ(counts.of("net.cut"), 1U);
    EXPECT_EQ(counts.of("disk"), 0U);
}
