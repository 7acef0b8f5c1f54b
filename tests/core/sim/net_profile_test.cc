// The promises of core/sim/net_profile.hh.
#include <gtest/gtest.h>

#include <shale/core/sim/net_profile.hh>

namespace shale::sim {
namespace {

bool has_faults(const net_profile& p) {
    return p.latency_tail > 0 || p.short_transfer > 0 || p.reset > 0 || p.reset_overtakes > 0 || p.syn_loss > 0 ||
           p.accept_enfile > 0 || p.accept_aborted > 0 || p.datagram_loss > 0 || p.datagram_duplicate > 0 ||
           p.datagram_reorder > 0;
}

TEST(net_profile, is_kind_and_exact_unless_told_otherwise) {
    const net_profile p;
    EXPECT_FALSE(has_faults(p));
    EXPECT_EQ(p.latency_ns_min, p.latency_ns_max);
    EXPECT_EQ(p.window_bytes_min, p.window_bytes_max);
}

TEST(net_profile, a_good_network_varies_in_time_alone) {
    net_profile p = net_profile::lan();
    EXPECT_LT(p.latency_ns_min, p.latency_ns_max);
    EXPECT_GT(p.latency_tail, 0);
    p.latency_tail = 0;
    EXPECT_FALSE(has_faults(p));
}

TEST(net_profile, bad_networks_repeat_with_their_seed_and_differ_between_seeds) {
    unsigned with_resets = 0;
    unsigned without_resets = 0;
    for (std::uint64_t seed = 1; seed <= 50; ++seed) {
        random_engine one(seed);
        random_engine two(seed);
        const net_profile p = net_profile::harsh(one);
        EXPECT_EQ(p.latency_ns_max, net_profile::harsh(two).latency_ns_max);
        EXPECT_LE(p.window_bytes_min, p.window_bytes_max);
        EXPECT_LE(p.latency_ns_min, p.latency_ns_max);
        EXPECT_LE(p.silence_ns_min, p.silence_ns_max);
        EXPECT_LT(p.reset, 0.01);
        ++(p.reset > 0 ? with_resets : without_resets);
    }
    EXPECT_GT(with_resets, 0U);
    EXPECT_GT(without_resets, 0U);
}

TEST(net_profile, without_faults_keeps_times_and_windows) {
    random_engine random(7);
    const net_profile p = net_profile::harsh(random);
    const net_profile calm = p.without_faults();
    EXPECT_FALSE(has_faults(calm));
    EXPECT_EQ(calm.latency_ns_max, p.latency_ns_max);
    EXPECT_EQ(calm.window_bytes_max, p.window_bytes_max);
}

}  // namespace
}  // namespace shale::sim
