// Assertions: always on, say where and what, and evaluate their arguments only when they fail.
#include <gtest/gtest.h>

#include <shale/core/base/assert.hh>
#include <shale/core/base/context.hh>

namespace {

using shale::detail::execution_context;

execution_context shard_seven() noexcept {
    return {.shard = 7, .now_ns = 12'000'000'345, .wall_ns = 0};
}

TEST(assert_death, says_condition_and_values) {
    const int size = 3;
    EXPECT_DEATH(SHALE_ASSERT(size == 4, "size is {} of {}", size, "four"), "size == 4: size is 3 of four");
}

TEST(assert_death, says_file_and_line) {
    EXPECT_DEATH(SHALE_ASSERT(false), "assert_test\\.cc:[0-9]+: assertion failed: false");
}

TEST(assert_death, prints_a_backtrace) {
    EXPECT_DEATH(SHALE_ASSERT(false), "\\[0x[0-9a-f]+\\]");
}

TEST(assert_death, says_shard_and_time_when_the_hook_is_set) {
    EXPECT_DEATH(
        {
            shale::detail::assert_context.store(&shard_seven);
            SHALE_ASSERT(false, "broken");
        },
        "shard 7: .*at 12\\.000000345 s: assertion failed: false: broken");
}

TEST(assert_death, unreachable_code_aborts_when_reached) {
    const int kind = 9;
    EXPECT_DEATH(SHALE_UNREACHABLE("kind is {}", kind), "unreachable: kind is 9");
}

TEST(assert, does_not_evaluate_its_arguments_when_it_holds) {
    int evaluated = 0;
    const auto count = [&] { return ++evaluated; };
    SHALE_ASSERT(true, "{}", count());
    EXPECT_EQ(evaluated, 0);
}

TEST(assert, evaluates_its_condition_once) {
    int evaluated = 0;
    SHALE_ASSERT(++evaluated == 1);
    EXPECT_EQ(evaluated, 1);
}

TEST(assert, works_as_the_only_statement_of_a_branch) {
    bool other = false;
    if (other)
        SHALE_ASSERT(false);
    else
        other = true;
    EXPECT_TRUE(other);
}

#ifdef SHALE_DEBUG
TEST(assert_death, debug_assertions_are_on_in_debug_builds) {
    EXPECT_DEATH(SHALE_DEBUG_ASSERT(false, "deep {}", 1), "deep 1");
}
#else
TEST(assert, debug_assertions_are_not_evaluated_in_release_builds) {
    int evaluated = 0;
    SHALE_DEBUG_ASSERT(++evaluated == 5, "never");
    EXPECT_EQ(evaluated, 0);
}
#endif

}  // namespace
