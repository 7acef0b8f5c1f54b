// The disks that have names, and those that are drawn.
#include <shale/core/sim/disk_profile.hh>

#include <gtest/gtest.h>

namespace shale::sim {
namespace {

bool has_media_faults(const disk_faults& f) {
    return f.latent_sector + f.bit_rot + f.misdirected_write + f.misdirected_read + f.stale_read + f.lying_flush > 0;
}

TEST(disk_profile, is_kind_unless_asked_otherwise) {
    const disk_faults none = disk_profile::posix().faults;
    EXPECT_EQ(none.read_error + none.write_error + none.sync_error + none.stuck + none.short_write, 0);
    EXPECT_FALSE(has_media_faults(none));
    EXPECT_FALSE(disk_profile::posix().fsync_keeps_new_name);
    EXPECT_TRUE(disk_profile::ext4_like().fsync_keeps_new_name);
    EXPECT_EQ(disk_profile::consumer_ssd().faults.lying_flush, 1);
}

TEST(disk_profile, a_swarm_draws_other_faults_in_each_seed_and_never_loses_what_was_flushed) {
    int with_errors = 0;
    for (std::uint64_t seed = 0; seed < 100; ++seed) {
        random_engine random(seed);
        random_engine same(seed);
        const disk_profile made = disk_profile::swarm(random);
        EXPECT_FALSE(has_media_faults(made.faults));
        EXPECT_GE(made.latency.parallel, 1U);
        EXPECT_EQ(disk_profile::swarm(same).faults.write_error, made.faults.write_error);
        with_errors += made.faults.write_error > 0 ? 1 : 0;
    }
    EXPECT_GT(with_errors, 25);
    EXPECT_LT(with_errors, 75);
}

}  // namespace
}  // namespace shale::sim
