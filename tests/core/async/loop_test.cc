// The promises of core/async/loop.hh: order, concurrency, errors, and callables that stay alive.
#include <gtest/gtest.h>

#include <memory>
#include <vector>

#include <shale/core/async/loop.hh>
#include <shale/core/testing/testing.hh>

using namespace shale;

SHALE_TEST(repeat, runs_until_told_to_stop) {
    int count = 0;
    co_await repeat([&] { return ++count == 5 ? stop_iteration::yes : stop_iteration::no; });
    EXPECT_EQ(count, 5);
}

SHALE_TEST(repeat, keeps_a_coroutine_lambda_and_its_captures_alive) {
    auto seen = std::make_shared<int>(0);
    auto body = [seen, left = 3]() mutable -> future<stop_iteration> {
        co_await yield_now();
        ++*seen;
        co_return --left == 0 ? stop_iteration::yes : stop_iteration::no;
    };
    co_await repeat(std::move(body));
    EXPECT_EQ(*seen, 3);
    EXPECT_EQ(seen.use_count(), 1);
}

SHALE_TEST(repeat, ends_with_the_first_error) {
    int count = 0;
    auto result = co_await as_result(repeat([&]() -> future<stop_iteration> {
        if (++count == 3) {
            throw std::runtime_error("third");
        }
        co_return stop_iteration::no;
    }));
    EXPECT_FALSE(result.has_value());
    EXPECT_EQ(count, 3);
}

SHALE_TEST(repeat, gives_way_to_other_tasks_in_a_loop_that_never_waits) {
    bool other_ran = false;
    auto other = yield().then([&] { other_ran = true; });
    co_await repeat([&] { return other_ran ? stop_iteration::yes : stop_iteration::no; });
    co_await std::move(other);
}

SHALE_TEST(repeat_until_value, gives_the_value) {
    int count = 0;
    const int value =
        co_await repeat_until_value([&] { return ++count < 3 ? std::optional<int>() : std::optional<int>(count); });
    EXPECT_EQ(value, 3);
}

SHALE_TEST(do_until, asks_before_each_round) {
    int count = 0;
    co_await do_until([&] { return count == 4; }, [&] { ++count; });
    EXPECT_EQ(count, 4);
    co_await do_until([] { return true; }, [&] { ++count; });
    EXPECT_EQ(count, 4);
}

SHALE_TEST(keep_doing, ends_only_with_an_error) {
    int count = 0;
    auto result = co_await as_result(keep_doing([&] {
        if (++count == 3) {
            throw std::runtime_error("enough");
        }
    }));
    EXPECT_FALSE(result.has_value());
    EXPECT_EQ(count, 3);
}

SHALE_TEST(do_for_each, goes_one_by_one) {
    std::vector<int> items{1, 2, 3};
    int running = 0;
    std::vector<int> order;
    co_await do_for_each(items, [&](int x) -> future<> {
        EXPECT_EQ(++running, 1);
        co_await yield_now();
        --running;
        order.push_back(x);
    });
    EXPECT_EQ(order, items);
    co_await do_for_each(items.begin(), items.end(), [&](int& x) { x = 0; });
    EXPECT_EQ(items, std::vector<int>(3, 0));
}

SHALE_TEST(parallel_for_each, starts_all_before_it_waits) {
    int running = 0;
    int most = 0;
    const std::vector<int> items{1, 2, 3, 4};
    co_await parallel_for_each(items, [&](int) -> future<> {
        most = std::max(most, ++running);
        co_await yield_now();
        --running;
    });
    EXPECT_EQ(most, 4);
    EXPECT_EQ(running, 0);
}

SHALE_TEST(parallel_for_each, waits_for_all_and_gives_the_first_error) {
    int ended = 0;
    const std::vector<int> items{1, 2, 3};
    auto result = co_await as_result(parallel_for_each(items, [&](int x) -> future<> {
        for (int i = 0; i < x; ++i) {
            co_await yield_now();
        }
        ++ended;
        throw std::runtime_error(std::to_string(x));
    }));
    EXPECT_EQ(ended, 3);
    CO_ASSERT(!result.has_value());
    try {
        std::rethrow_exception(result.error());
    } catch (const std::runtime_error& e) {
        EXPECT_STREQ(e.what(), "1");
    }
}

SHALE_TEST(parallel_for_each, keeps_its_callable_alive) {
    auto held = std::make_shared<int>(0);
    std::vector<int> items{1, 2};
    auto body = [held](int x) -> future<> {
        co_await yield_now();
        *held += x;
    };
    co_await parallel_for_each(std::move(items), std::move(body));
    EXPECT_EQ(*held, 3);
    EXPECT_EQ(held.use_count(), 1);
}

SHALE_TEST(do_with, keeps_values_alive_until_the_end) {
    auto watch = std::make_shared<int>(5);
    std::vector<int> items{1, 2};
    const int sum = co_await do_with(std::shared_ptr<int>(watch), std::move(items),
                                     [](auto& p, auto& v) { return yield().then([&] { return *p + v[0] + v[1]; }); });
    EXPECT_EQ(sum, 8);
    EXPECT_EQ(watch.use_count(), 1);
}

SHALE_TEST(do_with, takes_a_coroutine_lambda_with_captures) {
    int base = 1;
    auto add = [base](int& x) -> future<int> {
        co_await yield_now();
        co_return base + x;
    };
    const int sum = co_await do_with(2, std::move(add));
    EXPECT_EQ(sum, 3);
}
