// Programs run with --sim, each in a process of its own: what the workload sees, what is printed, that runs repeat.
#include <shale/core/app/simulation.hh>

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <fstream>
#include <sstream>

#include <shale/core/app/app_template.hh>
#include <shale/core/base/assert.hh>
#include <shale/core/shard/sleep.hh>
#include <shale/core/shard/smp.hh>

#include "child.hh"

namespace shale {
namespace {

using namespace std::chrono_literals;
using ::testing::ContainsRegex;
using ::testing::HasSubstr;
using ::testing::Not;
using testing_app::child;

/// What the program and the workload share, as they would share a file or a connection.
struct shared_state {
    unsigned starts = 0;
    unsigned stops = 0;
    std::uint64_t beats = 0;
    bool give_up = false;
    duration beat = 1ms;
};

future<int> beat_until_stopped(app_template& app, shared_state& state) {
    ++state.starts;
    while (!app.stop_source().abort_requested()) {
        const auto rest = [beat = state.beat] { return sleep(beat); };
        co_await smp::invoke_on_all(rest);
        ++state.beats;
        if (std::exchange(state.give_up, false)) {
            app.exit_now(74);
        }
    }
    ++state.stops;
    co_return 0;
}

future<> wait_for_beats(const shared_state& state, std::uint64_t more) {
    const std::uint64_t goal = state.beats + more;
    while (state.beats < goal) {
        co_await sleep(1ms);
    }
}

using workload = std::function<future<>(simulation&, shared_state&)>;

child start(std::vector<const char*> arguments, workload play = {}, std::string drawn = {}) {
    return child([arguments = std::move(arguments), play, drawn]() mutable {
        shared_state state;
        app_template app({.name = "demo"});
        if (play) {
            app.simulate([&](simulation& sim) { return play(sim, state); }, drawn);
        }
        for (const char* each : {"--sim", "demo"}) {
            arguments.insert(arguments.begin(), each);
        }
        return app.run(static_cast<int>(arguments.size()), arguments.data(),
                       [&] { return beat_until_stopped(app, state); });
    });
}

TEST(simulation, runs_a_program_without_a_workload_for_a_while) {
    child ended = start({"--seed", "5"});
    EXPECT_EQ(ended.wait(), 0) << ended.err();
    EXPECT_THAT(ended.out(), ContainsRegex("seed 5: passed, [1-8] shards?, 1 start, .* 10\\.[0-9] virtual s"));
}

TEST(simulation, takes_the_shards_from_the_command_line) {
    child ended = start({"--smp", "3"});
    EXPECT_EQ(ended.wait(), 0);
    EXPECT_THAT(ended.out(), HasSubstr("passed, 3 shards,"));
}

TEST(simulation, kills_and_starts_the_program_beside_a_workload_and_repeats) {
    child ended = start(
        {"--sim-seeds", "5", "--sim-check"},
        [](simulation& sim, shared_state& state) -> future<> {
            state = {};
            co_await sleep(sim.storm());
            sim.calm();
            co_await sim.within(30s, wait_for_beats(state, 10));
            sim.count("beats", state.beats);
        },
        "kills_min=3 kills_max=5 power_cycles_min=0 power_cycles_max=0 down_max_ns=100000000");
    EXPECT_EQ(ended.wait(), 0);
    EXPECT_THAT(ended.out(), ContainsRegex("seed 5: passed, .*, [456] starts, .*; beats [0-9]+"));
    EXPECT_THAT(ended.out(), HasSubstr("demo: 5 seeds, 0 failed"));
    EXPECT_THAT(ended.out(), HasSubstr("machine.kill"));
}

TEST(simulation, starts_again_what_ended_itself) {
    child ended = start({"--sim-set", "kills_min=0 kills_max=0 power_cycles_min=0 power_cycles_max=0"},
                        [](simulation& sim, shared_state& state) -> future<> {
                            co_await wait_for_beats(state, 3);
                            state.give_up = true;
                            co_await wait_for_beats(state, 3);
                            sim.count("stops", state.stops);
                            sim.calm();
                        });
    EXPECT_EQ(ended.wait(), 0) << ended.out();
    EXPECT_THAT(ended.out(), HasSubstr(", 2 starts,"));
    EXPECT_THAT(ended.out(), HasSubstr("stops 0")) << "it ended without a word";
}

TEST(simulation, tells_everything_about_a_seed_that_failed) {
    child ended = start({"--seed=7", "--sim-seeds", "2", "--sim-set", "kills_max=0 kills_min=0"},
                        [](simulation& sim, shared_state&) -> future<> {
                            sim.note("about to fail");
                            co_await sleep(10ms);
                            throw std::runtime_error("the fifth key is gone");
                        });
    EXPECT_EQ(ended.wait(), 1);
    for (const char* each :
         {"seed 7: FAILED", "seed 8: FAILED", "why: the fifth key is gone", "drawn: seed=7 order=", "about to fail",
          "who waits for what", "seed 7 again: demo --sim --sim-set 'kills_max=0 kills_min=0' --seed 7\n",
          "demo: 2 seeds, 2 failed"}) {
        EXPECT_THAT(ended.out(), HasSubstr(each));
    }
}

TEST(simulation, fails_when_the_workload_never_ends) {
    child ended = start({"--sim-set", "kills_max=0 kills_min=0 power_cycles_max=0 power_cycles_min=0"},
                        [](simulation&, shared_state& state) -> future<> {
                            state.beat = 1s;
                            promise<> never;
                            co_await never.get_future();
                        });
    EXPECT_EQ(ended.wait(), 1);
    EXPECT_THAT(ended.out(), HasSubstr("why: the workload is not done after"));
}

TEST(simulation, says_when_a_deadline_was_missed_and_who_waits) {
    child ended = start({}, [](simulation& sim, shared_state& state) -> future<> {
        sim.calm();
        co_await sim.within(1s, wait_for_beats(state, 1'000'000'000));
    });
    EXPECT_EQ(ended.wait(), 1);
    EXPECT_THAT(ended.out(), HasSubstr("not done after 1000 ms of virtual time"));
}

TEST(simulation, names_the_first_difference_of_a_program_that_does_not_repeat) {
    child ended = start({"--sim-check"}, [](simulation& sim, shared_state& state) -> future<> {
        sim.calm();
        co_await sleep(std::chrono::milliseconds(state.starts));  // what the runs before left behind
    });
    EXPECT_EQ(ended.wait(), 1);
    EXPECT_THAT(ended.out(), HasSubstr("two runs of this seed differ: "));
}

TEST(simulation, goes_on_with_the_next_seed_when_one_ends_its_process) {
    child ended = start({"--sim-seeds", "3"}, [](simulation& sim, shared_state&) -> future<> {
        sim.calm();
        co_await sleep(1ms);
        sim.count("sevens", 7);
        if (sim.seed() == 2) {
            SHALE_UNREACHABLE("seed {} is one too many", sim.seed());
        }
    });
    EXPECT_EQ(ended.wait(), 1);
    EXPECT_THAT(ended.err(), HasSubstr("seed 2 is one too many"));
    for (const char* each :
         {"seed 1: passed", "seed 2: FAILED", "it ended by SIGABRT", "seed 2 again: demo --sim --seed 2",
          "seed 3: passed", "demo: 3 seeds, 1 failed", "workload: sevens 14"}) {
        EXPECT_THAT(ended.out(), HasSubstr(each));
    }
}

TEST(simulation, refuses_what_cannot_be_set) {
    child ended = start({"--sim-set", "gravity=0"});
    EXPECT_EQ(ended.wait(), 64);
    EXPECT_THAT(ended.err(), HasSubstr("demo: --sim-set: there is no option 'gravity'"));
    EXPECT_THAT(ended.out(), Not(HasSubstr("seed")));
}

TEST(simulation, writes_a_line_of_json_for_each_seed) {
    std::string path = ::testing::TempDir() + "simulation_XXXXXX";
    close(mkstemp(path.data()));
    child ended = start({"--sim-json", path.c_str(), "--seed=7", "--sim-seeds=2"},
                        [](simulation& sim, shared_state&) -> future<> {
                            sim.count("rounds", 3);
                            co_await sleep(10ms);
                            throw std::runtime_error("lost");
                        });
    EXPECT_EQ(ended.wait(), 1);
    std::ostringstream all;
    all << std::ifstream(path).rdbuf();
    unlink(path.c_str());
    const std::string text = all.str();
    EXPECT_EQ(std::ranges::count(text, '\n'), 2) << text;
    EXPECT_THAT(text, HasSubstr(R"({"name":"demo","seed":7,"failure":"lost","drawn":"seed=7 )"));
    EXPECT_THAT(text, HasSubstr("\n{\"name\":\"demo\",\"seed\":8,"));
    EXPECT_THAT(text, HasSubstr(R"("figures":{"rounds":3})"));
    EXPECT_THAT(text, HasSubstr(R"("replay":"demo --sim --seed 7")")) << "to look at, not to append to the file";
}

TEST(simulation, refuses_a_file_for_json_that_cannot_be_written) {
    child ended = start({"--sim-json", "/nowhere/at/all"});
    EXPECT_EQ(ended.wait(), 64);
    EXPECT_THAT(ended.err(), HasSubstr("demo: --sim-json: /nowhere/at/all cannot be written: No such file"));
}

TEST(simulation, refuses_its_options_when_the_run_would_be_a_real_one) {
    for (const char* stray : {"--seed=7", "--sim-seeds=2", "--sim-check", "--sim-set=stalls=0", "--sim-json=x"}) {
        child ended([stray] {
            app_template app({.name = "demo"});
            const char* const arguments[] = {"demo", stray};
            return app.run(2, arguments, [] { return 99; });
        });
        EXPECT_EQ(ended.wait(), 64) << stray;
        EXPECT_THAT(ended.err(),
                    ContainsRegex("^demo: --[a-z-]+ is for a simulated run; add --sim, or leave it out\n$"));
    }
}

TEST(simulation, is_off_unless_asked_for) {
    child ended([] {
        app_template app({.name = "demo"});
        const char* name = "demo";
        return app.run(1, &name, [&] { return app.simulated() ? 1 : 0; });
    });
    EXPECT_EQ(ended.wait(), 0);
}

}  // namespace
}  // namespace shale
