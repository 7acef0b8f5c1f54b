// The promises of core/base/atomics.hh that one thread can see; what orders what is explored in tests/model.
#include <gtest/gtest.h>

#include <array>
#include <atomic>

#include <shale/core/base/atomics.hh>

using shale::std_atomics;

namespace {

constexpr unsigned lines = 4;
constexpr unsigned count = lines * std_atomics::counters_per_line;

struct counters {
    alignas(64) std::array<std::atomic<std::uint32_t>, count> now{};
    alignas(64) std::array<std::uint32_t, count> seen{};

    unsigned next(unsigned begin) const { return std_atomics::next_change(now.data(), seen.data(), begin, count); }
};

}  // namespace

TEST(atomics, finds_no_change_where_there_is_none) {
    counters c;
    EXPECT_EQ(c.next(0), count);
    EXPECT_EQ(c.next(count), count);
}

TEST(atomics, finds_a_change_at_every_place_from_every_start) {
    for (unsigned place = 0; place < count; ++place) {
        counters c;
        c.now[place] = 1;
        for (unsigned begin = 0; begin <= count; ++begin) {
            EXPECT_EQ(c.next(begin), begin <= place ? place : count) << "changed " << place << ", from " << begin;
        }
    }
}

TEST(atomics, finds_changes_in_order) {
    counters c;
    c.now[3] = 7;
    c.now[20] = 1;
    EXPECT_EQ(c.next(0), 3U);
    EXPECT_EQ(c.next(4), 20U);
    c.seen[3] = 7;
    EXPECT_EQ(c.next(0), 20U);
}
