// Deferred actions run once, at the end, unless cancelled.
#include <gtest/gtest.h>

#include <shale/core/base/defer.hh>

#include <memory>
#include <stdexcept>
#include <string>
#include <utility>

namespace {

using shale::defer;

TEST(defer, runs_at_the_end_of_the_scope) {
    int runs = 0;
    {
        auto guard = defer([&] { ++runs; });
        EXPECT_EQ(runs, 0);
    }
    EXPECT_EQ(runs, 1);
}

TEST(defer, runs_when_the_scope_is_left_by_an_exception) {
    int runs = 0;
    try {
        auto guard = defer([&] { ++runs; });
        throw std::runtime_error("x");
    } catch (const std::runtime_error&) {
    }
    EXPECT_EQ(runs, 1);
}

TEST(defer, does_not_run_when_cancelled) {
    int runs = 0;
    {
        auto guard = defer([&] { ++runs; });
        guard.cancel();
    }
    EXPECT_EQ(runs, 0);
}

TEST(defer, runs_once_after_being_moved) {
    int runs = 0;
    {
        auto guard = defer([&runs, owned = std::make_unique<int>(1)] { runs += *owned; });
        auto other = std::move(guard);
    }
    EXPECT_EQ(runs, 1);
}

TEST(defer, runs_in_reverse_order) {
    std::string order;
    {
        auto first = defer([&] { order += 'a'; });
        auto second = defer([&] { order += 'b'; });
    }
    EXPECT_EQ(order, "ba");
}

}  // namespace
