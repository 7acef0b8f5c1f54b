// The defaults that servers rely on: limits are on, and silence ends.
#include <gtest/gtest.h>
#include <shale/net/options.hh>

using namespace shale;

TEST(options, everything_is_limited_by_default) {
    const net::listen_options listen;
    EXPECT_EQ(listen.backlog, 1024);
    EXPECT_EQ(listen.balance, net::accept_balance::hand_over);
    EXPECT_GT(listen.connections_max, 10'000U);
    EXPECT_TRUE(listen.nodelay);
    EXPECT_TRUE(listen.ipv6_only);
    ASSERT_TRUE(listen.keepalive.has_value());
    const net::connect_options connect;
    EXPECT_EQ(connect.timeout, std::chrono::seconds(30));
    EXPECT_TRUE(connect.keepalive.has_value());
    // A peer that is gone is noticed within four minutes.
    EXPECT_LE(listen.keepalive->idle + listen.keepalive->interval * listen.keepalive->probes, std::chrono::minutes(4));
    const net::input_options input;
    EXPECT_LE(input.buffer_min, input.buffer_size);
    EXPECT_LE(input.buffer_size, input.buffer_max);
}
