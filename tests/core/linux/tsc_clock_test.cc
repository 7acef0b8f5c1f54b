// The processor's clock against the kernel's.
#include <shale/core/linux/detail/tsc_clock.hh>

#include <gtest/gtest.h>
#include <shale/core/linux/detail/monotonic.hh>

namespace shale::detail {
namespace {

class tsc_clock_test : public ::testing::TestWithParam<bool> {};

INSTANTIATE_TEST_SUITE_P(, tsc_clock_test, ::testing::Bool(),
                         [](const auto& how) { return how.param ? "tsc" : "kernel"; });

TEST_P(tsc_clock_test, never_runs_backwards) {
    tsc_clock clock(GetParam() && tsc_is_trusted());
    std::uint64_t last = 0;
    for (const std::uint64_t end = monotonic_ns() + 100'000'000; last < end;) {
        for (int i = 0; i < 1000; ++i) {
            const std::uint64_t t = clock.now();
            ASSERT_GE(t, last);
            last = t;
        }
    }
}

TEST_P(tsc_clock_test, tells_the_kernels_time) {
    tsc_clock clock(GetParam() && tsc_is_trusted());
    for (const std::uint64_t end = monotonic_ns() + 100'000'000;;) {
        const std::uint64_t before = monotonic_ns();
        const std::uint64_t t = clock.now();
        const std::uint64_t after = monotonic_ns();
        // However long this thread was kept from running in between, the reading belongs between the other two, give
        // or take the error of an anchor.
        ASSERT_GE(t + 1'000'000, before);
        ASSERT_LE(t, after + 1'000'000);
        if (after > end) {
            break;
        }
    }
}

TEST(tsc_clock, two_clocks_agree) {
    tsc_clock one(tsc_is_trusted());
    tsc_clock two(tsc_is_trusted());
    std::uint64_t t = 0;
    for (const std::uint64_t end = monotonic_ns() + 50'000'000; t < end;) {
        t = one.now();
        ASSERT_GE(two.now() + 1'000'000, t);
    }
}

}  // namespace
}  // namespace shale::detail
