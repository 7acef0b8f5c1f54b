// The example in the head comment of core/sim/sim.hh, as a test: a program under chaos, and the calm after it.
#include <gtest/gtest.h>

#include <shale/core/shard/sleep.hh>
#include <shale/core/shard/smp.hh>
#include <shale/core/sim/sim.hh>
#include <shale/core/testing/testing.hh>

using namespace shale;
using namespace std::chrono_literals;

namespace {

/// What the program would keep on its disk: counts up, on whichever shard, never back.
future<int> serve(std::uint64_t& kept) {
    while (true) {
        co_await smp::invoke_on_all([] { return sleep(1ms); });
        ++kept;
    }
}

future<> wait_for(const std::uint64_t& kept, std::uint64_t more) {
    const std::uint64_t goal = kept + more;
    while (kept < goal) {
        co_await sleep(10ms);
    }
}

void run_one(std::uint64_t seed, sim::trace& record) {
    auto drawn = sim::swarm_options::draw(seed);
    drawn.world.record = &record;
    SCOPED_TRACE(drawn.to_string());
    std::uint64_t kept = 0;
    sim::world world(drawn.world);
    auto& server = world.add_machine({.name = "kv", .shards = 3, .entry = [&] { return serve(kept); }});
    server.start();
    sim::chaos storm(world, drawn.storm);
    auto test = world.on(0, [&]() -> future<> {
        co_await wait_for(kept, 300);
        storm.calm();
        co_await sim::deadline(world, 30s, wait_for(kept, 10));
    });
    EXPECT_TRUE(world.run_until([&] { return test.available(); }));
    world.on(0, [&] { test.get(); });
}

}  // namespace

TEST(sim, runs_a_program_through_chaos_the_same_way_each_time) {
    for (std::uint64_t seed = 1; seed <= 20; ++seed) {
        EXPECT_EQ(sim::check_twice([&](sim::trace& t) { run_one(seed, t); }), std::nullopt) << "seed " << seed;
    }
}
