// The promises of core/shard/scheduling.hh, in simulated worlds.
#include <gtest/gtest.h>

#include <shale/core/async/loop.hh>
#include <shale/core/shard/scheduling.hh>
#include <shale/core/shard/smp.hh>
#include <shale/core/testing/testing.hh>

using namespace shale;

SHALE_TEST_EVERY_SHARD(scheduling_group, means_the_same_on_every_shard) {
    auto group = co_await create_scheduling_group(fmt::format("group of {}", this_shard_id()), 100 + this_shard_id());
    const std::string expected = group.name();
    const std::uint32_t shares = group.get_shares();
    EXPECT_EQ(expected, fmt::format("group of {}", this_shard_id()));
    co_await smp::invoke_on_all([&] {
        EXPECT_EQ(group.name(), expected);
        EXPECT_EQ(group.get_shares(), shares);
    });
}

SHALE_TEST(scheduling_group, stays_with_a_request_through_its_continuations) {
    auto group = co_await create_scheduling_group("busy", 100);
    auto body = [group]() -> future<bool> {
        EXPECT_TRUE(group.active());
        co_await yield_now();
        EXPECT_TRUE(group.active());
        co_return co_await yield().then([&group] { return group.active(); });
    };
    const bool inside = co_await with_scheduling_group(group, body);
    EXPECT_TRUE(inside);
    EXPECT_EQ(current_scheduling_group(), default_scheduling_group()) << "the caller goes on in its own group";
}

TEST(scheduling_group, stays_with_a_request_across_shards) {
    test::run({.shards = 2}, []() -> future<> {
        auto group = co_await create_scheduling_group("travels", 100);
        auto remote = [group] { return smp::submit_to(1, [group] { return group.active(); }); };
        const bool active = co_await with_scheduling_group(group, remote);
        EXPECT_TRUE(active);
    });
}

SHALE_TEST(scheduling_group, is_left_and_entered_by_switch_to) {
    auto group = co_await create_scheduling_group("other", 100);
    const auto before = co_await switch_to(group);
    EXPECT_EQ(before, default_scheduling_group());
    EXPECT_EQ(current_scheduling_group(), group);
    co_await switch_to(before);
    EXPECT_EQ(current_scheduling_group(), before);
}

SHALE_TEST_EVERY_SHARD(scheduling_group, changes_its_shares_everywhere) {
    auto group = co_await create_scheduling_group("changing", 100);
    co_await group.set_shares(300);
    co_await smp::invoke_on_all([&group] { EXPECT_EQ(group.get_shares(), 300U); });
}
