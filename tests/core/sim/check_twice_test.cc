// The promises of core/sim/check_twice.hh.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <shale/core/shard/sleep.hh>
#include <shale/core/sim/check_twice.hh>
#include <shale/core/sim/world.hh>
#include <shale/core/testing/testing.hh>

using namespace shale;
using namespace std::chrono_literals;

namespace {

/// 3,000 turns of machine "kv"; at number `at`, `leak` decides how many numbers it draws.
void run(sim::trace& record, int at, const std::function<unsigned()>& leak) {
    sim::world world({.preempt_at_random = false, .record = &record});
    sim::machine& m = world.add_machine({.name = "kv", .entry = [&]() -> future<int> {
                                             for (int i = 0; i < 3'000; ++i) {
                                                 co_await sleep(0s);
                                                 std::vector<std::byte> draw(i == at ? leak() : 1);
                                                 this_shard().entropy(draw);
                                             }
                                             co_return 0;
                                         }});
    m.start();
    world.settle();
    EXPECT_EQ(m.exit_code(), 0);
}

}  // namespace

TEST(check_twice, says_nothing_about_a_run_that_repeats) {
    EXPECT_EQ(sim::check_twice([](sim::trace& t) { run(t, 2'000, [] { return 5U; }); }), std::nullopt);
}

TEST(check_twice, names_the_step_in_which_two_runs_first_differ) {
    unsigned runs = 0;
    const auto difference = sim::check_twice([&](sim::trace& t) { run(t, 2'000, [&] { return ++runs; }); });
    ASSERT_TRUE(difference.has_value());
    EXPECT_THAT(*difference, testing::HasSubstr("differ between steps 1024 and 2048"));
    EXPECT_THAT(*difference, testing::ContainsRegex("one run: .* kv/0: [0-9]+ tasks, 3 draws"));
    EXPECT_THAT(*difference, testing::ContainsRegex("other: .* kv/0: [0-9]+ tasks, 2 draws"));
}

TEST(check_twice, finds_a_difference_after_the_last_checkpoint) {
    unsigned runs = 0;
    const auto difference = sim::check_twice([&](sim::trace& t) { run(t, 2'990, [&] { return ++runs; }); });
    ASSERT_TRUE(difference.has_value());
    EXPECT_THAT(*difference, testing::ContainsRegex("step [0-9]+:"));
}

TEST(check_twice, suspects_what_the_first_run_left_behind) {
    unsigned runs = 0;
    const auto difference =
        sim::check_twice([&](sim::trace& t) { run(t, 2'000, [&] { return ++runs == 1 ? 1U : 2U; }); });
    ASSERT_TRUE(difference.has_value());
    EXPECT_THAT(*difference, testing::HasSubstr("left something behind"));
}
