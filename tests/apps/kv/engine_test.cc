// The promises of apps/kv/engine.hh.
#include <gtest/gtest.h>

#include <map>
#include <memory>
#include <optional>
#include <random>
#include <string>

#include <shale/apps/kv/engine.hh>
#include <shale/apps/kv/memory_storage.hh>

namespace shale::kv {
namespace {

using presence = engine::presence;

struct fixture {
    explicit fixture(memory_storage::mode mode = memory_storage::mode::forget, std::size_t cache_bytes = 1u << 30)
        : store(mode), db(store, {.cache_bytes = cache_bytes, .hash_seed = 42}) {
        store.set_client(db);
        db.set_now_ms(1000);
    }

    presence state(std::string_view key) { return db.find(db.key(key)).state; }

    std::optional<std::string> get(std::string_view key) {
        engine::lookup at = db.find(db.key(key));
        if (at.state == presence::unknown) {
            load_set set;
            set.hold();
            db.load(db.key(key), set);
            EXPECT_TRUE(set.release());
            EXPECT_EQ(set.failure(), "");
            at = db.find(db.key(key));
            EXPECT_NE(at.state, presence::unknown);
            return at.state == presence::found ? std::optional<std::string>(at.entry->value()) : std::nullopt;
        }
        return at.state == presence::found ? std::optional<std::string>(at.entry->value()) : std::nullopt;
    }

    void set(std::string_view key, std::string_view value, std::int64_t expire_ms = 0) {
        get(key);
        const engine::lookup at = db.find(db.key(key));
        ASSERT_NE(at.state, presence::unknown);
        ASSERT_EQ(db.put(db.key(key), at.entry, value, expire_ms), "");
    }

    bool erase(std::string_view key) {
        get(key);
        const engine::lookup at = db.find(db.key(key));
        EXPECT_NE(at.state, presence::unknown);
        if (at.state == presence::found) {
            db.erase(db.key(key), at.entry);
        }
        return at.state == presence::found;
    }

    void evict_everything() {
        db.values().set_bytes_max(0);
        for (int i = 0; i < 1000 && db.values().size() > 0; ++i) {
            db.trim();
        }
    }

    memory_storage store;
    engine db;
};

TEST(engine, finds_what_was_put_and_not_what_was_erased) {
    fixture f;
    EXPECT_EQ(f.get("a"), std::nullopt);
    f.set("a", "1");
    EXPECT_EQ(f.get("a"), "1");
    f.set("a", "two");
    EXPECT_EQ(f.get("a"), "two");
    EXPECT_EQ(f.db.size(), 1u);
    EXPECT_TRUE(f.erase("a"));
    EXPECT_FALSE(f.erase("a"));
    EXPECT_EQ(f.db.size(), 0u);
    EXPECT_EQ(f.get("a"), std::nullopt);
}

TEST(engine, reads_back_what_was_evicted) {
    fixture f(memory_storage::mode::keep);
    f.set("a", "1", 5000);
    f.set("b", "2");
    f.evict_everything();
    EXPECT_EQ(f.db.values().size(), 0u);
    EXPECT_EQ(f.state("a"), presence::unknown);
    EXPECT_EQ(f.get("a"), "1");
    EXPECT_EQ(f.db.find(f.db.key("a")).entry->expire_ms, 5000);
    EXPECT_EQ(f.get("b"), "2");
    EXPECT_EQ(f.db.stats().loads, 2u);
}

TEST(engine, keeps_what_was_loaded_until_the_set_is_reset) {
    fixture f(memory_storage::mode::keep);
    f.set("a", "1");
    f.evict_everything();
    load_set set;
    set.hold();
    f.db.load(f.db.key("a"), set);
    ASSERT_TRUE(set.release());
    for (int i = 0; i < 10; ++i) {
        f.db.trim();
    }
    EXPECT_EQ(f.state("a"), presence::found);
    set.reset();
    f.db.trim();
    f.db.trim();
    EXPECT_EQ(f.state("a"), presence::unknown);
}

TEST(engine, joins_loads_of_one_key_into_one_read) {
    fixture f(memory_storage::mode::keep);
    f.set("a", "1");
    f.evict_everything();
    f.store.hold();
    static int ready;
    ready = 0;
    load_set first([](load_set&) noexcept { ++ready; });
    load_set second([](load_set&) noexcept { ++ready; });
    for (load_set* const set : {&first, &second}) {
        set->hold();
        f.db.load(f.db.key("a"), *set);
        EXPECT_FALSE(set->release());
    }
    EXPECT_EQ(f.store.reads_waiting(), 1u);
    f.store.finish_read();
    EXPECT_EQ(ready, 2);
    EXPECT_EQ(f.state("a"), presence::found);
}

TEST(engine, follows_a_record_that_moves_while_it_is_read) {
    fixture f(memory_storage::mode::keep);
    f.set("a", "1");
    f.evict_everything();
    f.store.hold();
    load_set set;
    set.hold();
    f.db.load(f.db.key("a"), set);
    EXPECT_FALSE(set.release());
    f.store.move_everything();
    f.store.finish_read();
    EXPECT_TRUE(set.pending()) << "the old place says nothing; the new one has to be read";
    f.store.finish_read();
    EXPECT_FALSE(set.pending());
    EXPECT_EQ(f.get("a"), "1");
}

TEST(engine, does_not_believe_a_record_that_was_overwritten_while_it_was_read) {
    fixture f(memory_storage::mode::keep);
    f.set("a", "old");
    f.evict_everything();
    f.store.hold();
    load_set first;
    first.hold();
    f.db.load(f.db.key("a"), first);
    f.store.finish_read();
    ASSERT_TRUE(first.release());
    f.evict_everything();
    load_set second;
    second.hold();
    f.db.load(f.db.key("a"), second);
    f.set("a", "new");  // another command that got hold of the key first
    EXPECT_EQ(f.get("a"), "new");
    while (f.store.reads_waiting() > 0) {
        f.store.finish_read();
    }
    second.release();
    EXPECT_EQ(f.get("a"), "new");
}

TEST(engine, says_what_could_not_be_read_and_can_be_asked_again) {
    fixture f(memory_storage::mode::keep);
    f.set("a", "1");
    f.evict_everything();
    f.store.hold();
    load_set set;
    set.hold();
    f.db.load(f.db.key("a"), set);
    EXPECT_FALSE(set.release());
    f.store.fail_read("segment 3: bad checksum at 4096");
    EXPECT_FALSE(set.pending());
    EXPECT_EQ(set.failure(), "segment 3: bad checksum at 4096");
    EXPECT_EQ(f.state("a"), presence::unknown) << "damage is not absence";
}

TEST(engine, makes_replies_wait_for_the_writes_they_saw) {
    fixture f(memory_storage::mode::keep);
    f.set("old", "0");
    f.store.hold();
    f.store.commit();

    f.db.reset_sequence();
    f.get("old");
    EXPECT_TRUE(f.db.is_committed(f.db.sequence()));
    f.db.reset_sequence();
    f.set("a", "1");
    const std::uint64_t write = f.db.sequence();
    EXPECT_FALSE(f.db.is_committed(write));

    f.db.reset_sequence();
    f.get("a");
    EXPECT_EQ(f.db.sequence(), write) << "a read of a value that is not durable";
    f.db.reset_sequence();
    f.erase("old");
    const std::uint64_t erase = f.db.sequence();
    f.db.reset_sequence();
    f.get("old");
    EXPECT_GE(f.db.sequence(), erase) << "a read of a key whose end is not durable";

    static std::string order;
    order.clear();
    struct named : commit_waiter {
        char name = 0;
    };
    named waiters[3];
    for (int i = 0; i < 3; ++i) {
        waiters[i].name = static_cast<char>('a' + i);
        waiters[i].ready = [](commit_waiter& w) noexcept { order += static_cast<named&>(w).name; };
    }
    ASSERT_TRUE(f.db.wait_committed(waiters[0], erase));
    ASSERT_TRUE(f.db.wait_committed(waiters[1], write));
    ASSERT_TRUE(f.db.wait_committed(waiters[2], erase));
    f.store.commit();
    EXPECT_EQ(order, "bac");
}

TEST(engine, tells_those_that_wait_when_nothing_becomes_durable_any_more) {
    fixture f(memory_storage::mode::keep);
    f.store.hold();
    f.set("a", "1");
    static int told;
    told = 0;
    commit_waiter waiter;
    waiter.ready = [](commit_waiter& w) noexcept { told += w.failed ? 1 : 0; };
    ASSERT_TRUE(f.db.wait_committed(waiter, f.db.sequence()));
    f.db.failed();
    EXPECT_EQ(told, 1);
    EXPECT_FALSE(f.db.wait_committed(waiter, f.db.sequence()));
}

TEST(engine, changes_nothing_when_the_storage_refuses) {
    fixture f(memory_storage::mode::keep);
    f.set("a", "1");
    f.store.refuse("MISCONF disk full");
    EXPECT_EQ(f.db.put(f.db.key("a"), f.db.find(f.db.key("a")).entry, "2", 0), "MISCONF disk full");
    EXPECT_EQ(f.db.put(f.db.key("b"), nullptr, "2", 0), "MISCONF disk full");
    EXPECT_EQ(f.get("a"), "1");
    EXPECT_EQ(f.get("b"), std::nullopt);
    EXPECT_TRUE(f.erase("a"));
}

TEST(engine, hides_an_expired_key_at_its_millisecond_and_forgets_it) {
    fixture f;
    f.set("a", "1", 2000);
    f.db.set_now_ms(1999);
    EXPECT_EQ(f.get("a"), "1");
    f.db.set_now_ms(2000);
    EXPECT_EQ(f.get("a"), std::nullopt);
    EXPECT_EQ(f.db.size(), 0u);
    EXPECT_EQ(f.db.expiring(), 0u);
    EXPECT_EQ(f.db.stats().expired, 1u);
}

TEST(engine, removes_expired_keys_that_nobody_asks_for_also_from_the_disk) {
    fixture f(memory_storage::mode::keep);
    for (int i = 0; i < 100; ++i) {
        f.set("k" + std::to_string(i), "v", i < 60 ? 2000 : 3000);
    }
    f.evict_everything();
    for (int i = 0; i < 30; ++i) {
        f.get("k" + std::to_string(i));
    }
    f.db.set_now_ms(2500);
    load_set set;
    unsigned looked = 0;
    for (int round = 0; round < 20; ++round) {
        set.hold();
        looked += f.db.expire_some(10, set);
        ASSERT_TRUE(set.release());
    }
    EXPECT_EQ(looked, 60u);
    EXPECT_EQ(f.db.size(), 40u);
    EXPECT_EQ(f.db.expiring(), 40u);
    EXPECT_EQ(f.db.next_expiry_ms(), 3000);
}

TEST(engine, forgets_the_old_end_of_a_key_that_is_overwritten) {
    fixture f;
    f.set("a", "1", 2000);
    f.set("a", "2", 5000);
    EXPECT_EQ(f.db.expiring(), 1u);
    f.set("a", "3");
    EXPECT_EQ(f.db.expiring(), 0u);
    f.db.set_now_ms(9000);
    EXPECT_EQ(f.get("a"), "3");
}

TEST(engine, is_empty_after_flush) {
    fixture f(memory_storage::mode::keep);
    f.set("a", "1", 5000);
    f.set("b", "2");
    f.evict_everything();
    f.db.flush();
    EXPECT_EQ(f.db.size(), 0u);
    EXPECT_EQ(f.state("a"), presence::absent);
    EXPECT_EQ(f.db.expiring(), 0u);
    f.set("a", "3");
    EXPECT_EQ(f.get("a"), "3");
}

// The model: a map. The engine has room for a tenth of the values, and records move all the time.
TEST(engine, agrees_with_a_map_while_values_are_evicted_moved_and_expire) {
    fixture f(memory_storage::mode::keep, 100'000);
    std::mt19937_64 random(17);
    struct expected_value {
        std::string value;
        std::int64_t expire_ms;
    };
    std::map<std::string, expected_value> expected;
    std::int64_t now = 1000;
    load_set expiring;
    for (int step = 0; step < 60'000; ++step) {
        f.db.set_now_ms(now += static_cast<std::int64_t>(random() % 3));
        std::erase_if(expected, [&](const auto& e) { return e.second.expire_ms != 0 && e.second.expire_ms <= now; });
        const std::string key = "key" + std::to_string(random() % 2000);
        switch (random() % 8) {
            case 0:
            case 1:
            case 2: {
                const std::string value(random() % 300, static_cast<char>('a' + random() % 26));
                const std::int64_t end = random() % 3 == 0 ? now + 1 + static_cast<std::int64_t>(random() % 5000) : 0;
                f.set(key, value, end);
                expected[key] = {value, end};
                break;
            }
            case 3:
                ASSERT_EQ(f.erase(key), expected.erase(key) == 1);
                break;
            case 4:
                expiring.hold();
                f.db.expire_some(3, expiring);
                ASSERT_TRUE(expiring.release());
                break;
            default: {
                const auto at = expected.find(key);
                ASSERT_EQ(f.get(key), at == expected.end() ? std::nullopt : std::optional(at->second.value)) << key;
            }
        }
        if (step % 5000 == 0) {
            f.store.move_everything();
        }
        f.db.trim();
    }
    EXPECT_GT(f.db.values().evictions(), 1000u);
    for (const auto& [key, value] : expected) {
        ASSERT_EQ(f.get(key), value.value);
    }
}

// A reader who saw the key gone must not see what was there before it, should the write be lost with the power.
TEST(engine, has_readers_of_an_expired_key_wait_for_the_write_that_gave_it_its_end) {
    for (const bool met_by_expiry : {false, true}) {
        fixture f(memory_storage::mode::keep);
        f.store.hold();
        f.set("a", "kept");
        f.store.commit();
        f.set("a", "short", 1001);
        const std::uint64_t written = f.store.appended_sequence();
        ASSERT_LT(f.store.committed(), written);
        f.db.set_now_ms(1002);
        if (met_by_expiry) {
            load_set loads;
            loads.hold();
            EXPECT_EQ(f.db.expire_some(10, loads), 1U);
            EXPECT_TRUE(loads.release());
        }
        f.db.reset_sequence();
        EXPECT_EQ(f.state("a"), presence::absent);
        EXPECT_GE(f.db.sequence(), written);
    }
}

}  // namespace
}  // namespace shale::kv
