// The promise of core/async/timed_out.hh: every time-out can be caught by this one name.
#include <gtest/gtest.h>

#include <cstring>

#include <shale/core/async/timed_out.hh>

TEST(timed_out, is_an_exception_that_says_so) {
    try {
        throw shale::timed_out_error();
    } catch (const std::exception& e) {
        EXPECT_NE(std::strstr(e.what(), "timed out"), nullptr);
    }
}
