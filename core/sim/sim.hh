// Simulated runs of whole programs, for tests: all of core/sim in one include.
// check: allow closure, only tests include it
//
//     auto drawn = sim::swarm_options::draw(seed);                       // what this run is like, by its seed
//     sim::world world(drawn.world);
//     auto& server = world.add_machine({.name = "kv", .shards = 2, .entry = [] { return serve(); }});
//     server.start();
//     sim::chaos storm(world, drawn.storm);                              // kills, power cycles, outages
//     auto test = world.on(0, [&]() -> future<> {                        // the test itself, on the tester's shard
//         co_await run_clients(server.address());
//         storm.calm();                                                  // from here on everything must come right
//         co_await sim::deadline(world, 30s, read_back(server.address()));
//     });
//     if (!world.run_until([&] { return test.available(); })) {
//         fail(world.stuck(), world.history(), drawn.to_string());       // nothing will ever happen again
//     }
//
// To act at a certain point of a run: world::until() and world::at_event(). That a run repeats: check_twice().
#pragma once

#include "chaos.hh"
#include "check_twice.hh"
#include "deadline.hh"
#include "detail/disk.hh"     // machine::disk(): planned faults, damage, snapshots
#include "detail/network.hh"  // world::network(): outages
#include "machine.hh"
#include "swarm.hh"
#include "two_stage_faults.hh"
#include "world.hh"
