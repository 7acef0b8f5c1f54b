// The promises of core/async/coroutine.hh.
#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <vector>

#include <shale/core/async/coroutine.hh>
#include <shale/core/testing/testing.hh>

using namespace shale;

namespace {

future<int> ready_value() {
    co_return 1;
}

future<int> value_after_yield(int x) {
    co_await yield_now();
    co_return x;
}

future<> fails() {
    co_await yield_now();
    throw std::runtime_error("inside");
}

future<std::unique_ptr<std::string>> move_only() {
    auto p = std::make_unique<std::string>("moved");
    co_await yield_now();
    co_return p;
}

future<int&> reference(int& x) {
    co_await yield_now();
    co_return x;
}

}  // namespace

SHALE_TEST(coroutine, runs_on_the_callers_stack_until_it_waits) {
    auto f = ready_value();
    EXPECT_TRUE(f.available());
    EXPECT_EQ(f.get(), 1);
    auto g = value_after_yield(2);
    EXPECT_FALSE(g.available());
    const int x = co_await std::move(g);
    EXPECT_EQ(x, 2);
}

SHALE_TEST(coroutine, throws_what_the_awaited_future_failed_with) {
    bool caught = false;
    try {
        co_await fails();
    } catch (const std::runtime_error& e) {
        caught = true;
        EXPECT_STREQ(e.what(), "inside");
    }
    EXPECT_TRUE(caught);
}

SHALE_TEST(coroutine, gives_errors_as_values_on_request) {
    auto bad = co_await as_result(fails());
    EXPECT_FALSE(bad.has_value());
    auto good = co_await as_result(value_after_yield(3));
    EXPECT_EQ(good.value(), 3);
    auto nothing = co_await as_result(yield());
    EXPECT_TRUE(nothing.has_value());
}

SHALE_TEST(coroutine, carries_move_only_values_and_references) {
    auto p = co_await move_only();
    EXPECT_EQ(*p, "moved");
    int x = 4;
    int& r = co_await reference(x);
    EXPECT_EQ(&r, &x);
}

SHALE_TEST(coroutine, can_be_chained_with_then) {
    const int x = co_await value_after_yield(5).then([](int v) { return value_after_yield(v + 1); });
    EXPECT_EQ(x, 6);
}

SHALE_TEST(coroutine, waits_for_availability_without_taking) {
    auto f = value_after_yield(7);
    co_await when_available(f);
    EXPECT_TRUE(f.available());
    EXPECT_EQ(f.get(), 7);
}

SHALE_TEST(coroutine, destroys_its_locals_when_it_ends) {
    auto alive = std::make_shared<int>(1);
    std::weak_ptr<int> watch = alive;
    auto f = [](std::shared_ptr<int> held) -> future<int> {
        co_await yield_now();
        co_return *held;
    }(std::move(alive));
    EXPECT_FALSE(watch.expired());
    const int x = co_await std::move(f);
    EXPECT_EQ(x, 1);
    EXPECT_TRUE(watch.expired());
}

SHALE_TEST(coroutine, runs_others_between_yields) {
    std::vector<int> order;
    auto one = [&](int id) -> future<> {
        for (int i = 0; i < 3; ++i) {
            order.push_back(id);
            co_await yield_now();
        }
    };
    auto a = one(1);
    auto b = one(2);
    co_await std::move(a);
    co_await std::move(b);
    EXPECT_EQ(order, (std::vector<int>{1, 2, 1, 2, 1, 2}));
}

TEST(coroutine, gives_way_at_a_ready_future_when_preemption_is_due) {
    sim::world world({.preempt_at_random = false});
    auto f = world.on(0, [&] {
        world.at(0).preempt_flag().store(true, std::memory_order_relaxed);
        return []() -> future<int> { co_return co_await make_ready_future<int>(1); }();
    });
    EXPECT_FALSE(f.available());
    world.settle();
    EXPECT_EQ(world.on(0, [&] { return f.get(); }), 1);
}

TEST(coroutine, takes_its_frames_from_the_shards_pool_and_gives_them_back) {
    sim::world world({});
    const auto before = world.at(0).frames().live();
    auto f = world.on(0, [] { return value_after_yield(1); });
    EXPECT_GT(world.at(0).frames().live(), before);
    world.settle();
    EXPECT_EQ(world.at(0).frames().live(), before);
    EXPECT_EQ(world.on(0, [&] { return f.get(); }), 1);
}
