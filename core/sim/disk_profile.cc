// The disks that have names.
#include "disk_profile.hh"

#include <cmath>

namespace shale::sim {

disk_profile disk_profile::posix() {
    return {};
}

disk_profile disk_profile::ext4_like() {
    disk_profile made;
    made.name = "ext4_like";
    made.fsync_keeps_new_name = true;
    return made;
}

disk_profile disk_profile::consumer_ssd() {
    disk_profile made;
    made.name = "consumer_ssd";
    made.faults.lying_flush = 1;
    return made;
}

disk_profile disk_profile::swarm(random_engine& random) {
    disk_profile made;
    made.name = "swarm";
    made.fsync_keeps_new_name = random.chance(0.3);
    made.offset_alignment = random.chance(0.5) ? 512 : 4096;
    disk_latency& latency = made.latency;
    latency.base_ns = random.between(5'000, 500'000);
    latency.tail_ns = random.between(0, 1'000'000);
    latency.flush_ns = random.between(5'000, 20'000'000);
    latency.names_ns = random.between(1'000, 1'000'000);
    latency.bytes_per_second = random.between(50'000'000, 4'000'000'000);
    latency.parallel = static_cast<unsigned>(random.between(1, 128));
    // Half of the classes in each seed, so that none hides behind another; each from rare to as often as it is listed.
    const auto draw = [&](double most) {
        const bool on = random.chance(0.5);
        const double chance = most * std::pow(1e-3, random.uniform());
        return on ? chance : 0;
    };
    disk_faults& faults = made.faults;
    faults.read_error = draw(0.01);
    faults.write_error = draw(0.01);
    faults.sync_error = draw(0.01);
    faults.name_error = draw(0.01);
    faults.short_read = draw(0.2);
    faults.short_write = draw(0.2);
    faults.interrupted = draw(0.1);
    faults.nowait_again = draw(0.5);
    faults.stuck = draw(0.0005);
    faults.slow_spell = draw(0.001);
    faults.stall = draw(0.001);
    faults.blocking_submit = draw(0.01);
    faults.no_space_spell = draw(0.001);
    return made;
}

}  // namespace shale::sim
