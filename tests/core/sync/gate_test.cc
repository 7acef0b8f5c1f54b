// Gates: who may enter, what close() waits for, and what is refused with words.
#include <shale/core/async/loop.hh>
#include <shale/core/shard/sleep.hh>
#include <shale/core/sync/gate.hh>
#include <shale/core/testing/testing.hh>

#include <fmt/format.h>

#include <optional>
#include <string>
#include <vector>

using namespace shale;

SHALE_TEST(gate, close_of_an_empty_one_is_ready_at_once) {
    gate g;
    future<void> closed = g.close();
    EXPECT_TRUE(closed.available());
    closed.get();
    co_return;
}

SHALE_TEST(gate, refuses_entry_once_closed) {
    gate g;
    co_await g.close();
    EXPECT_TRUE(g.is_closed());
    EXPECT_THROW(g.enter(), gate_closed_exception);
    EXPECT_THROW(g.check(), gate_closed_exception);
    EXPECT_THROW((void)g.hold(), gate_closed_exception);
    EXPECT_FALSE(g.try_enter());
    EXPECT_FALSE(g.try_hold().has_value());
    bool called = false;
    auto result = co_await as_result(with_gate(g, [&] { called = true; }));
    EXPECT_FALSE(result.has_value());
    EXPECT_FALSE(called);
}

SHALE_TEST(gate, close_waits_for_the_last_to_leave) {
    gate g;
    g.enter();
    auto held = g.hold();
    future<void> closed = g.close();
    EXPECT_FALSE(closed.available());
    g.leave();
    EXPECT_FALSE(closed.available());
    EXPECT_EQ(g.get_count(), 1U);
    held.release();
    co_await std::move(closed);
    EXPECT_EQ(g.get_count(), 0U);
}

SHALE_TEST(gate, a_copied_holder_is_another_operation_even_while_closing) {
    gate g;
    auto first = g.hold();
    future<void> closed = g.close();
    {
        auto second = first;
        EXPECT_EQ(g.get_count(), 2U);
        first.release();
        auto third = std::move(second);
        EXPECT_EQ(g.get_count(), 1U);
        EXPECT_FALSE(closed.available());
    }
    co_await std::move(closed);
}

SHALE_TEST(gate, tells_from_where_it_is_held) {
    gate g;
    const auto line = std::source_location::current().line() + 1;
    auto first = g.hold();
    auto second = g.hold();
    first = std::move(second);  // the first operation ends, the second lives on elsewhere
    EXPECT_EQ(g.get_count(), 1U);
    const auto sites = g.held_from();
    CO_ASSERT(sites.size() == 1);
    EXPECT_EQ(sites[0].line(), line + 1);
    EXPECT_TRUE(std::string(sites[0].file_name()).ends_with("gate_test.cc"));
}

SHALE_TEST(gate, is_described_while_its_close_waits) {
    gate quiet;
    co_await quiet.close();
    EXPECT_TRUE(describe_closing_gates().empty());

    gate g;
    std::optional<gate::holder> first = g.hold();
    EXPECT_TRUE(describe_closing_gates().empty());
    const auto line = std::source_location::current().line() + 1;
    future<void> closed = g.close();
    const auto lines = describe_closing_gates();
    CO_ASSERT(lines.size() == 1);
    const std::string file = std::source_location::current().file_name();
    EXPECT_EQ(lines[0],
              fmt::format("the gate closed at {0}:{1} waits for 1 inside: 1 from {0}:{2}", file, line, line - 3));
    first.reset();
    EXPECT_TRUE(describe_closing_gates().empty());
    co_await std::move(closed);
}

SHALE_TEST(gate, with_gate_holds_until_the_future_is_done_and_keeps_the_callable) {
    gate g;
    std::string result;
    future<void> inside = with_gate(g, [&result, text = std::string(50, 'x')]() -> future<void> {
        co_await sleep(5ms);
        result = text;
    });
    EXPECT_EQ(g.get_count(), 1U);
    future<void> closed = g.close();
    EXPECT_FALSE(closed.available());
    co_await std::move(closed);
    EXPECT_EQ(result, std::string(50, 'x'));
    co_await std::move(inside);
}

SHALE_TEST(gate, with_gate_leaves_after_a_failure) {
    gate g;
    auto result = co_await as_result(with_gate(g, []() -> future<int> {
        co_await sleep(1ms);
        throw std::runtime_error("no");
    }));
    EXPECT_FALSE(result.has_value());
    EXPECT_EQ(g.get_count(), 0U);
}

TEST(gate_death, destruction_with_operations_inside_is_refused_with_their_place) {
    EXPECT_DEATH(
        {
            auto g = std::make_unique<gate>();
            auto held = g->hold();
            g.reset();
        },
        "1 operations inside, one from .*gate_test.cc");
}

TEST(gate_death, second_close_is_refused) {
    EXPECT_DEATH(shale::test::run({},
                                  []() -> future<void> {
                                      gate g;
                                      co_await g.close();
                                      co_await g.close();
                                  }),
                 "closed twice");
}
