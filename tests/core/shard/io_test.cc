// The promises of core/shard/io.hh that need no puppet; the others are in shard_test.cc.
#include <gtest/gtest.h>

#include <cerrno>

#include <shale/core/shard/io.hh>
#include <shale/core/testing/testing.hh>

using namespace shale;

SHALE_TEST(submit_io, gives_the_platforms_answer) {
    const std::int32_t result = co_await submit_io(io_request{.op = io_op::read});
    EXPECT_EQ(result, -ENOSYS) << "the simulated platform has no disk yet";
}

TEST(platform, has_requests_of_one_cache_line) {
    EXPECT_EQ(sizeof(io_request), 64U);
}
