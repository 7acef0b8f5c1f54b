// The main of every test binary that runs shards: GoogleTest's own, and one line that says with which seed the
// simulated tests ran when one failed, so that the run can be repeated. Nothing else belongs here.
#include <gtest/gtest.h>

#include <cstdio>

#include "testing.hh"

int main(int argc, char** argv) {
    ::testing::InitGoogleTest(&argc, argv);
    const int failed = RUN_ALL_TESTS();
    if (failed != 0) {
        std::fprintf(stderr, "simulated tests ran with SHALE_TEST_SEED=%llu\n",
                     static_cast<unsigned long long>(shale::test::seed()));
    }
    return failed;
}
