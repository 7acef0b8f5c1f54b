// The exit codes are a promise to scripts and service managers: they are sysexits(3)'s and never change.
#include <shale/core/app/exit_code.hh>

#include <sysexits.h>

#include <gtest/gtest.h>

namespace shale {
namespace {

TEST(exit_code, keeps_the_numbers_of_sysexits) {
    EXPECT_EQ(exit_code::ok, EX_OK);
    EXPECT_EQ(exit_code::usage, EX_USAGE);
    EXPECT_EQ(exit_code::stop_timed_out, EX_SOFTWARE);
    EXPECT_EQ(exit_code::environment, EX_CONFIG);
    EXPECT_EQ(exit_code::failed, 1);
}

}  // namespace
}  // namespace shale
