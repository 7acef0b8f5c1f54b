// SIM_TEST: a body that fails in any way is found, its report is complete, and its line repeats it.
#include <gmock/gmock.h>
#include <gtest/gtest-spi.h>
#include <gtest/gtest.h>

#include <stdio.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstdlib>
#include <fstream>
#include <sstream>

#include <shale/core/shard/sleep.hh>
#include <shale/core/testing/sim_test.hh>
#include <shale/core/testing/testing.hh>

using namespace shale;
using namespace std::chrono_literals;
using ::testing::AllOf;
using ::testing::ContainsRegex;
using ::testing::HasSubstr;
using ::testing::Not;

namespace {

/// A program that beats until it is killed.
future<int> beat(unsigned& beats) {
    while (true) {
        co_await sleep(1ms);
        ++beats;
    }
}

future<> wait_for(const unsigned& beats, unsigned goal) {
    while (beats < goal) {
        co_await sleep(1ms);
    }
}

struct ended {
    int code;
    std::string text;
};

ended run_command(const std::string& command) {
    FILE* const out = popen((command + " 2>&1").c_str(), "r");
    ended result{-1, ""};
    std::array<char, 4096> piece{};
    while (const std::size_t n = fread(piece.data(), 1, piece.size(), out)) {
        result.text.append(piece.data(), n);
    }
    const int status = pclose(out);
    result.code = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
    return result;
}

/// This binary once more, with one of the tests that are there to fail.
ended run_child(const std::string& environment, const std::string& test) {
    std::array<char, 4096> path{};
    const ssize_t length = readlink("/proc/self/exe", path.data(), path.size());
    return run_command("SHALE_TEST_SEED=1 " + environment + " " +
                       std::string(path.data(), static_cast<std::size_t>(length)) +
                       " --gtest_also_run_disabled_tests --gtest_color=no --gtest_filter=" + test);
}

std::string first_match(const std::string& text, const std::string& before) {
    const std::size_t at = text.find(before);
    return at == std::string::npos ? "" : text.substr(at + before.size(), text.find('\n', at) - at - before.size());
}

}  // namespace

// -- Tests that pass -------------------------------------------------------------------------------------------------

SIM_TEST(sim_test, storms_over_machines_that_are_back_when_it_is_calm, .seeds = 5, .set = "kills_min=2 kills_max=4") {
    auto beats = std::make_shared<unsigned>(0);
    auto& heart = run.world.add_machine({.name = "heart", .shards = 2, .entry = [beats] { return beat(*beats); }});
    heart.start();
    run.begin_storm();
    co_await sleep(run.storm());
    run.calm();
    co_await run.within(30s, wait_for(*beats, *beats + 10));
    EXPECT_GE(heart.incarnation(), 2U);
    EXPECT_GE(run.world.faults().of("machine.kill"), 1U);
    run.count("beats", *beats);
}

SIM_TEST(sim_test, has_as_many_shards_as_it_wants, .seeds = 1, .shards = 3) {
    unsigned sum = 0;
    for (unsigned id = 0; id < 3; ++id) {
        sum += co_await smp::submit_to(id, [] { return this_shard().id(); });
    }
    EXPECT_EQ(sum, 3U);
}

// -- Tests that are there to fail, run by those below ----------------------------------------------------------------

SIM_TEST(sim_test, DISABLED_fails_at_a_seed, .seeds = 100, .set = "kills_min=0 kills_max=0 power_cycles_min=1") {
    run.world
        .add_machine({.name = "idle",
                      .entry = []() -> future<int> {
                          co_await sleep(3600s);
                          co_return 0;
                      }})
        .start();
    run.begin_storm();
    run.count("beats", 7);
    run.note("about to look");
    co_await sleep(10ms);
    EXPECT_NE(run.drawn.world.seed, 5U) << "the fifth seed";
}

SIM_TEST(sim_test, DISABLED_asserts) {
    co_await sleep(1ms);
    SHALE_ASSERT(run.drawn.world.seed != 3, "the third seed");
}

SIM_TEST(sim_test, DISABLED_depends_on_what_went_before, .seeds = 1) {
    static unsigned runs = 0;
    co_await sleep(std::chrono::milliseconds(++runs));
}

SIM_TEST(sim_test, DISABLED_asks_for_an_option_that_is_not, .seeds = 1) {
    co_return;
}

// -- What becomes of them --------------------------------------------------------------------------------------------

TEST(sim_test_report, is_complete_and_its_line_repeats_the_seed) {
    const ended all = run_child("SHALE_SIM_SET='disk.stall=0'", "sim_test.DISABLED_fails_at_a_seed");
    EXPECT_EQ(all.code, 1);
    for (const char* each : {"seed 5 failed", "why: ", "the fifth seed", "drawn: seed=5 order=", "disk.stall=0",
                             "power_cycles_min=1", "faults: ", "probes: ", "counted: beats 7", "about to look",
                             "the last events, oldest first:", "who waits for what:", "idle/0",
                             "seed 5 again: SHALE_TEST_SEED=5 SHALE_SIM_SEEDS=1 SHALE_SIM_SET=disk.stall=0 "}) {
        EXPECT_THAT(all.text, HasSubstr(each));
    }
    EXPECT_THAT(all.text, Not(HasSubstr("seed 6"))) << "the first failure ends it";
    const std::string replay = first_match(all.text, "seed 5 again: ");
    const ended again = run_command(replay);
    EXPECT_EQ(again.code, 1) << replay;
    EXPECT_THAT(again.text, HasSubstr(first_match(all.text, "drawn: ")));
}

TEST(sim_test_report, names_the_seed_of_a_crash) {
    const ended child = run_child("", "sim_test.DISABLED_asserts");
    EXPECT_NE(child.code, 0);
    EXPECT_THAT(child.text, AllOf(HasSubstr("the third seed"),
                                  ContainsRegex("to repeat this: SHALE_TEST_SEED=3 SHALE_SIM_SEEDS=1 .*asserts")));
}

TEST(sim_test_report, names_the_first_difference_of_a_body_that_does_not_repeat) {
    EXPECT_EQ(run_child("", "sim_test.DISABLED_depends_on_what_went_before").code, 0);
    const ended child = run_child("SHALE_SIM_CHECK=1", "sim_test.DISABLED_depends_on_what_went_before");
    EXPECT_EQ(child.code, 1);
    EXPECT_THAT(child.text, AllOf(HasSubstr("two runs of this seed differ: "), HasSubstr("SHALE_SIM_CHECK=1 ")));
}

TEST(sim_test_report, says_what_cannot_be_set) {
    const ended child = run_child("SHALE_SIM_SET=gravity=0", "sim_test.DISABLED_asks_for_an_option_that_is_not");
    EXPECT_EQ(child.code, 1);
    EXPECT_THAT(child.text, HasSubstr("why: there is no option 'gravity'"));
}

TEST(sim_test_report, is_written_as_json_a_line_a_seed) {
    const std::string path = ::testing::TempDir() + "sim_test_XXXXXX";
    std::string name = path;
    close(mkstemp(name.data()));
    const ended child =
        run_child("SHALE_TEST_SEED=4 SHALE_SIM_SEEDS=5 SHALE_SIM_JSON=" + name, "sim_test.DISABLED_fails_at_a_seed");
    EXPECT_EQ(child.code, 1);
    std::ostringstream all;
    all << std::ifstream(name).rdbuf();
    remove(name.c_str());
    const std::string text = all.str();
    EXPECT_EQ(std::ranges::count(text, '\n'), 2) << text;
    EXPECT_THAT(text,
                HasSubstr(R"({"name":"sim_test.DISABLED_fails_at_a_seed","seed":4,"failure":"","drawn":"seed=4 )"));
    EXPECT_THAT(text, HasSubstr(R"("seed":5,"failure":")"));
    EXPECT_THAT(text, HasSubstr(R"("figures":{"beats":7})"));
}

namespace {

std::string why(const test::sim_test_options& options, const test::sim_body& body) {
    const auto failed = test::first_failure(options, body);
    return failed ? failed->failure : "";
}

}  // namespace

TEST(sim_test_failure, is_what_the_body_throws) {
    EXPECT_EQ(why({},
                  [](test::sim_run&) -> future<> {
                      co_await sleep(1ms);
                      throw std::runtime_error("the fifth key is gone");
                  }),
              "the fifth key is gone");
}

TEST(sim_test_failure, is_a_body_that_never_ends) {
    const auto forever = [](test::sim_run& run) -> future<> {
        run.world.add_machine({.name = "beats", .entry = [] { return beat(*std::make_shared<unsigned>(0)); }});
        promise<> never;
        co_await never.get_future();
    };
    EXPECT_THAT(why({.patience = 1s}, forever), HasSubstr("the body is not done after "));
}

TEST(sim_test_failure, is_a_dropped_failed_future_of_a_machine) {
    const auto drop = [](test::sim_run& run) -> future<> {
        run.world
            .add_machine({.name = "careless",
                          .entry = []() -> future<int> {
                              { auto dropped = make_exception_future<>(std::runtime_error("unseen")); }
                              co_return 0;
                          }})
            .start();
        co_await sleep(1ms);
    };
    EXPECT_THAT(why({}, drop), AllOf(HasSubstr("a failed future was dropped"), HasSubstr("unseen")));
}

TEST(sim_test_failure, is_a_missed_deadline) {
    const auto late = [](test::sim_run& run) -> future<> { co_await run.within(1ms, sleep(1s)); };
    EXPECT_THAT(why({}, late), HasSubstr("not done after 1 ms"));
}

TEST(sim_test_failure, comes_with_the_seed_and_is_nothing_when_all_is_well) {
    const auto odd = [](test::sim_run& run) -> future<> {
        co_await sleep(1ms);
        EXPECT_LT(run.drawn.world.seed, test::seed() + 4);
    };
    EXPECT_FALSE(test::first_failure({.seeds = 4}, odd).has_value());
    const auto failed = test::first_failure({.seeds = 5}, odd);
    ASSERT_TRUE(failed.has_value());
    EXPECT_EQ(failed->seed, test::seed() + 4);
}
