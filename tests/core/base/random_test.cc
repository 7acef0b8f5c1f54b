// The generator gives the published sequence, and its distributions keep their bounds and shapes.
#include <gtest/gtest.h>

#include <shale/core/base/random.hh>

#include <algorithm>
#include <numeric>
#include <random>
#include <set>
#include <vector>

namespace {

using namespace shale;

TEST(random, splitmix_gives_the_published_sequence) {
    std::uint64_t state = 1234567;  // the vector in the reference implementations of splitmix64
    EXPECT_EQ(splitmix64(state), 6457827717110365317u);
    EXPECT_EQ(splitmix64(state), 3203168211198807973u);
    EXPECT_EQ(splitmix64(state), 9817491932198370423u);
}

/// xoshiro256++ written down once more, as plainly as in the paper.
struct plain_xoshiro {
    std::uint64_t s[4];
    static std::uint64_t rotl(std::uint64_t x, int k) { return (x << k) | (x >> (64 - k)); }
    std::uint64_t next() {
        const std::uint64_t result = rotl(s[0] + s[3], 23) + s[0];
        const std::uint64_t t = s[1] << 17;
        s[2] ^= s[0], s[3] ^= s[1], s[1] ^= s[2], s[0] ^= s[3], s[2] ^= t;
        s[3] = rotl(s[3], 45);
        return result;
    }
};

TEST(random, is_xoshiro256_plus_plus_seeded_by_splitmix) {
    std::uint64_t seed = 42;
    plain_xoshiro plain{};
    for (std::uint64_t& word : plain.s) {
        word = splitmix64(seed);
    }
    random_engine random(42);
    for (int i = 0; i < 1000; ++i) {
        ASSERT_EQ(random(), plain.next());
    }
}

TEST(random, repeats_for_a_seed_and_differs_between_seeds) {
    random_engine a(1);
    random_engine b(1);
    random_engine c(2);
    EXPECT_EQ(a(), b());
    EXPECT_NE(a(), c());
    EXPECT_NE(random_engine(0)(), 0u);
}

TEST(random, below_keeps_its_bound_and_reaches_every_value) {
    random_engine random(3);
    std::set<std::uint64_t> seen;
    for (int i = 0; i < 1000; ++i) {
        seen.insert(random.below(7));
    }
    EXPECT_EQ(seen, (std::set<std::uint64_t>{0, 1, 2, 3, 4, 5, 6}));
    EXPECT_EQ(random.below(1), 0u);
}

TEST(random, below_is_unbiased_where_a_remainder_would_not_be) {
    // With n = 3/4 of the range, `% n` would make the lowest third of [0, n) twice as likely.
    constexpr std::uint64_t n = 3 * (std::uint64_t{1} << 62);
    random_engine random(4);
    int low = 0;
    constexpr int draws = 30'000;
    for (int i = 0; i < draws; ++i) {
        const std::uint64_t value = random.below(n);
        ASSERT_LT(value, n);
        low += value < n / 3 ? 1 : 0;
    }
    EXPECT_NEAR(low, draws / 3, 500);  // six standard deviations; a remainder gives draws / 2
}

TEST(random, between_includes_both_ends_and_the_whole_range) {
    random_engine random(5);
    std::set<std::uint64_t> seen;
    for (int i = 0; i < 100; ++i) {
        seen.insert(random.between(10, 12));
    }
    EXPECT_EQ(seen, (std::set<std::uint64_t>{10, 11, 12}));
    EXPECT_EQ(random.between(9, 9), 9u);
    EXPECT_NE(random.between(0, random_engine::max()), random.between(0, random_engine::max()));
}

TEST(random, uniform_stays_under_one_with_the_right_mean) {
    random_engine random(6);
    double sum = 0;
    for (int i = 0; i < 100'000; ++i) {
        const double value = random.uniform();
        ASSERT_GE(value, 0.0);
        ASSERT_LT(value, 1.0);
        sum += value;
    }
    EXPECT_NEAR(sum / 100'000, 0.5, 0.006);
}

TEST(random, chance_is_never_at_zero_and_always_at_one) {
    random_engine random(7);
    for (int i = 0; i < 1000; ++i) {
        EXPECT_FALSE(random.chance(0));
        EXPECT_TRUE(random.chance(1));
    }
}

TEST(random, exponential_has_the_mean_asked_for) {
    random_engine random(8);
    double sum = 0;
    for (int i = 0; i < 100'000; ++i) {
        const double value = random.exponential(250);
        ASSERT_GE(value, 0.0);
        sum += value;
    }
    EXPECT_NEAR(sum / 100'000, 250, 6);
}

TEST(random, shuffle_keeps_the_items_and_reaches_all_orders) {
    random_engine random(9);
    std::set<std::vector<int>> orders;
    for (int i = 0; i < 500; ++i) {
        std::vector<int> items{1, 2, 3, 4};
        random.shuffle(items);
        orders.insert(items);
        std::sort(items.begin(), items.end());
        ASSERT_EQ(items, (std::vector{1, 2, 3, 4}));
    }
    EXPECT_EQ(orders.size(), 24u);
    std::vector<int> none;
    random.shuffle(none);
}

TEST(random, forks_do_not_repeat_their_parent) {
    random_engine parent(10);
    random_engine child = parent.fork();
    std::set<std::uint64_t> seen;
    for (int i = 0; i < 1000; ++i) {
        seen.insert(parent());
        seen.insert(child());
    }
    EXPECT_EQ(seen.size(), 2000u);
}

TEST(random, serves_the_standard_library) {
    static_assert(std::uniform_random_bit_generator<random_engine>);
    random_engine random(11);
    EXPECT_LE(std::uniform_int_distribution<int>(0, 9)(random), 9);
}

}  // namespace
