// The promises of apps/kv/index.hh.
#include <gtest/gtest.h>

#include <map>
#include <random>
#include <set>
#include <string>
#include <unordered_map>
#include <vector>

#include <shale/apps/kv/hash.hh>
#include <shale/apps/kv/index.hh>

namespace shale::kv {
namespace {

std::uint64_t hash_of(std::uint64_t i) {
    return hash_key(std::to_string(i), 42);
}

std::vector<index_entry> candidates(const index& in, std::uint64_t hash) {
    std::vector<index_entry> found;
    in.find(hash, [&](index_entry entry) {
        found.push_back(entry);
        return false;
    });
    return found;
}

bool has(const index& in, std::uint64_t hash, std::uint64_t location) {
    return in.find(hash, [&](index_entry entry) { return entry.location == location; });
}

TEST(index, finds_what_was_inserted_with_place_and_size_class) {
    index in;
    const std::uint64_t last = (std::uint64_t{1} << index::location_bits) - 1;
    ASSERT_TRUE(in.insert(hash_of(1), {last, 63}));
    ASSERT_TRUE(in.insert(hash_of(2), {0, 0}));
    EXPECT_EQ(in.size(), 2u);
    ASSERT_EQ(candidates(in, hash_of(1)).size(), 1u);
    EXPECT_EQ(candidates(in, hash_of(1))[0].location, last);
    EXPECT_EQ(candidates(in, hash_of(1))[0].size_class, 63u);
    ASSERT_EQ(candidates(in, hash_of(2)).size(), 1u);
    EXPECT_EQ(candidates(in, hash_of(2))[0].location, 0u);
    EXPECT_TRUE(candidates(in, hash_of(3)).empty());
}

TEST(index, keeps_every_key_through_growth_and_replacement) {
    constexpr std::uint64_t keys = 400'000;
    index in;
    for (std::uint64_t i = 0; i < keys; ++i) {
        ASSERT_TRUE(in.insert(hash_of(i), {i, static_cast<unsigned>(i % 64)}));
    }
    EXPECT_EQ(in.size(), keys);
    for (std::uint64_t i = 0; i < keys; i += 2) {
        ASSERT_TRUE(in.replace(hash_of(i), i, {i + keys, 5}));
    }
    for (std::uint64_t i = 0; i < keys; ++i) {
        ASSERT_TRUE(has(in, hash_of(i), i % 2 == 0 ? i + keys : i)) << i;
    }
    EXPECT_FALSE(in.replace(hash_of(0), 0, {1, 1}));
    EXPECT_EQ(in.size(), keys);
    // At least 0.4 full whatever the moment.
    EXPECT_LT(in.memory_bytes(), keys * 8 * 5 / 2);
}

TEST(index, gives_few_false_candidates_also_for_slots_that_lived_through_splits) {
    constexpr std::uint64_t keys = 500'000;
    index in;
    for (std::uint64_t i = 0; i < keys; ++i) {
        ASSERT_TRUE(in.insert(hash_of(i), {i, 1}));
    }
    std::size_t wrong = 0;
    for (std::uint64_t i = keys; i < 2 * keys; ++i) {
        wrong += candidates(in, hash_of(i)).size();
    }
    EXPECT_LT(wrong, keys / 100) << "more than one false match in a hundred lookups";
}

TEST(index, agrees_with_a_map_under_random_changes) {
    std::mt19937_64 random(5);
    index in;
    std::unordered_map<std::uint64_t, std::uint64_t> expected;  // key -> location
    std::uint64_t location = 0;
    for (int step = 0; step < 600'000; ++step) {
        const std::uint64_t key = random() % 60'000;
        const auto at = expected.find(key);
        ++location;
        if (at == expected.end()) {
            ASSERT_FALSE(in.erase(hash_of(key), location));
            ASSERT_TRUE(in.insert(hash_of(key), {location, 3}));
            expected[key] = location;
        } else if (random() % 2 == 0) {
            ASSERT_TRUE(in.erase(hash_of(key), at->second));
            expected.erase(at);
        } else {
            ASSERT_TRUE(in.replace(hash_of(key), at->second, {location, 4}));
            at->second = location;
        }
        ASSERT_EQ(in.size(), expected.size());
    }
    for (const auto& [key, where] : expected) {
        ASSERT_TRUE(has(in, hash_of(key), where));
    }
}

TEST(index, scan_gives_each_key_once_when_nothing_changes) {
    index in;
    for (std::uint64_t i = 0; i < 100'000; ++i) {
        ASSERT_TRUE(in.insert(hash_of(i), {i, 1}));
    }
    std::vector<int> seen(100'000, 0);
    std::uint64_t cursor = 0;
    do {
        cursor = in.scan(cursor, [&](index_entry entry, partial_hash hash) {
            ++seen[entry.location];
            const std::uint64_t mask = (std::uint64_t{1} << hash.bits) - 1;
            ASSERT_EQ(hash_of(entry.location) & mask, hash.low & mask);
            ASSERT_EQ(hash.low & ~mask, 0u);
        });
    } while (cursor != 0);
    for (std::size_t i = 0; i < seen.size(); ++i) {
        ASSERT_EQ(seen[i], 1) << i;
    }
}

TEST(index, scan_misses_no_key_that_stays_while_the_table_grows_and_changes) {
    for (const std::uint64_t pace : {1u, 7u, 50u, 400u}) {
        std::mt19937_64 random(pace);
        index in;
        constexpr std::uint64_t stable = 60'000;
        std::vector<std::uint64_t> where(stable);
        std::unordered_map<std::uint64_t, std::uint64_t> key_at;
        std::uint64_t location = 0;
        for (std::uint64_t i = 0; i < stable; ++i) {
            where[i] = ++location;
            key_at[location] = i;
            ASSERT_TRUE(in.insert(hash_of(i), {location, 1}));
        }
        std::uint64_t added = 1'000'000;
        std::set<std::uint64_t> seen;
        std::uint64_t cursor = 0;
        do {
            cursor = in.scan(cursor, [&](index_entry entry, partial_hash) {
                const auto at = key_at.find(entry.location);
                if (at != key_at.end()) {
                    seen.insert(at->second);
                }
            });
            // Up to fifteen times the keys: growth for ever would outrun the scan.
            for (std::uint64_t i = 0; i < pace && added < 2'800'000; ++i) {
                // New keys that make segments split, others that come and go, and stable ones that move.
                ASSERT_TRUE(in.insert(hash_of(added++), {++location, 1}));
                const std::uint64_t gone = added++;
                ASSERT_TRUE(in.insert(hash_of(gone), {++location, 1}));
                ASSERT_TRUE(in.erase(hash_of(gone), location));
                const std::uint64_t key = random() % stable;
                ASSERT_TRUE(in.replace(hash_of(key), where[key], {++location, 1}));
                key_at.erase(where[key]);
                where[key] = location;
                key_at[location] = key;
            }
        } while (cursor != 0);
        EXPECT_EQ(seen.size(), stable) << pace;
    }
}

TEST(index, takes_any_number_for_a_cursor) {
    index in;
    ASSERT_TRUE(in.insert(hash_of(1), {1, 1}));
    std::mt19937_64 random(9);
    for (int i = 0; i < 1000; ++i) {
        std::uint64_t cursor = random();
        int steps = 0;
        do {
            cursor = in.scan(cursor, [](index_entry, partial_hash) {});
            ASSERT_LT(++steps, 100'000);
        } while (cursor != 0);
    }
}

TEST(index, refuses_a_key_when_a_slot_has_been_split_too_often) {
    // Hashes that share all low bits, each with its own bits far above: every insertion splits the one segment.
    index in;
    std::uint64_t inserted = 0;
    bool refused = false;
    for (std::uint64_t i = 0; i < 64 && !refused; ++i) {
        refused = !in.insert(i << 50, {i, 1});
        inserted += refused ? 0 : 1;
    }
    EXPECT_TRUE(refused);
    EXPECT_EQ(in.size(), inserted);
    for (std::uint64_t i = 0; i < inserted; ++i) {
        EXPECT_TRUE(has(in, i << 50, i));
    }
}

TEST(index, is_empty_and_usable_after_clear_and_reserve) {
    index in;
    for (std::uint64_t i = 0; i < 200'000; ++i) {
        ASSERT_TRUE(in.insert(hash_of(i), {i, 1}));
    }
    in.clear();
    EXPECT_EQ(in.size(), 0u);
    EXPECT_TRUE(candidates(in, hash_of(1)).empty());
    in.reserve(1'000'000);
    const std::size_t reserved = in.memory_bytes();
    for (std::uint64_t i = 0; i < 1'000'000; ++i) {
        ASSERT_TRUE(in.insert(hash_of(i), {i, 1}));
    }
    EXPECT_LT(in.memory_bytes(), reserved * 11 / 10);
}

}  // namespace
}  // namespace shale::kv
