// The promises of apps/kv/cache.hh.
#include <gtest/gtest.h>

#include <map>
#include <random>
#include <string>

#include <shale/apps/kv/cache.hh>
#include <shale/apps/kv/hash.hh>

namespace shale::kv {
namespace {

constexpr std::size_t unbounded = std::size_t{1} << 60;

std::uint64_t hash_of(std::string_view key) {
    return hash_key(key, 42);
}

cache_entry* add(cache& in, const std::string& key, const std::string& value) {
    cache_entry* const entry = in.insert(hash_of(key), key, value.size());
    std::copy(value.begin(), value.end(), entry->value_data());
    return entry;
}

TEST(cache, finds_what_it_holds_through_growth) {
    cache in(unbounded);
    for (int i = 0; i < 100'000; ++i) {
        cache_entry* const entry = add(in, "key" + std::to_string(i), std::to_string(i));
        entry->location = static_cast<std::uint64_t>(i);
    }
    EXPECT_EQ(in.size(), 100'000u);
    for (int i = 0; i < 100'000; ++i) {
        const std::string key = "key" + std::to_string(i);
        cache_entry* const entry = in.find(hash_of(key), key);
        ASSERT_NE(entry, nullptr);
        ASSERT_EQ(entry->value(), std::to_string(i));
        // By place, with as much of the hash as an index slot tells, or less.
        for (const unsigned bits : {30u, 12u}) {
            const partial_hash part{hash_of(key) & ((std::uint64_t{1} << bits) - 1), bits};
            ASSERT_EQ(in.find_location(static_cast<std::uint64_t>(i), part), entry);
        }
    }
    EXPECT_EQ(in.find(hash_of("other"), "other"), nullptr);
}

TEST(cache, accounts_every_byte_and_returns_to_nothing) {
    cache in(unbounded);
    const std::size_t empty = in.bytes();
    for (int i = 0; i < 100; ++i) {
        add(in, "key" + std::to_string(i), std::string(static_cast<std::size_t>(i) * 10, 'v'));
    }
    EXPECT_GT(in.bytes(), empty + 100 * (sizeof(cache_entry) + 4) + 49'500);
    EXPECT_LT(in.bytes(), empty + 100 * (sizeof(cache_entry) + 32) + 49'500);
    in.clear();
    EXPECT_EQ(in.bytes(), empty);
}

TEST(cache, keeps_to_its_budget_and_gives_up_what_was_not_used) {
    const std::string value(1000, 'v');
    cache in(200'000);
    for (int i = 0; i < 50; ++i) {
        add(in, "hot" + std::to_string(i), value);
    }
    for (int i = 0; i < 5000; ++i) {
        add(in, "cold" + std::to_string(i), value);
        const std::string hot = "hot" + std::to_string(i % 50);
        ASSERT_NE(in.find(hash_of(hot), hot), nullptr) << i;
        in.trim(0);
        ASSERT_LE(in.bytes(), in.bytes_max());
    }
    EXPECT_GT(in.evictions(), 4000u);
}

TEST(cache, never_gives_up_what_is_pinned_or_not_durable) {
    cache in(0);
    cache_entry* const pinned = add(in, "pinned", "1");
    cache_entry* const fresh = add(in, "fresh", "2");
    fresh->sequence = 10;
    cache::pin(*pinned);
    for (int i = 0; i < 10; ++i) {
        in.trim(9);
    }
    EXPECT_EQ(in.size(), 2u);
    cache::unpin(*pinned);
    in.trim(9);
    in.trim(9);
    EXPECT_EQ(in.size(), 1u);
    EXPECT_EQ(in.find(hash_of("pinned"), "pinned"), nullptr);
    in.trim(10);
    in.trim(10);
    EXPECT_EQ(in.size(), 0u);
}

TEST(cache, leaves_a_pinned_value_as_it_is_when_the_key_changes_or_goes) {
    cache in(unbounded);
    const std::size_t empty = in.bytes();
    cache_entry* const old = add(in, "key", "old value");
    const bytes_owner lent = cache::lend(*old);
    cache_entry* const moved = in.resize(old, 3);
    EXPECT_NE(moved, old);
    std::copy_n("new", 3, moved->value_data());
    EXPECT_EQ(old->value(), "old value");
    EXPECT_EQ(in.find(hash_of("key"), "key"), moved);
    EXPECT_EQ(in.size(), 1u);
    in.remove(moved);
    EXPECT_GT(in.bytes(), empty);
    lent.release(lent.owner);
    EXPECT_EQ(in.bytes(), empty);
}

TEST(cache, writes_a_value_of_about_the_same_size_in_place) {
    cache in(unbounded);
    cache_entry* const entry = add(in, "key", "0123456789");
    EXPECT_EQ(in.resize(entry, 10), entry);
    EXPECT_EQ(in.resize(entry, 9), entry);
    cache_entry* const grown = in.resize(entry, 100'000);
    EXPECT_EQ(grown->key(), "key");
    EXPECT_NE(in.resize(grown, 1), grown) << "a small value does not keep the memory of a large one";
}

TEST(cache, counts_entries_that_say_a_key_is_absent) {
    cache in(unbounded);
    cache_entry* const entry = add(in, "key", "");
    in.set_absent(*entry, true);
    EXPECT_EQ(in.absent(), 1u);
    cache_entry* const moved = in.resize(entry, 1000);
    EXPECT_EQ(in.absent(), 1u);
    in.set_absent(*moved, false);
    EXPECT_EQ(in.absent(), 0u);
    in.set_absent(*moved, true);
    in.remove(moved);
    EXPECT_EQ(in.absent(), 0u);
}

TEST(cache, agrees_with_a_map_under_random_changes) {
    std::mt19937_64 random(11);
    cache in(unbounded);
    const std::size_t empty = in.bytes();
    std::map<std::string, std::string> expected;
    for (int step = 0; step < 200'000; ++step) {
        const std::string key = "k" + std::to_string(random() % 3000);
        const std::string value(random() % 200, static_cast<char>('a' + random() % 26));
        cache_entry* entry = in.find(hash_of(key), key);
        ASSERT_EQ(entry != nullptr, expected.contains(key));
        if (entry == nullptr) {
            add(in, key, value);
            expected[key] = value;
        } else if (random() % 3 == 0) {
            in.remove(entry);
            expected.erase(key);
        } else {
            ASSERT_EQ(entry->value(), expected[key]);
            entry = in.resize(entry, value.size());
            std::copy(value.begin(), value.end(), entry->value_data());
            expected[key] = value;
        }
        ASSERT_EQ(in.size(), expected.size());
    }
    in.clear();
    EXPECT_EQ(in.bytes(), empty);
}

}  // namespace
}  // namespace shale::kv
