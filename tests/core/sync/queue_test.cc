// The bounded queue: order, waiting on both sides, and its end.
#include <shale/core/async/loop.hh>
#include <shale/core/async/when_all.hh>
#include <shale/core/shard/sleep.hh>
#include <shale/core/sync/queue.hh>
#include <shale/core/testing/testing.hh>

#include <memory>
#include <vector>

using namespace shale;

SHALE_TEST(queue, push_is_refused_when_full) {
    queue<int> q(2);
    EXPECT_TRUE(q.push(1));
    EXPECT_TRUE(q.push(2));
    EXPECT_TRUE(q.full());
    EXPECT_FALSE(q.push(3));
    EXPECT_EQ(q.pop(), 1);
    EXPECT_EQ(q.front(), 2);
    EXPECT_TRUE(q.push(3));
    EXPECT_EQ(q.size(), 2U);
    co_return;
}

SHALE_TEST(queue, carries_everything_in_order_through_little_room) {
    queue<std::unique_ptr<int>> q(3);
    std::vector<int> received;
    auto produce = [](queue<std::unique_ptr<int>>& to) -> future<void> {
        for (int i = 0; i < 100; ++i) {
            co_await to.push_eventually(std::make_unique<int>(i));
        }
    };
    auto consume = [](queue<std::unique_ptr<int>>& from, std::vector<int>& to) -> future<void> {
        for (int i = 0; i < 100; ++i) {
            auto value = co_await from.pop_eventually();
            to.push_back(*value);
        }
    };
    co_await when_all_succeed(produce(q), consume(q, received));
    CO_ASSERT(received.size() == 100);
    for (int i = 0; i < 100; ++i) {
        EXPECT_EQ(received[static_cast<std::size_t>(i)], i);
    }
}

SHALE_TEST(queue, each_of_several_consumers_gets_what_was_pushed_for_it) {
    queue<int> q(10);
    int sum = 0;
    std::vector<future<void>> consumers;
    for (int i = 0; i < 5; ++i) {
        consumers.push_back(q.pop_eventually().then([&sum](int value) { sum += value; }));
    }
    EXPECT_TRUE(q.has_blocked_consumer());
    for (int i = 1; i <= 5; ++i) {
        q.push(std::move(i));
    }
    auto done = co_await when_all(std::move(consumers));
    for (auto& each : done) {
        each.get();
    }
    EXPECT_EQ(sum, 15);
}

SHALE_TEST(queue, wait_ends_with_its_time) {
    queue<int> q(1);
    auto popped = co_await as_result(q.pop_eventually(2ms));
    EXPECT_FALSE(popped.has_value());
    q.push(1);
    auto pushed = co_await as_result(q.push_eventually(2, 2ms));
    EXPECT_FALSE(pushed.has_value());
    EXPECT_EQ(q.size(), 1U);
}

SHALE_TEST(queue, more_room_wakes_those_who_push) {
    queue<int> q(0);
    future<void> first = q.push_eventually(1);
    future<void> second = q.push_eventually(2);
    q.set_max_size(2);
    co_await std::move(first);
    co_await std::move(second);
    EXPECT_EQ(q.size(), 2U);
}

SHALE_TEST(queue, abort_drops_the_contents_and_fails_all_waits) {
    queue<int> q(1);
    future<int> waiting = q.pop_eventually();
    q.abort(std::make_exception_ptr(std::runtime_error("over")));
    auto now = co_await as_result(std::move(waiting));
    auto later = co_await as_result(q.push_eventually(1));
    EXPECT_FALSE(now.has_value());
    EXPECT_FALSE(later.has_value());
    EXPECT_FALSE(q.push(1));
    EXPECT_TRUE(q.empty());
}
