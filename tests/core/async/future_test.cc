// The promises of core/async/future.hh. Most run without a shard's loop: a future needs only a run queue.
#include <gtest/gtest.h>

#include <memory>
#include <string>

#include <shale/core/async/coroutine.hh>
#include <shale/core/async/future.hh>
#include <shale/core/testing/testing.hh>

using namespace shale;

namespace {

struct failure_a : std::runtime_error {
    failure_a() : std::runtime_error("a") {}
};
struct failure_b : std::runtime_error {
    failure_b() : std::runtime_error("b") {}
};

}  // namespace

SHALE_TEST(future, holds_a_ready_value_without_a_promise) {
    auto f = make_ready_future<std::string>("value");
    EXPECT_TRUE(f.available());
    EXPECT_FALSE(f.failed());
    EXPECT_EQ(f.get(), "value");
    co_return;
}

SHALE_TEST(future, runs_then_in_place_when_ready) {
    bool ran = false;
    auto f = make_ready_future<int>(1).then([&](int x) {
        ran = true;
        return x + 1;
    });
    EXPECT_TRUE(ran);
    EXPECT_EQ(f.get(), 2);
    co_return;
}

SHALE_TEST(future, runs_then_later_when_pending) {
    promise<int> p;
    bool ran = false;
    auto f = p.get_future().then([&](int x) {
        ran = true;
        return x + 1;
    });
    EXPECT_FALSE(ran);
    p.set_value(1);
    EXPECT_FALSE(ran) << "a continuation runs as a task, not inside set_value";
    const int result = co_await std::move(f);
    EXPECT_EQ(result, 2);
}

SHALE_TEST(future, flattens_a_future_that_then_returns) {
    promise<int> inner;
    auto f = make_ready_future<>().then([&] { return inner.get_future(); }).then([](int x) { return x * 2; });
    EXPECT_FALSE(f.available());
    inner.set_value(21);
    const int result = co_await std::move(f);
    EXPECT_EQ(result, 42);
}

SHALE_TEST(future, flattens_into_a_chain_that_was_pending) {
    promise<> outer;
    promise<int> inner;
    auto f = outer.get_future().then([&] { return inner.get_future(); });
    outer.set_value();
    co_await yield();
    inner.set_value(3);
    const int result = co_await std::move(f);
    EXPECT_EQ(result, 3);
}

SHALE_TEST(future, moves_with_its_promise_before_and_after_the_value) {
    promise<std::unique_ptr<int>> first;
    auto f = first.get_future();
    promise<std::unique_ptr<int>> second = std::move(first);
    auto g = std::move(f);
    second.set_value(std::make_unique<int>(5));
    auto h = std::move(g);
    EXPECT_EQ(*h.get(), 5);
    co_return;
}

SHALE_TEST(future, can_be_fulfilled_before_the_future_is_taken) {
    promise<int> p;
    p.set_value(9);
    promise<int> moved = std::move(p);
    EXPECT_EQ(moved.get_future().get(), 9);
    co_return;
}

SHALE_TEST(future, carries_references) {
    int x = 1;
    auto f = make_ready_future<int&>(x).then([](int& r) -> int& {
        r = 2;
        return r;
    });
    int& same = f.get();
    EXPECT_EQ(&same, &x);
    EXPECT_EQ(x, 2);
    promise<int&> p;
    auto g = p.get_future();
    p.set_value(x);
    int& again = co_await std::move(g);
    EXPECT_EQ(&again, &x);
}

SHALE_TEST(future, passes_errors_by_then) {
    bool ran = false;
    auto f = make_exception_future<int>(failure_a()).then([&](int) { ran = true; });
    EXPECT_TRUE(f.failed());
    EXPECT_THROW(f.get(), failure_a);
    promise<int> p;
    auto g = p.get_future().then([&](int) { ran = true; });
    p.set_exception(failure_b());
    auto result = co_await as_result(std::move(g));
    EXPECT_FALSE(result.has_value());
    EXPECT_THROW(std::rethrow_exception(result.error()), failure_b);
    EXPECT_FALSE(ran);
}

SHALE_TEST(future, turns_a_throw_in_then_into_an_error) {
    auto f = make_ready_future<>().then([] { throw failure_a(); });
    EXPECT_THROW(f.get(), failure_a);
    co_return;
}

SHALE_TEST(future, gives_then_wrapped_the_future_itself) {
    auto f = make_exception_future<int>(failure_a()).then_wrapped([](future<int> self) {
        EXPECT_TRUE(self.failed());
        self.ignore_ready_future();
        return 7;
    });
    EXPECT_EQ(f.get(), 7);
    promise<int> p;
    auto g = p.get_future().then_wrapped([](future<int> self) { return self.get() + 1; });
    p.set_value(1);
    const int result = co_await std::move(g);
    EXPECT_EQ(result, 2);
}

SHALE_TEST(future, handles_exceptions_with_values_and_futures) {
    auto value = make_exception_future<int>(failure_a()).handle_exception([](std::exception_ptr) { return 1; });
    EXPECT_EQ(value.get(), 1);
    auto later = make_exception_future<int>(failure_a()).handle_exception([](std::exception_ptr) {
        return make_ready_future<int>(2);
    });
    EXPECT_EQ(later.get(), 2);
    auto untouched = make_ready_future<int>(3).handle_exception([](std::exception_ptr) { return 0; });
    EXPECT_EQ(untouched.get(), 3);
    co_return;
}

SHALE_TEST(future, handles_only_the_type_that_was_named) {
    auto caught = make_exception_future<int>(failure_a()).handle_exception_type<failure_a>([](failure_a& e) {
        EXPECT_STREQ(e.what(), "a");
        return 1;
    });
    EXPECT_EQ(caught.get(), 1);
    auto passed =
        make_exception_future<int>(failure_b()).handle_exception_type<failure_a>([](failure_a&) { return 1; });
    EXPECT_THROW(passed.get(), failure_b);
    co_return;
}

SHALE_TEST(future, runs_finally_whatever_the_outcome) {
    int ran = 0;
    auto good = make_ready_future<int>(4).finally([&] { ++ran; });
    EXPECT_EQ(good.get(), 4);
    auto bad = make_exception_future<int>(failure_a()).finally([&] { ++ran; });
    EXPECT_THROW(bad.get(), failure_a);
    promise<> gate;
    auto waits = make_ready_future<int>(5).finally([&] { return gate.get_future(); });
    EXPECT_FALSE(waits.available());
    gate.set_value();
    const int result = co_await std::move(waits);
    EXPECT_EQ(result, 5);
    EXPECT_EQ(ran, 2);
}

SHALE_TEST(future, lets_a_failing_finally_win_and_keeps_both_errors) {
    auto alone = make_ready_future<int>(1).finally([] { throw failure_b(); });
    EXPECT_THROW(alone.get(), failure_b);
    auto both = make_exception_future<int>(failure_a()).finally([] { throw failure_b(); });
    try {
        both.get();
        ADD_FAILURE() << "no exception";
    } catch (const nested_exception& e) {
        EXPECT_THROW(std::rethrow_exception(e.outer), failure_a);
        EXPECT_THROW(std::rethrow_exception(e.inner), failure_b);
    }
    co_return;
}

SHALE_TEST(future, fails_with_broken_promise_when_the_promise_is_given_up) {
    auto orphan = [] {
        promise<int> p;
        return p.get_future();
    }();
    EXPECT_TRUE(orphan.failed());
    EXPECT_THROW(orphan.get(), broken_promise);
    auto waiting = [] {
        promise<int> p;
        return p.get_future().then([](int x) { return x; });
    }();
    auto result = co_await as_result(std::move(waiting));
    EXPECT_THROW(std::rethrow_exception(result.error()), broken_promise);
}

SHALE_TEST(future, reports_a_dropped_failure_with_its_site) {
    static std::string said;
    said.clear();
    test::expect_dropped_failures dropped;
    this_run_queue()->on_dropped_failure = [](run_queue*, const char* message) noexcept { said = message; };
    { auto f = make_exception_future<>(failure_a()); }
    EXPECT_EQ(dropped.count(), 1U);
    EXPECT_NE(said.find("future_test.cc"), std::string::npos) << said;
    EXPECT_NE(said.find(": a"), std::string::npos) << said;
    {
        promise<int> p;
        { auto f = p.get_future(); }
        p.set_exception(failure_b());
    }
    EXPECT_EQ(dropped.count(), 2U) << "a failure for which no future is left is dropped, too";
    co_return;
}

SHALE_TEST(future, stays_silent_about_a_failure_that_was_looked_at) {
    test::expect_dropped_failures dropped;
    {
        auto f = make_exception_future<>(failure_a());
        f.ignore_ready_future();
        auto g = make_exception_future<>(failure_a());
        EXPECT_TRUE(g.get_exception());
        { promise<> unused; }
        promise<int> p;
        { auto dropped_value = p.get_future(); }
        p.set_value(1);
    }
    EXPECT_EQ(dropped.count(), 0U);
    co_return;
}

SHALE_TEST(future, makes_futures_of_whatever_a_callable_does) {
    EXPECT_EQ(futurize_invoke([] { return 1; }).get(), 1);
    futurize_invoke([] {}).get();
    EXPECT_EQ(futurize_invoke([](int x) { return make_ready_future<int>(x); }, 2).get(), 2);
    EXPECT_THROW(futurize_invoke([]() -> int { throw failure_a(); }).get(), failure_a);
    EXPECT_THROW(futurize_invoke([]() -> future<int> { throw failure_a(); }).get(), failure_a);
    co_return;
}

SHALE_TEST(future, discards_a_result_but_not_an_error) {
    make_ready_future<int>(1).discard_result().get();
    EXPECT_THROW(make_exception_future<int>(failure_a()).discard_result().get(), failure_a);
    co_return;
}

SHALE_TEST(future, keeps_a_move_only_callable_until_it_ran) {
    auto alive = std::make_shared<int>(1);
    std::weak_ptr<int> watch = alive;
    promise<> p;
    auto f = p.get_future().then([held = std::move(alive), only = std::make_unique<int>(2)] { return *held + *only; });
    EXPECT_FALSE(watch.expired());
    p.set_value();
    const int sum = co_await std::move(f);
    EXPECT_EQ(sum, 3);
    EXPECT_TRUE(watch.expired());
}

SHALE_TEST(future, lets_a_long_chain_finish_without_deep_recursion) {
    promise<int> p;
    auto f = p.get_future();
    for (int i = 0; i < 200'000; ++i) {
        f = f.then([](int x) { return x + 1; });
    }
    p.set_value(0);
    const int result = co_await std::move(f);
    EXPECT_EQ(result, 200'000);
}

namespace {

future<int> count_down(int n) {
    if (n == 0) {
        return make_ready_future<int>(0);
    }
    return yield().then([n] { return count_down(n - 1); });
}

}  // namespace

SHALE_TEST(future, lets_a_recursive_chain_finish_without_deep_recursion) {
    const int result = co_await count_down(100'000);
    EXPECT_EQ(result, 0);
}

using future_death = ::testing::Test;

TEST(future_death, stops_when_a_pending_future_is_asked) {
    EXPECT_DEATH(
        {
            sim::world world({});
            world.on(0, [] {
                promise<int> p;
                p.get_future().get();
            });
        },
        "not ready");
}

TEST(future_death, stops_when_a_promise_is_fulfilled_on_the_wrong_shard) {
    EXPECT_DEATH(
        {
            sim::world world({.shards = 2});
            auto p = std::make_unique<promise<int>>();
            auto f = world.on(0, [&] { return p->get_future().then([](int) {}); });
            world.on(1, [&] { p->set_value(1); });
        },
        "wrong shard");
}

TEST(future_death, refuses_a_capturing_coroutine_lambda_in_then) {
    EXPECT_DEATH(
        {
            sim::world world({});
            world
                .on(0,
                    [] {
                        int x = 1;
                        return make_ready_future<>().then([x]() -> future<int> { co_return x; });
                    })
                .get();
        },
        "future_test.cc.*has captures and was given to then");
}

TEST(future_death, refuses_a_capturing_coroutine_lambda_in_a_pending_then) {
    EXPECT_DEATH(
        {
            sim::world world({});
            promise<int> p;
            auto f = world.on(0, [&] {
                int x = 1;
                return p.get_future().then([x](auto y) -> future<int> { co_return x + y; });
            });
            world.on(0, [&] { p.set_value(1); });
            world.settle();
        },
        "has captures and was given to then");
}

SHALE_TEST(future, takes_a_coroutine_lambda_without_captures_in_then) {
    const int result = co_await make_ready_future<int>(1).then([](int x) -> future<int> {
        co_await yield();
        co_return x + 1;
    });
    EXPECT_EQ(result, 2);
}
