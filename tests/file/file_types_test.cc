// The small words of file_types.hh.
#include <shale/file/file_types.hh>

#include <gtest/gtest.h>

namespace shale {
namespace {

TEST(file_types, combines_open_flags_and_tells_them_apart) {
    const open_flags flags = open_flags::rw | open_flags::create | open_flags::dsync;
    EXPECT_TRUE(has(flags, open_flags::create));
    EXPECT_TRUE(has(flags, open_flags::rw | open_flags::dsync));
    EXPECT_FALSE(has(flags, open_flags::exclusive));
    EXPECT_EQ(static_cast<int>(flags), O_RDWR | O_CREAT | O_DSYNC);
}

TEST(file_types, asks_for_direct_io_and_splits_large_requests_by_default) {
    const file_open_options options;
    EXPECT_TRUE(options.direct);
    EXPECT_EQ(options.request_bytes_max % 4096, 0U);
    EXPECT_FALSE(write_options().dsync);
}

}  // namespace
}  // namespace shale
