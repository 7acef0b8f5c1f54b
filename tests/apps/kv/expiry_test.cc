// The promises of apps/kv/expiry.hh.
#include <gtest/gtest.h>

#include <random>
#include <set>

#include <shale/apps/kv/expiry.hh>

namespace shale::kv {
namespace {

TEST(expiry, gives_pairs_in_order_of_time_and_only_when_due) {
    expiry_queue queue;
    queue.insert({30, 3});
    queue.insert({10, 1});
    queue.insert({20, 2});
    EXPECT_EQ(queue.front()->expire_ms, 10);
    EXPECT_FALSE(queue.pop_due(9));
    EXPECT_EQ(queue.pop_due(25)->hash, 1u);
    EXPECT_EQ(queue.pop_due(25)->hash, 2u);
    EXPECT_FALSE(queue.pop_due(25));
    EXPECT_EQ(queue.size(), 1u);
}

TEST(expiry, erases_exactly_the_pair_asked_for) {
    expiry_queue queue;
    queue.insert({10, 1});
    EXPECT_FALSE(queue.erase({10, 2}));
    EXPECT_FALSE(queue.erase({11, 1}));
    EXPECT_TRUE(queue.erase({10, 1}));
    EXPECT_FALSE(queue.erase({10, 1}));
    EXPECT_TRUE(queue.empty());
}

TEST(expiry, agrees_with_a_multiset_under_random_changes) {
    for (const std::int64_t span : {1, 50, 100'000}) {
        std::mt19937_64 random(static_cast<std::uint64_t>(span));
        expiry_queue queue;
        std::multiset<std::pair<std::int64_t, std::uint64_t>> expected;
        std::int64_t now = 0;
        for (int step = 0; step < 100'000; ++step) {
            const std::int64_t time = now + 1 + static_cast<std::int64_t>(random() % static_cast<std::uint64_t>(span));
            switch (random() % 5) {
                case 0:
                case 1:
                case 2: {
                    const std::uint64_t hash = random() % 1000;
                    queue.insert({time, hash});
                    expected.insert({time, hash});
                    break;
                }
                case 3: {
                    const auto at = expected.lower_bound({time, random() % 1000});
                    if (at != expected.end()) {
                        ASSERT_TRUE(queue.erase({at->first, at->second}));
                        expected.erase(at);
                    }
                    break;
                }
                default:
                    now += static_cast<std::int64_t>(random() % 3);
                    while (!expected.empty() && expected.begin()->first <= now) {
                        const auto due = queue.pop_due(now);
                        ASSERT_TRUE(due);
                        ASSERT_EQ(due->expire_ms, expected.begin()->first);
                        ASSERT_EQ(due->hash, expected.begin()->second);
                        expected.erase(expected.begin());
                    }
                    ASSERT_FALSE(queue.pop_due(now));
            }
            ASSERT_EQ(queue.size(), expected.size());
        }
    }
}

TEST(expiry, finds_one_of_many_equal_pairs) {
    expiry_queue queue;
    for (int i = 0; i < 2000; ++i) {
        queue.insert({5, 7});
    }
    for (int i = 0; i < 2000; ++i) {
        ASSERT_TRUE(queue.erase({5, 7}));
    }
    EXPECT_FALSE(queue.erase({5, 7}));
}

TEST(expiry, takes_little_memory_a_key) {
    expiry_queue queue;
    std::mt19937_64 random(1);
    for (int i = 0; i < 100'000; ++i) {
        queue.insert({static_cast<std::int64_t>(random() % 1'000'000'000), random()});
    }
    EXPECT_LT(queue.memory_bytes(), 100'000u * 28);
}

}  // namespace
}  // namespace shale::kv
