// What a simulated world promises: virtual time, reproducible order, and a word instead of a hang.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <vector>

#include <shale/core/async/loop.hh>
#include <shale/core/shard/io.hh>
#include <shale/core/shard/sleep.hh>
#include <shale/core/shard/smp.hh>
#include <shale/core/sim/world.hh>
#include <shale/core/sync/gate.hh>
#include <shale/core/testing/testing.hh>

#include "simulated_part.hh"

using namespace shale;
using namespace std::chrono_literals;

namespace {

/// A shard's turns, interleaved: which shard ran when.
std::vector<unsigned> order_of_turns(std::uint64_t seed) {
    sim::world world({.shards = 4, .seed = seed});
    std::vector<unsigned> order;
    std::vector<future<void>> loops;
    for (unsigned id = 0; id < 4; ++id) {
        loops.push_back(world.on(id, [&] {
            return repeat([&order, left = 20]() mutable -> future<stop_iteration> {
                order.push_back(this_shard().id());
                co_await yield_now();
                co_return --left == 0 ? stop_iteration::yes : stop_iteration::no;
            });
        }));
    }
    world.settle();
    for (unsigned id = 0; id < 4; ++id) {
        world.on(id, [&] { loops[id].get(); });
    }
    return order;
}

/// Shards that talk, sleep and draw; the run's hash, and its checkpoints.
std::pair<std::uint64_t, std::vector<std::uint64_t>> hash_of_run(const sim::world_options& options, int rounds = 50,
                                                                 std::vector<std::uint32_t>* choices = nullptr) {
    sim::world world(options);
    sim::machine& m = world.add_machine({.name = "a", .shards = 4, .entry = [rounds]() -> future<int> {
                                             co_await smp::invoke_on_all([&]() -> future<> {
                                                 for (int i = 0; i < rounds; ++i) {
                                                     std::byte draw{};
                                                     this_shard().entropy({&draw, 1});
                                                     const unsigned to = std::to_integer<unsigned>(draw) % 4;
                                                     co_await smp::submit_to(to, [] { return sleep(3us); });
                                                 }
                                             });
                                             co_return 0;
                                         }});
    m.start();
    world.settle();
    EXPECT_EQ(m.exit_code(), 0);
    if (choices != nullptr) {
        *choices = world.choices();
    }
    return {world.hash(), world.checkpoints()};
}

sim::world_options harsh(std::uint64_t seed, sim::schedule kind) {
    return {.seed = seed,
            .turn_cost_max_ns = 50'000,
            .task_cost_max_ns = 500,
            .wake_delay_max_ns = 5'000,
            .stalls = {.probability = 0.01},
            .order = {.kind = kind}};
}

constexpr std::array every_schedule{sim::schedule::uniform, sim::schedule::min_time, sim::schedule::pct,
                                    sim::schedule::starve_one};

}  // namespace

TEST(world, repeats_a_run_from_its_seed) {
    EXPECT_EQ(order_of_turns(7), order_of_turns(7));
}

TEST(world, orders_turns_differently_for_another_seed) {
    EXPECT_NE(order_of_turns(7), order_of_turns(8));
}

TEST(world, has_the_same_hash_for_the_same_seed_and_another_for_another) {
    for (const sim::schedule kind : every_schedule) {
        const auto first = hash_of_run(harsh(1, kind), 500);
        EXPECT_EQ(first, hash_of_run(harsh(1, kind), 500));
        EXPECT_NE(first.first, hash_of_run(harsh(2, kind), 500).first);
        EXPECT_GE(first.second.size(), 2U) << "checkpoints";
    }
}

TEST(world, replays_the_recorded_choices) {
    std::vector<std::uint32_t> choices;
    sim::world_options options = harsh(1, sim::schedule::uniform);
    options.order.record_choices = true;
    const auto recorded = hash_of_run(options, 50, &choices);
    EXPECT_GT(choices.size(), 100U);
    options.order = {.kind = sim::schedule::replay, .choices = choices};
    EXPECT_EQ(hash_of_run(options), recorded);
}

TEST(world, says_so_when_nothing_will_ever_happen_again) {
    sim::world world({});
    EXPECT_FALSE(world.run_until([] { return false; }));
}

TEST(world, explains_who_waits_for_what_when_it_is_stuck) {
    sim::world world({.connect = [](sim::detail::host& h) { h.disk = std::make_unique<sim::simulated_part>(); }});
    sim::machine& m =
        world.add_machine({.name = "kv", .shards = 2, .entry = []() -> future<int> {
                               gate open;
                               const auto inside = open.hold();
                               auto reading = [](io_op op) -> future<> { co_await submit_io({.op = op}); };
                               auto a = reading(io_op::fdatasync);
                               auto b = reading(io_op::fdatasync);
                               co_await open.close();
                               co_return 0;
                           }});
    world.add_machine({.name = "spare", .entry = [] { return make_ready_future<int>(0); }});
    m.start();
    EXPECT_FALSE(world.run_until([&] { return m.exit_code().has_value(); }));
    EXPECT_THAT(
        world.stuck(),
        testing::ElementsAre(
            testing::StartsWith("test/0: "),
            testing::AllOf(testing::StartsWith("kv/0: 0 tasks ready"), testing::HasSubstr("in flight: 2 fdatasync"),
                           testing::HasSubstr("no timer")),
            testing::AllOf(testing::HasSubstr("kv/0: the gate closed at"), testing::HasSubstr("world_test.cc")),
            testing::AllOf(testing::StartsWith("kv/1: "), testing::HasSubstr("no requests")), "spare: not running"));
}

TEST(world, keeps_the_last_things_that_happened) {
    sim::world world({});
    for (int i = 0; i < 300; ++i) {
        world.note(fmt::format("note {}", i));
    }
    const auto lines = world.history();
    ASSERT_EQ(lines.size(), 200U);
    EXPECT_EQ(lines.back(), "1.000000000 world: note 299");
    EXPECT_EQ(lines.front(), "1.000000000 world: note 100");
}

TEST(world, fails_a_request_that_no_part_serves) {
    sim::world world({});
    io_request request{.op = io_op::read};
    request.complete = [](io_request& r) noexcept { r.fd = 17; };
    world.on(0, [&] { world.at(0).submit(request); });
    world.settle();
    EXPECT_EQ(request.fd, 17);
    EXPECT_EQ(request.result, -ENOSYS);
}

TEST(world, wakes_a_sleeping_shard_that_a_test_gives_something_to_do) {
    sim::world world({});
    world.settle();
    auto f = world.on(0, [] { return yield(); });
    EXPECT_TRUE(world.run_until([&] { return f.available(); }));
}

TEST(world, lets_no_message_come_from_the_future) {
    for (const sim::schedule kind : every_schedule) {
        sim::world world(harsh(3, kind));
        unsigned messages = 0;
        sim::machine& m = world.add_machine({.name = "a", .shards = 4, .entry = [&]() -> future<int> {
                                                 co_await smp::invoke_on_all([&]() -> future<> {
                                                     for (unsigned i = 0; i < 200; ++i) {
                                                         const auto sent = this_shard().now();
                                                         co_await smp::submit_to((this_shard_id() + i) % 4, [&] {
                                                             ++messages;
                                                             EXPECT_GE(this_shard().now(), sent);
                                                         });
                                                         EXPECT_GE(this_shard().now(), sent);
                                                     }
                                                 });
                                                 co_return 0;
                                             }});
        m.start();
        world.settle();
        EXPECT_EQ(messages, 800U);
    }
}

TEST(world, holds_up_nobody_else_with_the_stall_of_one_shard) {
    // Two shards count time in microseconds; the other's turns all take a second.
    sim::world world({.stalls = {.probability = 0.02, .min_ns = 1'000'000'000, .max_ns = 1'000'000'000},
                      .order = {.kind = sim::schedule::min_time}});
    std::array<std::uint64_t, 2> worst{};
    sim::machine& m = world.add_machine({.name = "a", .shards = 2, .entry = [&]() -> future<int> {
                                             co_await smp::invoke_on_all([&]() -> future<> {
                                                 for (int i = 0; i < 20; ++i) {
                                                     const auto due = this_shard().now_ns() + 100'000'000;
                                                     co_await sleep(100ms);
                                                     auto& w = worst[this_shard_id()];
                                                     w = std::max(w, this_shard().now_ns() - due);
                                                 }
                                             });
                                             co_return 0;
                                         }});
    m.start();
    world.settle();
    EXPECT_EQ(m.exit_code(), 0);
    EXPECT_GT(world.faults().of("stall"), 0U);
    EXPECT_LT(std::min(worst[0], worst[1]), 1'000'000'000U);
    EXPECT_GT(std::max(worst[0], worst[1]), 800'000'000U);
}

TEST(world, tells_a_test_when_the_nth_event_of_a_kind_has_happened) {
    sim::world world({});
    int done = 0;
    world
        .add_machine({.name = "a",
                      .entry = [&]() -> future<int> {
                          for (; done < 10; ++done) {
                              co_await submit_io({.op = io_op::fdatasync});
                          }
                          co_return 0;
                      }})
        .start();
    int seen = -1;
    auto test = world.on(0, [&]() -> future<> {
        co_await world.until(
            [](const sim::world_event& e) {
                return e.what == sim::world_event::kind::completed && e.op == io_op::fdatasync && e.machine == "a";
            },
            7);
        seen = done;
    });
    EXPECT_TRUE(world.run_until([&] { return test.available(); }));
    EXPECT_GE(seen, 6);
}

TEST(world, lets_a_test_cut_the_power_at_a_certain_request) {
    sim::simulated_part* disk = nullptr;
    sim::world world({.connect = [&](sim::detail::host& h) {
        h.disk = std::make_unique<sim::simulated_part>();
        disk = static_cast<sim::simulated_part*>(h.disk.get());
        disk->answer = 0;
    }});
    int done = 0;
    sim::machine& m = world.add_machine({.name = "a", .entry = [&]() -> future<int> {
                                             for (; done < 10; ++done) {
                                                 co_await submit_io({.op = io_op::write});
                                             }
                                             co_return 0;
                                         }});
    world.at_event([](const sim::world_event& e) { return e.what == sim::world_event::kind::submitted; }, 4,
                   [&](const sim::world_event&) { m.power_loss(); });
    m.start();
    world.settle();
    EXPECT_EQ(done, 3);
    EXPECT_FALSE(m.running());
    EXPECT_EQ(disk->power_losses, 1);
}

TEST(world, runs_for_a_time_though_nothing_happens) {
    sim::world world({});
    const auto start = world.now_ns();
    world.run_for(3s);
    EXPECT_EQ(world.now_ns(), start + 3'000'000'000);
}
