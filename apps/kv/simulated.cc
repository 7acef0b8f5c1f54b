// See simulated.hh.
#include "simulated.hh"

#include <shale/core/async/coroutine.hh>
#include <shale/core/shard/timer.hh>

#include "sim_clients.hh"

namespace shale::kv {

using namespace std::chrono_literals;

namespace {

/// On a machine of its own every port is free, so a free one may as well be the usual.
std::uint16_t port_of(const settings& conf) {
    return conf.port != 0 ? conf.port : settings().port;
}

}  // namespace

void draw_settings(settings& conf, std::uint64_t seed) {
    random_engine random(seed ^ 0x5e771465);
    const settings usual;
    const std::uint64_t segment_mib = 1ULL << random.below(3);
    const std::uint64_t cache_bytes = random.chance(0.5) ? std::uint64_t{256} << 10 : std::uint64_t{64} << 20;
    if (conf.segment_bytes == 0) {
        conf.segment_bytes = segment_mib << 20;
    }
    if (conf.cache_bytes == usual.cache_bytes) {
        conf.cache_bytes = cache_bytes;
    }
    // Few enough, in some runs, that a client is turned away now and then.
    const std::uint64_t clients_max = random.between(3, 8);
    if (random.chance(0.2) && conf.maxclients == usual.maxclients) {
        conf.maxclients = clients_max;
    }
    if (conf.bind == usual.bind) {
        conf.bind = "0.0.0.0";
    }
    conf.port = port_of(conf);
    conf.requirepass.clear();
}

future<> play_clients(simulation& sim, const settings& conf) {
    random_engine& random = sim.random();
    sim_clients clients({.address = sim.address(),
                         .port = port_of(conf),
                         .clients = static_cast<unsigned>(random.between(1, 6)),
                         .keys_per_client = static_cast<unsigned>(random.between(5, 24)),
                         .seed = random(),
                         .value_bytes_max = std::size_t{900} << 10});
    abort_source stop;
    timer<> end([&stop] { stop.request_abort(); });
    end.arm(sim.storm());
    co_await clients.run(stop);
    sim.calm();
    co_await sim.within(30s, clients.read_back());
    co_await sim.power_cycle();
    co_await sim.within(30s, clients.read_back());
    const sim_clients_statistics seen = clients.statistics();
    sim.count("acknowledged writes", seen.acknowledged);
    sim.count("lost replies", seen.lost);
    sim.count("checked reads", seen.reads);
    sim.count("lost connections", seen.connections_lost);
}

}  // namespace shale::kv
