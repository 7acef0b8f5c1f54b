// What simulated machines promise: incarnations that end in order or are killed at any point, and worlds that go on.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <memory>
#include <vector>

#include <shale/core/shard/io.hh>
#include <shale/core/shard/shard_local.hh>
#include <shale/core/shard/sleep.hh>
#include <shale/core/shard/smp.hh>
#include <shale/core/sim/machine.hh>
#include <shale/core/sim/world.hh>

#include "simulated_part.hh"

using namespace shale;
using namespace std::chrono_literals;

namespace {

struct witness {
    explicit witness(int& count) : destroyed(&count) {}
    witness(const witness&) = delete;
    witness& operator=(const witness&) = delete;
    ~witness() { ++*destroyed; }
    int* destroyed;
};

/// A program that never ends: on each shard, a step every microsecond.
future<int> tick_for_ever(int& ticks) {
    co_await smp::invoke_on_all([&ticks]() -> future<> {
        while (true) {
            ++ticks;
            co_await sleep(1us);
        }
    });
    co_return 0;
}

}  // namespace

TEST(machine, gives_the_exit_code_of_a_program_that_ends) {
    sim::world world({});
    sim::machine& m = world.add_machine({.name = "a", .shards = 3, .entry = []() -> future<int> {
                                             co_await smp::invoke_on_all([] { return sleep(1ms); });
                                             co_return 7;
                                         }});
    EXPECT_FALSE(m.running());
    m.start();
    EXPECT_TRUE(m.running());
    world.settle();
    EXPECT_FALSE(m.running());
    EXPECT_EQ(m.exit_code(), 7);
    EXPECT_EQ(m.incarnation(), 1U);
}

TEST(machine, says_why_its_program_failed) {
    sim::world world({});
    sim::machine& m = world.add_machine({.name = "a", .entry = []() -> future<int> {
                                             co_await sleep(1ms);
                                             throw std::runtime_error("no disk");
                                         }});
    m.start();
    world.settle();
    EXPECT_EQ(m.exit_code(), 1);
    EXPECT_EQ(m.failure(), "no disk");
}

TEST(machine, destroys_the_shards_of_a_program_that_ends_once_nothing_is_left_to_do) {
    int destroyed = 0;
    int background = 0;
    const shard_local<std::unique_ptr<witness>> kept;
    sim::world world({});
    sim::machine& m =
        world.add_machine({.name = "a", .shards = 2, .entry = [&]() -> future<int> {
                               co_await smp::invoke_on_all([&] { *kept = std::make_unique<witness>(destroyed); });
                               (void)smp::submit_to(1, [&]() -> future<> {
                                   co_await yield();
                                   ++background;
                               });
                               co_return 0;
                           }});
    m.start();
    world.settle();
    EXPECT_EQ(m.exit_code(), 0);
    EXPECT_EQ(background, 1) << "what was sent in the last moment is still done";
    EXPECT_EQ(destroyed, 2);
}

TEST(machine, runs_no_destructor_when_it_is_killed) {
    int destroyed = 0;
    int ticks = 0;
    {
        sim::world world({});
        sim::machine& m = world.add_machine({.name = "a", .shards = 2, .entry = [&]() -> future<int> {
                                                 const witness kept(destroyed);
                                                 co_return co_await tick_for_ever(ticks);
                                             }});
        m.start();
        world.run_for(1ms);
        EXPECT_GT(ticks, 100);
        m.kill();
        EXPECT_FALSE(m.running());
        EXPECT_FALSE(m.exit_code().has_value());
        const int before = ticks;
        world.settle();
        EXPECT_EQ(ticks, before);
    }
    EXPECT_EQ(destroyed, 0);
}

TEST(machine, leaves_behind_what_still_runs_when_the_world_ends) {
    int destroyed = 0;
    int ticks = 0;
    {
        sim::world world({});
        world
            .add_machine({.name = "a",
                          .entry = [&]() -> future<int> {
                              const witness kept(destroyed);
                              co_return co_await tick_for_ever(ticks);
                          }})
            .start();
        world.run_for(100us);
    }
    EXPECT_EQ(destroyed, 0);
}

TEST(machine, starts_again_with_nothing_in_memory) {
    const shard_local<int> memory;
    std::vector<int> found;
    sim::world world({});
    sim::machine& m = world.add_machine({.name = "a", .entry = [&]() -> future<int> {
                                             found.push_back((*memory)++);
                                             co_await sleep(1h);
                                             co_return 0;
                                         }});
    m.start();
    world.run_for(1ms);
    m.restart();
    world.run_for(1ms);
    m.power_loss();
    m.start();
    EXPECT_THAT(found, testing::ElementsAre(0, 0, 0));
    EXPECT_EQ(m.incarnation(), 3U);
}

TEST(machine, can_be_killed_from_within_its_own_turn) {
    int after = 0;
    int other = 0;
    sim::world world({});
    sim::machine* m = nullptr;
    m = &world.add_machine({.name = "a", .shards = 2, .entry = [&]() -> future<int> {
                                co_await sleep(1ms);
                                (void)smp::submit_to(1, [&] { ++other; });
                                m->kill();
                                co_await yield();
                                ++after;
                                co_return 0;
                            }});
    m->start();
    world.settle();
    EXPECT_FALSE(m->running());
    EXPECT_FALSE(m->exit_code().has_value());
    EXPECT_EQ(after, 0);
    EXPECT_EQ(other, 0) << "what it sent in its last turn does not arrive";
}

TEST(machine, starts_again_at_the_end_of_the_turn_in_which_it_was_killed) {
    int starts = 0;
    sim::world world({});
    sim::machine* m = nullptr;
    m = &world.add_machine({.name = "a", .entry = [&]() -> future<int> {
                                co_await yield();
                                if (++starts < 3) {
                                    m->restart();
                                    co_await sleep(1h);
                                }
                                co_return 5;
                            }});
    m->start();
    world.settle();
    EXPECT_EQ(starts, 3);
    EXPECT_EQ(m->exit_code(), 5);
}

TEST(machine, tells_its_disk_and_network_how_it_ended) {
    sim::simulated_part* disk = nullptr;
    sim::simulated_part* network = nullptr;
    sim::world world({.connect = [&](sim::detail::host& h) {
        if (h.name == "a") {
            h.disk = std::make_unique<sim::simulated_part>();
            h.network = std::make_unique<sim::simulated_part>();
            disk = static_cast<sim::simulated_part*>(h.disk.get());
            network = static_cast<sim::simulated_part*>(h.network.get());
        }
    }});
    sim::machine& m = world.add_machine({.name = "a", .entry = []() -> future<int> {
                                             co_await submit_io({.op = io_op::fsync, .fd = 1});
                                             co_return 0;
                                         }});
    m.start();
    world.settle();
    EXPECT_EQ(disk->pending.size(), 1U);
    m.kill();
    EXPECT_TRUE(disk->pending.empty());
    EXPECT_EQ(disk->deaths, 1);
    EXPECT_EQ(disk->power_losses, 0);
    m.start();
    world.settle();
    m.power_loss();
    EXPECT_EQ(disk->deaths, 2);
    EXPECT_EQ(disk->power_losses, 1);
    EXPECT_EQ(network->deaths, 2);
    EXPECT_EQ(network->power_losses, 1);
    m.power_loss();
    EXPECT_EQ(disk->deaths, 2) << "nothing ran";
    EXPECT_EQ(disk->power_losses, 2);
    m.start();
    world.settle();
    disk->finish_all(0);
    world.settle();
    EXPECT_EQ(m.exit_code(), 0);
    EXPECT_EQ(disk->deaths, 3);
}

TEST(machine, reports_the_failures_that_its_program_dropped) {
    std::vector<std::string> seen;
    sim::world world({.on_dropped_failure = [&](std::string_view machine, unsigned shard, std::string_view message) {
        seen.push_back(fmt::format("{} {} {}", machine, shard, message));
    }});
    sim::machine& m = world.add_machine({.name = "a", .shards = 2, .entry = []() -> future<int> {
                                             co_await smp::submit_to(
                                                 1, [] { (void)make_exception_future<>(std::runtime_error("lost")); });
                                             co_return 0;
                                         }});
    m.start();
    world.settle();
    EXPECT_THAT(seen, testing::ElementsAre(testing::AllOf(testing::StartsWith("a 1 "), testing::HasSubstr("lost"))));
    EXPECT_THAT(world.dropped_failures(), testing::ElementsAre(testing::HasSubstr("lost")));
}

TEST(machine, has_a_wall_clock_of_its_own) {
    sim::world world({.wall_offset_max_ns = 3'600'000'000'000});
    std::vector<std::int64_t> walls;
    sim::machine& m = world.add_machine({.name = "a", .entry = [&]() -> future<int> {
                                             walls.push_back(this_shard().wall_ns() -
                                                             static_cast<std::int64_t>(this_shard().now_ns()));
                                             co_return 0;
                                         }});
    m.start();
    world.settle();
    m.jump_wall_clock(-5s);
    m.start();
    world.settle();
    ASSERT_EQ(walls.size(), 2U);
    EXPECT_EQ(walls[1] - walls[0], -5'000'000'000);
    const std::int64_t of_tester =
        world.on(0, [] { return this_shard().wall_ns() - static_cast<std::int64_t>(this_shard().now_ns()); });
    EXPECT_NE(walls[0], of_tester);
    EXPECT_LE(std::abs(walls[0] - of_tester), 2 * std::int64_t{3'600'000'000'000});
}

TEST(machine_death, refuses_to_kill_the_tester) {
    sim::world world({});
    EXPECT_DEATH(world.tester().kill(), "it cannot fail");
}
