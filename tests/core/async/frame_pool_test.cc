// The promises of core/async/frame_pool.hh.
#include <gtest/gtest.h>

#include <algorithm>

#include <shale/core/async/frame_pool.hh>

using namespace shale;

TEST(frame_pool, hands_the_same_block_out_again) {
    if (!frame_pool_enabled) {
        GTEST_SKIP() << "under the sanitizers every block comes from malloc";
    }
    frame_pool pool;
    void* a = pool.allocate(100);
    pool.free(a, 100);
    EXPECT_EQ(pool.allocate(128), a) << "100 and 128 bytes are of one size class";
    EXPECT_EQ(pool.live(), 1);
    pool.free(a, 128);
    EXPECT_EQ(pool.live(), 0);
}

TEST(frame_pool, serves_every_size) {
    frame_pool pool;
    for (std::size_t size : {0UL, 1UL, 64UL, 65UL, 2048UL, 2049UL, 1000000UL}) {
        void* block = pool.allocate(size);
        ASSERT_NE(block, nullptr);
        std::fill_n(static_cast<char*>(block), size, 'x');
        pool.free(block, size);
    }
    EXPECT_EQ(pool.live(), 0);
}
