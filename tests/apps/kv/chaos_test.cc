// The whole server on a simulated machine that is killed, loses its power and has bad disks and networks, while clients
// check every answer. What fails prints the seed and its options.
//
//     SHALE_TEST_SEED=42 SHALE_SIM_SEEDS=1 build/release/tests/apps_kv_test --gtest_filter='kv_chaos.*'
//
// SHALE_SIM_SEEDS is how many seeds each test tries, from SHALE_TEST_SEED on; SHALE_SIM_SET overrides drawn options
// ("kills_max=0 disk.write_error=0.01"), SHALE_SIM_REPORT=1 prints a line a run.
#include <gtest/gtest.h>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <array>
#include <cstdlib>

#include <shale/core/base/log.hh>
#include <shale/core/shard/sleep.hh>
#include <shale/core/sim/sim.hh>
#include <shale/core/testing/testing.hh>
#include <shale/file/directory.hh>

#include <shale/apps/kv/server.hh>
#include <shale/apps/kv/sim_clients.hh>

using namespace shale;
using namespace std::chrono_literals;

namespace {

constexpr std::uint16_t port = 6379;
constexpr duration storm_time = 4s;
constexpr duration calm_time = 30s;

/// What main() does with a server, for ever.
future<int> serve(kv::settings conf, sim::machine& on) {
    promise<> never;
    co_await recursive_touch_directory(conf.dir);
    kv::server server(
        std::move(conf), false, [] {}, [&on](const std::string&) { on.restart(); });
    co_await server.start();
    co_await never.get_future();
    co_return 0;
}

/// One run: a storm, the calm after it, everything read back, and once more after a last power loss.
struct run {
    sim::swarm_options drawn;
    kv::fsync_policy appendfsync = kv::fsync_policy::always;
    kv::sim_clients_statistics statistics = {};
    std::uint64_t virtual_ns = 0;
    std::uint64_t faults = 0;
    std::string failure = {};

    explicit run(sim::swarm_options options) : drawn(std::move(options)) {
        drawn.storm.span = storm_time;
        drawn.storm.start_ended = true;
        drawn.world.disk->capacity_bytes = std::max(drawn.world.disk->capacity_bytes, std::uint64_t{1} << 30);
    }

    void operator()(sim::trace* record = nullptr) {
        drawn.world.record = record;
        random_engine random(drawn.world.seed ^ 0xc4a05);
        sim::world world(drawn.world);
        set_log_level(log_level::error);  // every power loss leaves warnings of what was being written
        kv::settings conf;
        conf.dir = "/data";
        conf.bind = "0.0.0.0";
        conf.port = port;
        conf.appendfsync = appendfsync;
        conf.segment_bytes = std::uint64_t{1} << 20;
        // Half of the runs read nearly everything back from the disk.
        conf.cache_bytes = random.chance(0.5) ? std::uint64_t{256} << 10 : std::uint64_t{64} << 20;
        sim::machine* machine = nullptr;
        machine = &world.add_machine({.name = "kv",
                                      .shards = static_cast<unsigned>(random.between(1, 8)),
                                      .mailbox_capacity = drawn.world.mailbox_capacity,
                                      .entry = [conf, &machine] { return serve(conf, *machine); },
                                      .wall_drift = (random.uniform() - 0.5) * 2e-4});
        kv::sim_clients clients({.address = machine->address(),
                                 .port = port,
                                 .clients = static_cast<unsigned>(random.between(1, 6)),
                                 .keys_per_client = static_cast<unsigned>(random.between(5, 24)),
                                 .seed = drawn.world.seed,
                                 .value_bytes_max = std::size_t{900} << 10});
        machine->start();
        sim::chaos storm(world, drawn.storm);
        auto done = world.on(0, [&] { return work(world, *machine, storm, clients); });
        const bool ended = world.run_until([&] { return done.available(); });
        world.on(0, [&] {
            statistics = clients.statistics();
            if (ended) {
                take_outcome(std::move(done));
            } else {
                failure = fmt::format("nothing happens any more\n  {}", fmt::join(world.stuck(), "\n  "));
            }
        });
        if (!failure.empty()) {
            failure += fmt::format("\nkv of {} shards, start {}: {}{}", machine->shard_count(), machine->incarnation(),
                                   machine->running() ? "runs" : "ended: ", machine->failure());
        }
        virtual_ns = world.now_ns();
        faults = storm.count();
    }

    void take_outcome(future<> done) {
        try {
            done.get();
        } catch (const std::exception& error) {
            failure = error.what();
        }
    }

    static future<> work(sim::world& world, sim::machine& machine, sim::chaos& storm, kv::sim_clients& clients) {
        abort_source stop;
        timer<> limit;
        limit.set_callback([&] { stop.request_abort(); });
        limit.arm(storm_time);
        co_await clients.run(stop);
        limit.cancel();
        storm.calm();
        co_await sim::deadline(world, calm_time, clients.read_back());
        machine.power_loss();
        co_await sleep(1ms);
        machine.start();
        co_await sim::deadline(world, calm_time, clients.read_back());
    }
};

std::uint64_t number_from(const char* variable, std::uint64_t otherwise) {
    const char* const text = std::getenv(variable);
    return text != nullptr ? std::strtoull(text, nullptr, 10) : otherwise;
}

/// Sanitizers cost ten times as much: a share has to do.
constexpr std::uint64_t share_of(std::uint64_t seeds) noexcept {
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
    return (seeds + 3) / 4;
#else
    return seeds;
#endif
}

/// Tries so many seeds; what `shape` makes of the drawn options is run.
void try_seeds(std::uint64_t seeds, const std::function<void(sim::swarm_options&)>& shape) {
    const std::uint64_t first = test::seed();
    const std::uint64_t count = number_from("SHALE_SIM_SEEDS", share_of(seeds));
    kv::sim_clients_statistics all;
    std::uint64_t virtual_ns = 0;
    std::uint64_t faults = 0;
    for (std::uint64_t seed = first; seed < first + count; ++seed) {
        sim::swarm_options drawn = sim::swarm_options::draw(seed);
        shape(drawn);
        if (const char* const text = std::getenv("SHALE_SIM_SET"); text != nullptr) {
            ASSERT_TRUE(drawn.set(text)) << text;
        }
        run one(std::move(drawn));
        one();
        if (!one.failure.empty()) {
            ADD_FAILURE() << "seed " << seed << ": " << one.failure << "\nwith " << one.drawn.to_string();
        }
        if (number_from("SHALE_SIM_REPORT", 0) != 0) {
            fmt::print("seed {}: {:.3f} s, {} faults, {}\n", seed, static_cast<double>(one.virtual_ns) / 1e9,
                       one.faults, one.statistics.to_string());
        }
        all.add(one.statistics);
        virtual_ns += one.virtual_ns;
        faults += one.faults;
    }
    fmt::print("{} seeds, {:.1f} s of virtual time, {} faults; {}\n", count, static_cast<double>(virtual_ns) / 1e9,
               faults, all.to_string());
    EXPECT_GT(all.reads, count) << "they did next to nothing";
    if (count >= 10) {  // a few seeds may be too harsh for a single write
        EXPECT_GT(all.acknowledged, 20 * count);
    }
}

/// Disks and networks as good as they are, no chaos.
void be_kind(sim::swarm_options& drawn) {
    drawn.world.disk->faults = {};
    *drawn.world.network = sim::net_profile::lan();
    drawn.world.faults.enabled = false;
    drawn.storm.kills = {};
    drawn.storm.power_cycles = {};
    drawn.storm.outages = {};
}

}  // namespace

TEST(kv_chaos, answers_as_the_oracle_says_when_nothing_goes_wrong) {
    try_seeds(2, be_kind);
}

TEST(kv_chaos, keeps_what_it_acknowledged_through_kills) {
    try_seeds(3, [](sim::swarm_options& drawn) {
        be_kind(drawn);
        drawn.storm.kills = {3, 12};
        drawn.storm.down_max = 300ms;
    });
}

TEST(kv_chaos, keeps_what_it_acknowledged_or_showed_through_power_losses) {
    try_seeds(4, [](sim::swarm_options& drawn) {
        be_kind(drawn);
        drawn.storm.power_cycles = {3, 12};
        drawn.storm.down_max = 300ms;
    });
}

TEST(kv_chaos, keeps_its_promises_on_disks_with_one_fault_each) {
    static constexpr std::array classes{
        "disk.read_error=0.01",     "disk.write_error=0.005", "disk.sync_error=0.005", "disk.name_error=0.02",
        "disk.short_read=0.1",      "disk.short_write=0.1",   "disk.interrupted=0.05", "disk.nowait_again=0.2",
        "disk.stuck=0.0005",        "disk.slow_spell=0.001",  "disk.stall=0.001",      "disk.blocking_submit=0.01",
        "disk.no_space_spell=0.01",
    };
    try_seeds(classes.size(), [](sim::swarm_options& drawn) {
        be_kind(drawn);
        drawn.storm.kills = {0, 3};
        drawn.storm.power_cycles = {1, 4};
        drawn.storm.down_max = 300ms;
        ASSERT_TRUE(drawn.set(classes[drawn.world.seed % classes.size()]));
    });
}

TEST(kv_chaos, keeps_its_promises_on_bad_networks) {
    try_seeds(4, [](sim::swarm_options& drawn) {
        const sim::net_profile harsh = *drawn.world.network;
        const sim::bounds outages = drawn.storm.outages;
        be_kind(drawn);
        drawn.world.network = harsh;
        drawn.storm.outages = outages;
        drawn.storm.kills = {0, 3};
    });
}

TEST(kv_chaos, keeps_its_promises_when_everything_goes_wrong_at_once) {
    try_seeds(3, [](sim::swarm_options&) {});
}

// What the tests above find is only worth something if they would find this.
TEST(kv_chaos, notices_when_acknowledged_writes_are_lost) {
    unsigned noticed = 0;
    for (std::uint64_t seed = 1; seed <= 4; ++seed) {
        sim::swarm_options drawn = sim::swarm_options::draw(seed);
        be_kind(drawn);
        drawn.storm.power_cycles = {3, 6};
        drawn.storm.down_max = 100ms;
        run one(std::move(drawn));
        one.appendfsync = kv::fsync_policy::no;
        one();
        noticed += one.failure.contains("possible: ") ? 1 : 0;
    }
    EXPECT_GE(noticed, 3U);
}

TEST(kv_chaos, repeats_to_the_last_turn) {
    sim::swarm_options drawn = sim::swarm_options::draw(test::seed());
    drawn.storm.power_cycles = {2, 4};
    const auto difference = sim::check_twice([&](sim::trace& record) {
        run again(drawn);
        again(&record);
    });
    EXPECT_FALSE(difference) << *difference;
}
