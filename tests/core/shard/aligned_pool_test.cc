// The pool of I/O blocks: sizes, alignment, reuse, and blocks that outlive the pool they came from.
#include <shale/core/shard/aligned_pool.hh>

#include <gtest/gtest.h>

#include <cstring>
#include <set>
#include <vector>

#include <shale/core/base/align.hh>
#include <shale/core/shard/shard.hh>
#include <shale/core/testing/testing.hh>

namespace shale {
namespace {

TEST(aligned_pool, gives_aligned_blocks_of_at_least_the_size_asked_for) {
    aligned_pool pool;
    for (std::size_t size : {0UL, 1UL, 4096UL, 4097UL, 65536UL, 65537UL, 1048576UL, 2097152UL, 2097153UL, 9000000UL}) {
        io_buffer block = pool.allocate(size);
        EXPECT_GE(block.size(), size);
        EXPECT_TRUE(is_aligned(block.data(), aligned_pool::alignment)) << size;
        std::memset(block.data(), 0x5a, block.size());
    }
}

TEST(aligned_pool, gives_blocks_that_do_not_overlap) {
    aligned_pool pool;
    std::vector<io_buffer> blocks;
    for (unsigned i = 0; i < 300; ++i) {
        blocks.push_back(pool.allocate(std::size_t{4096} << (i % 6)));
        std::memset(blocks.back().data(), static_cast<int>(i & 0xff), blocks.back().size());
    }
    for (unsigned i = 0; i < 300; ++i) {
        for (std::size_t at : {std::size_t{0}, blocks[i].size() - 1}) {
            ASSERT_EQ(blocks[i].data()[at], static_cast<std::byte>(i & 0xff)) << i;
        }
    }
}

TEST(aligned_pool, reserves_nothing_before_it_is_asked) {
    aligned_pool pool;
    EXPECT_EQ(pool.cached(), 0U);
}

TEST(aligned_pool, lays_large_blocks_into_huge_pages) {
    if (!aligned_pool::enabled) {
        GTEST_SKIP() << "under a sanitizer blocks are malloc's";
    }
    aligned_pool pool;
    std::set<std::uintptr_t> pages;
    std::vector<io_buffer> blocks;
    for (unsigned i = 0; i < 16; ++i) {
        blocks.push_back(pool.allocate(128 * 1024));
        pages.insert(reinterpret_cast<std::uintptr_t>(blocks.back().data()) / aligned_pool::huge_page);
    }
    EXPECT_EQ(pages.size(), 1U);
}

TEST(aligned_pool, gives_blocks_that_outlive_it) {
    io_buffer block;
    {
        aligned_pool pool;
        block = pool.allocate(100'000);
    }
    std::memset(block.data(), 1, block.size());
    auto buffer = io_buffer::to_buffer<char>(std::move(block), 4096, 10);
    EXPECT_EQ(buffer.view(), std::string(10, '\1'));
    EXPECT_FALSE(block);
}

SHALE_TEST(aligned_pool, hands_out_again_what_was_given_back) {
    aligned_pool& pool = this_shard().io_buffers();
    const std::byte* first = nullptr;
    {
        const io_buffer block(100'000);
        first = block.data();
    }
    const std::size_t cached = pool.cached();
    const io_buffer block(100'000);
    if (aligned_pool::enabled) {
        EXPECT_EQ(block.data(), first);
        EXPECT_EQ(pool.cached(), cached - block.size());
    }
    pool.release_all();
    EXPECT_EQ(pool.cached(), 0U);
    co_return;
}

SHALE_TEST(aligned_pool, keeps_no_more_free_bytes_than_its_limit) {
    {
        std::vector<io_buffer> blocks;
        for (unsigned i = 0; i < 40; ++i) {
            blocks.emplace_back(aligned_pool::largest);
        }
    }
    EXPECT_LE(this_shard().io_buffers().cached(), aligned_pool::cached_max);
    EXPECT_EQ(this_shard().io_buffers().cached() != 0, aligned_pool::enabled);
    co_return;
}

TEST(aligned_pool, serves_threads_that_are_no_shards) {
    io_buffer block(5000);
    EXPECT_TRUE(is_aligned(block.data(), aligned_pool::alignment));
    std::memset(block.data(), 1, block.size());
}

}  // namespace
}  // namespace shale
