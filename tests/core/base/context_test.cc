// The hook through which base learns shard and time.
#include <gtest/gtest.h>

#include <shale/core/base/context.hh>
#include <shale/core/base/defer.hh>

namespace {

using shale::detail::assert_context;
using shale::detail::current_context;

TEST(context, is_unknown_without_a_hook) {
    EXPECT_EQ(current_context().shard, -1);
    EXPECT_EQ(current_context().now_ns, 0u);
    EXPECT_EQ(current_context().wall_ns, 0);
}

TEST(context, is_what_the_hook_says) {
    assert_context.store(
        []() noexcept { return shale::detail::execution_context{.shard = 2, .now_ns = 3, .wall_ns = -4}; });
    const auto restore = shale::defer([] { assert_context.store(nullptr); });
    EXPECT_EQ(current_context().shard, 2);
    EXPECT_EQ(current_context().now_ns, 3u);
    EXPECT_EQ(current_context().wall_ns, -4);
}

}  // namespace
