// Sparse, shared bytes of files, and the ranges of blocks they take.
#include <shale/core/base/random.hh>
#include <shale/core/sim/detail/block_ranges.hh>
#include <shale/core/sim/detail/page_map.hh>

#include <gtest/gtest.h>

#include <set>

namespace shale::sim::detail {
namespace {

std::vector<std::byte> random_bytes(random_engine& random, std::size_t size) {
    std::vector<std::byte> made(size);
    std::ranges::generate(made, [&] { return static_cast<std::byte>(random()); });
    return made;
}

TEST(page_map, holds_what_a_plain_vector_would) {
    random_engine random(3);
    constexpr std::size_t size = 40'000;
    page_map map;
    std::vector<std::byte> plain(size);
    for (int i = 0; i < 2000; ++i) {
        const std::size_t begin = random.below(size);
        const std::size_t end = random.between(begin, std::min(size, begin + 10'000));
        const auto from = plain.begin() + static_cast<std::ptrdiff_t>(begin);
        if (random.chance(0.3)) {
            const bool to_the_end = random.chance(0.1);
            map.zero(begin, to_the_end ? end_of_all : end);
            std::fill_n(from, (to_the_end ? size : end) - begin, std::byte{0});
        } else {
            const auto bytes = random_bytes(random, end - begin);
            map.write(capture(begin, bytes).moved_to(begin));
            std::copy(bytes.begin(), bytes.end(), from);
        }
        std::vector<std::byte> found(size);
        map.read(0, found);
        if (begin < end && random.chance(0.5)) {
            const extent cut = map.cut(begin, end).moved_to(begin + random.below(9000));
            std::vector<std::byte> moved(end - begin);
            cut.read(cut.begin, moved);
            ASSERT_TRUE(std::equal(moved.begin(), moved.end(), found.begin() + static_cast<std::ptrdiff_t>(begin)));
        }
        ASSERT_EQ(found, plain) << i;
    }
}

TEST(page_map, needs_no_memory_for_zeros_and_shares_the_rest) {
    page_map map;
    const std::vector<std::byte> zeros(1 << 20);
    for (std::uint64_t at = 0; at < 64; ++at) {
        map.write(capture(at << 20, zeros));
    }
    EXPECT_EQ(map.pages(), 0U);
    const std::vector<std::byte> ones(8192, std::byte{1});
    const extent data = capture(4096, ones);
    map.write(data);
    page_map same = map;
    EXPECT_EQ(map.pages(), 2U);
    EXPECT_EQ(map.cut(4096, 8192).pages[0], data.pages[0]);
    EXPECT_EQ(same.cut(4096, 8192).pages[0], data.pages[0]);
    map.zero(4096, 12'288);
    EXPECT_EQ(map.pages(), 0U);
    EXPECT_EQ(same.pages(), 2U);
}

TEST(page_map, sees_any_change_of_the_memory_it_captured) {
    std::vector<std::byte> bytes(9000);
    bytes[5000] = std::byte{7};
    const iovec parts[] = {{bytes.data(), 100}, {bytes.data() + 100, 8900}};
    const extent captured = capture(10, parts, 9000);
    EXPECT_TRUE(matches(captured, parts));
    for (const std::size_t at : {0UL, 99UL, 100UL, 4999UL, 5000UL, 8999UL}) {
        bytes[at] ^= std::byte{1};
        EXPECT_FALSE(matches(captured, parts)) << at;
        bytes[at] ^= std::byte{1};
    }
}

TEST(block_ranges, count_the_same_pages_as_a_set) {
    random_engine random(4);
    block_ranges ranges;
    std::set<std::uint64_t> pages;
    for (int i = 0; i < 5000; ++i) {
        const std::uint64_t begin = random.below(60 * page_bytes);
        const std::uint64_t end = begin + random.below(10 * page_bytes);
        std::uint64_t missing = 0;
        for (std::uint64_t p = begin / page_bytes; begin < end && p * page_bytes < end; ++p) {
            missing += pages.contains(p) ? 0 : page_bytes;
        }
        ASSERT_EQ(ranges.missing(begin, end), missing) << i;
        if (random.chance(0.5)) {
            ranges.add(begin, end);
            for (std::uint64_t p = begin / page_bytes; begin < end && p * page_bytes < end; ++p) {
                pages.insert(p);
            }
        } else {
            ranges.remove(begin, end);
            std::erase_if(pages,
                          [&](std::uint64_t p) { return p * page_bytes >= begin && (p + 1) * page_bytes <= end; });
        }
        ASSERT_EQ(ranges.total(), pages.size() * page_bytes) << i;
    }
}

}  // namespace
}  // namespace shale::sim::detail
