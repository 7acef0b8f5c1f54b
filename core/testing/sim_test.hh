// GoogleTest bodies that play against simulated machines, once for each of many seeds.
// check: allow closure, only tests include it
//
//     SIM_TEST(counter, keeps_what_it_acknowledged, .seeds = 20, .set = "power_cycles_min=3 power_cycles_max=9") {
//         auto& server = run.world.add_machine({.name = "counter", .shards = 2, .entry = [] { return serve(); }});
//         server.start();
//         run.begin_storm();                                  // what this seed has drawn goes wrong from here on
//         ... clients of server.address(), until run.storm() is over ...
//         run.calm();                                         // and from here on everything must come right
//         co_await run.within(30s, read_back(server.address()));
//     }
//
// The body is a coroutine on a machine of its own, which never fails. What it does must depend on the seed alone:
// chance comes from run.random(), time from the virtual clock, and nothing outlives the body but what it made itself. A
// seed has failed when the body throws, an EXPECT_ fails, a failed future is dropped anywhere in the world, or the body
// is not done after `patience`; then what was drawn, the last events and the line that repeats the seed are printed,
// and the test ends. The environment chooses what is run:
//   SHALE_TEST_SEED   the first seed (1)
//   SHALE_SIM_SEEDS   how many, instead of the test's own number
//   SHALE_SIM_SET     overrides what is drawn, and what the test sets: "order=pct disk.stall=0"
//   SHALE_SIM_CHECK   1: each seed is run twice more, and the first difference is named
//   SHALE_SIM_JSON    a file that gets a line for each seed: sim::run_report::to_json()
// scripts/sim sets them. The programs of a SIM_TEST can be any coroutine: core/sim/GUIDE.md builds one.
#pragma once

#include <gtest/gtest.h>

#include <functional>
#include <optional>
#include <string>

#include "../sim/run_report.hh"
#include "../sim/sim.hh"

/// SIM_TEST(suite, name, members of shale::test::sim_test_options ...) { body, with `run` }
#define SIM_TEST(suite, name, ...)                                               \
    static shale::future<void> suite##_##name##_body(shale::test::sim_run& run); \
    TEST(suite, name) {                                                          \
        shale::test::run_seeds({__VA_ARGS__}, &suite##_##name##_body);           \
    }                                                                            \
    static shale::future<void> suite##_##name##_body([[maybe_unused]] shale::test::sim_run& run)

namespace shale::test {

struct sim_test_options {
    unsigned seeds = 10;                            ///< how many, from SHALE_TEST_SEED on
    const char* set = "";                           ///< swarm_options::set(), over what is drawn
    unsigned shards = 1;                            ///< of the machine that the body runs on
    duration patience = std::chrono::seconds(600);  ///< virtual, beyond the storm; who takes longer will never end
};

/// One seed's run, as the body sees it.
class sim_run {
public:
    /// The world is made here.
    sim_run(const sim_test_options& options, sim::swarm_options drawn);
    sim_run(const sim_run&) = delete;
    sim_run& operator=(const sim_run&) = delete;
    ~sim_run();

    sim::swarm_options drawn;  ///< of the storm, what is changed before begin_storm() counts
    sim::world world;

    /// A stream of the seed.
    random_engine& random() noexcept { return random_; }

    /// Kills, power cycles and outages, as drawn, for the machines added so far. A program that ends by itself is
    /// started again. Once.
    void begin_storm();
    /// How long the storm is.
    duration storm() const noexcept { return drawn.storm.span; }
    /// Ends what goes wrong: what is down is started again, faults of disks and networks end.
    void calm();

    /// What `f` becomes, or a failure when it is not done by then, which tells who waits for what.
    template <class T>
    future<T> within(duration limit, future<T> f) {
        return sim::deadline(world, limit, std::move(f));
    }

    /// Adds a line to the history, which is shown when the seed fails.
    void note(std::string what) { world.note(std::move(what)); }
    /// Adds to a figure of the run, such as "acknowledged".
    void count(std::string_view what, std::uint64_t by) { figures_[std::string(what)] += by; }
    const sim::named_counts& figures() const noexcept { return figures_; }

private:
    random_engine random_;
    sim::named_counts figures_;
    std::optional<sim::chaos> storm_;
};

using sim_body = std::function<future<void>(sim_run&)>;

/// What SIM_TEST does: the first seed that fails is a failure of the current test, with everything there is to know.
void run_seeds(const sim_test_options& options, const sim_body& f);

/// The same without a judgement, for tests that expect one: the first seed that fails, or nothing. Takes the first seed
/// and nothing else from the environment. EXPECT_s that fail in the body are in the report alone.
std::optional<sim::run_report> first_failure(const sim_test_options& options, const sim_body& f);

}  // namespace shale::test
