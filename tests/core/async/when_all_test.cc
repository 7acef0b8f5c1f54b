// The promises of core/async/when_all.hh.
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include <shale/core/async/when_all.hh>
#include <shale/core/testing/testing.hh>

using namespace shale;

SHALE_TEST(when_all, gives_every_outcome) {
    auto outcomes = co_await when_all(make_ready_future<int>(1), make_exception_future<>(std::runtime_error("x")),
                                      [] { return yield().then([] { return 2; }); });
    EXPECT_EQ(std::get<0>(outcomes).get(), 1);
    EXPECT_TRUE(std::get<1>(outcomes).failed());
    std::get<1>(outcomes).ignore_ready_future();
    EXPECT_EQ(std::get<2>(outcomes).get(), 2);
}

SHALE_TEST(when_all, keeps_a_coroutine_lambda_alive) {
    int x = 4;
    auto give = [x]() -> future<int> {
        co_await yield_now();
        co_return x;
    };
    auto outcomes = co_await when_all(std::move(give));
    EXPECT_EQ(std::get<0>(outcomes).get(), 4);
}

SHALE_TEST(when_all, waits_for_a_vector) {
    std::vector<future<int>> futures;
    for (int i = 0; i < 3; ++i) {
        futures.push_back(yield().then([i] { return i; }));
    }
    auto done = co_await when_all(std::move(futures));
    EXPECT_EQ(done.size(), 3U);
    for (int i = 0; i < 3; ++i) {
        EXPECT_EQ(done[static_cast<std::size_t>(i)].get(), i);
    }
}

SHALE_TEST(when_all_succeed, gives_values_without_the_voids) {
    auto [a, b] = co_await when_all_succeed(make_ready_future<int>(1), yield(), make_ready_future<std::string>("s"));
    EXPECT_EQ(a, 1);
    EXPECT_EQ(b, "s");
    co_await when_all_succeed(yield(), yield());
}

SHALE_TEST(when_all_succeed, gives_the_first_error_and_swallows_the_others) {
    test::expect_dropped_failures dropped;
    auto result = co_await as_result(when_all_succeed(make_exception_future<>(std::runtime_error("first")),
                                                      make_exception_future<int>(std::runtime_error("second"))));
    EXPECT_FALSE(result.has_value());
    EXPECT_EQ(dropped.count(), 0U);
}
