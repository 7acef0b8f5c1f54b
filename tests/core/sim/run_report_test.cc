// The promises of core/sim/run_report.hh.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <shale/core/async/future.hh>
#include <shale/core/sim/run_report.hh>
#include <shale/core/sim/world.hh>

using namespace shale;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;

TEST(run_report, takes_what_a_world_has_come_to) {
    sim::world world({});
    const std::uint64_t begin_ns = world.now_ns();
    world.faults().add("disk.stall");
    world.run_for(std::chrono::seconds(2));
    sim::run_report report{.seed = 1};
    report.take(world, begin_ns);
    EXPECT_FALSE(report.failed());
    EXPECT_EQ(report.virtual_ns, 2'000'000'000U);
    EXPECT_EQ(report.hash, world.hash());
    EXPECT_EQ(report.steps, world.steps());
    EXPECT_EQ(report.faults.at("disk.stall"), 1U);
    EXPECT_THAT(report.last_events, IsEmpty()) << "nobody asks when all is well";
}

TEST(run_report, fails_when_a_failed_future_was_dropped_and_then_tells_what_happened) {
    sim::world world({});
    world.on(0, [] { const auto dropped = make_exception_future<>(std::runtime_error("unseen")); });
    world.note("a note");
    sim::run_report report{.seed = 1};
    report.take(world, world.now_ns());
    EXPECT_THAT(report.failure, HasSubstr("a failed future was dropped: "));
    EXPECT_THAT(report.explain("again"), HasSubstr("a note"));
    EXPECT_THAT(report.waiting, Not(IsEmpty()));
}

TEST(run_report, explains_a_failure_with_everything_that_is_known) {
    const sim::run_report report{.seed = 7,
                                 .failure = "lost",
                                 .drawn = "seed=7 order=pct",
                                 .figures = {{"writes", 9}},
                                 .faults = {{"disk.stall", 3}, {"machine.kill", 1}},
                                 .last_events = {"event"},
                                 .waiting = {"kv/0: idle"}};
    EXPECT_EQ(
        report.explain("kv --seed 7"),
        "  why: lost\n  drawn: seed=7 order=pct\n  faults: disk.stall 3, machine.kill 1\n  probes: none\n"
        "  counted: writes 9\n  the last events, oldest first:\n    event\n  who waits for what:\n    kv/0: idle\n"
        "  seed 7 again: kv --seed 7\n");
}

TEST(run_report, is_one_line_of_json) {
    const sim::run_report report{
        .seed = 7, .failure = "a \"quote\"\n\\", .hash = 255, .steps = 4, .virtual_ns = 5, .probes = {{"p", 2}}};
    const std::string line = report.to_json("kv", "kv --seed 7", 0.5);
    EXPECT_THAT(line, HasSubstr(R"({"name":"kv","seed":7,"failure":"a \"quote\"\u000a\\","drawn":"",)"
                                R"("hash":"00000000000000ff","steps":4,"virtual_ns":5,"real_s":0.500000,"figures":{},)"
                                R"("faults":{},"probes":{"p":2},"replay":"kv --seed 7","report":"  why: )"));
    EXPECT_EQ(line.find('\n'), line.size() - 1);
    EXPECT_THAT(sim::run_report{}.to_json("kv", "", 0), HasSubstr(R"("report":"")")) << "there is nothing to explain";
}

TEST(run_totals, add_up) {
    sim::run_totals all;
    all.add({.steps = 10, .virtual_ns = 1'000'000'000, .faults = {{"disk.stall", 3}}}, 0.5);
    all.add({.failure = "lost", .steps = 5, .virtual_ns = 3'000'000'000, .faults = {{"disk.stall", 1}}}, 0.5);
    EXPECT_EQ(all.to_string("kv"),
              "kv: 2 seeds, 1 failed; 4 virtual s in 1.0 s (4 times as fast), 15 steps\n  faults: disk.stall 4\n"
              "  probes: none\n");
}

TEST(shell_word, is_quoted_only_where_a_shell_would_split_or_expand_it) {
    EXPECT_EQ(sim::shell_word("disk.stall=0"), "disk.stall=0");
    EXPECT_EQ(sim::shell_word("a b"), "'a b'");
    EXPECT_EQ(sim::shell_word("it's"), "'it'\\''s'");
    EXPECT_EQ(sim::shell_word(""), "''");
}
