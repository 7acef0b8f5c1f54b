// The promises of core/async/abort_source.hh.
#include <gtest/gtest.h>

#include <optional>
#include <vector>

#include <shale/core/async/abort_source.hh>

using shale::abort_source;

TEST(abort_source, calls_subscribers_once_in_order) {
    abort_source source;
    std::vector<int> called;
    auto a = source.subscribe([&](const std::exception_ptr&) { called.push_back(1); });
    auto b = source.subscribe([&](const std::exception_ptr&) { called.push_back(2); });
    source.request_abort();
    source.request_abort();
    EXPECT_EQ(called, (std::vector<int>{1, 2}));
    EXPECT_TRUE(source.abort_requested());
    EXPECT_THROW(source.check(), shale::abort_requested_exception);
}

TEST(abort_source, gives_no_subscription_once_fired) {
    abort_source source;
    source.request_abort_ex(std::make_exception_ptr(std::runtime_error("why")));
    EXPECT_FALSE(source.subscribe([](const std::exception_ptr&) {}).has_value());
    EXPECT_THROW(source.check(), std::runtime_error);
}

TEST(abort_source, forgets_a_destroyed_subscription) {
    abort_source source;
    bool called = false;
    {
        auto s = source.subscribe([&](const std::exception_ptr&) { called = true; });
    }
    source.request_abort();
    EXPECT_FALSE(called);
}

TEST(abort_source, follows_a_moved_subscription) {
    abort_source source;
    int called = 0;
    auto s = source.subscribe([&](const std::exception_ptr&) { ++called; });
    std::vector<abort_source::subscription> kept;
    kept.push_back(std::move(*s));
    s.reset();
    source.request_abort();
    EXPECT_EQ(called, 1);
}

TEST(abort_source, lets_a_callback_end_subscriptions) {
    abort_source source;
    std::optional<abort_source::subscription> first;
    std::optional<abort_source::subscription> second;
    bool second_called = false;
    first = source.subscribe([&](const std::exception_ptr&) {
        first.reset();
        second.reset();
    });
    second = source.subscribe([&](const std::exception_ptr&) { second_called = true; });
    source.request_abort();
    EXPECT_FALSE(second_called);
}

TEST(abort_source, may_go_before_its_subscriptions) {
    std::optional<abort_source::subscription> s;
    {
        abort_source source;
        s = source.subscribe([](const std::exception_ptr&) {});
    }
    s.reset();
}
