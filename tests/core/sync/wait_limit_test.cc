// What counts as a limit to a wait, and as none.
#include <shale/core/sync/wait_limit.hh>
#include <shale/core/testing/testing.hh>

using namespace shale;

SHALE_TEST(wait_limit, no_time_and_the_longest_times_mean_for_ever) {
    EXPECT_EQ(wait_limit().deadline_ns(), no_deadline);
    EXPECT_EQ(wait_limit(duration::max()).deadline_ns(), no_deadline);
    EXPECT_EQ(wait_limit(std::chrono::hours::max()).deadline_ns(), no_deadline);
    EXPECT_EQ(wait_limit(clock::time_point::max()).deadline_ns(), no_deadline);
    co_return;
}

SHALE_TEST(wait_limit, a_while_counts_from_now_and_a_time_is_itself) {
    const std::uint64_t now = to_ns(clock::now());
    EXPECT_EQ(wait_limit(5ms).deadline_ns(), now + 5'000'000);
    EXPECT_EQ(wait_limit(clock::now() + 7s).deadline_ns(), now + 7'000'000'000);
    EXPECT_EQ(wait_limit(-5ms).deadline_ns(), now - 5'000'000);
    abort_source abort;
    const wait_limit both(5ms, &abort);
    EXPECT_EQ(both.abort(), &abort);
    EXPECT_EQ(wait_limit(abort).deadline_ns(), no_deadline);
    co_return;
}
