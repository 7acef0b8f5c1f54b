// Buffers: views of one memory, and who owns it.
#include <gtest/gtest.h>
#include <shale/core/shard/buffer.hh>

#include <cstdint>
#include <memory>
#include <string>

using shale::deleter;
using shale::temporary_buffer;

TEST(temporary_buffer, shares_one_memory_and_frees_it_with_the_last_view) {
    bool freed = false;
    char memory[] = "0123456789";
    {
        temporary_buffer<char> last;
        {
            temporary_buffer<char> whole(memory, 10, shale::make_deleter([&]() noexcept { freed = true; }));
            auto middle = whole.share(3, 4);
            EXPECT_EQ(middle.view(), "3456");
            EXPECT_EQ(middle.get(), memory + 3);
            last = middle.prefix(2);
        }
        EXPECT_FALSE(freed);
        EXPECT_EQ(last.view(), "34");
    }
    EXPECT_TRUE(freed);
}

TEST(temporary_buffer, shares_malloced_memory) {
    auto a = temporary_buffer<char>::copy_of("hello");
    auto b = a.share();
    auto c = b.share(1, 3);
    a = {};
    b = {};
    EXPECT_EQ(c.view(), "ell");
}

TEST(temporary_buffer, trim_narrows_the_view_alone) {
    auto a = temporary_buffer<char>::copy_of("0123456789");
    auto b = a.share();
    a.trim_front(2);
    a.trim(3);
    EXPECT_EQ(a.view(), "234");
    EXPECT_EQ(b.view(), "0123456789");
    a.trim_front(3);
    EXPECT_TRUE(a.empty());
    EXPECT_FALSE(a);
}

TEST(temporary_buffer, clone_is_memory_of_its_own) {
    auto a = temporary_buffer<char>::copy_of("abc");
    auto b = a.clone();
    b.get_write()[0] = 'X';
    EXPECT_EQ(a.view(), "abc");
    EXPECT_EQ(b.view(), "Xbc");
    EXPECT_FALSE(a == b);
    EXPECT_TRUE(a == a.clone());
}

TEST(temporary_buffer, moved_from_is_empty) {
    auto a = temporary_buffer<char>::copy_of("abc");
    auto b = std::move(a);
    EXPECT_TRUE(a.empty());  // NOLINT: that is what is promised
    EXPECT_EQ(b.view(), "abc");
}

TEST(temporary_buffer, aligned_is_aligned_and_of_the_size_asked_for) {
    for (std::size_t alignment : {1U, 8U, 512U, 4096U, 65536U}) {
        for (std::size_t size : {1U, 511U, 4096U, 100'000U}) {
            auto a = temporary_buffer<char>::aligned(alignment, size);
            EXPECT_EQ(a.size(), size);
            EXPECT_EQ(reinterpret_cast<std::uintptr_t>(a.get()) % alignment, 0U);
            a.get_write()[size - 1] = 'x';
        }
    }
    EXPECT_TRUE(temporary_buffer<char>::aligned(4096, 0).empty());
}

TEST(temporary_buffer, release_hands_over_the_ownership) {
    auto a = temporary_buffer<char>::copy_of("abc");
    const char* data = a.get();
    deleter kept = a.release();
    EXPECT_TRUE(a.empty());
    EXPECT_EQ(data[1], 'b');
    EXPECT_TRUE(kept.is_malloc());
}

TEST(temporary_buffer, knows_its_limits) {
    auto a = temporary_buffer<char>::copy_of("abc");
    EXPECT_DEATH(a.trim(4), "trim to 4 of 3");
    EXPECT_DEATH((void)a.share(2, 2), "2 bytes at 2 of 3");
}
