// One shard's keys: index, cache and expiry over a storage.
//
// Every operation is synchronous. find() answers from memory, or says that it cannot: then load() reads the record and
// tells when it is there, and the caller starts its command again from the beginning. Because a command runs only when
// all it needs is in memory, it runs in one go, and no key is ever locked.
//
// A write is in memory at once and durable later: put() and erase() return when the record is in the open batch, and
// sequence() tells what a reply must wait for. A read that saw a value, or the lack of one, that is not yet durable
// waits as well. wait_committed() calls back when it is.
//
// An expired key is gone for every reader at its millisecond; its memory goes when it is met, or by expire_some().
// Belongs to one shard.
#pragma once

#include <boost/intrusive/slist.hpp>

#include <algorithm>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "cache.hh"
#include "expiry.hh"
#include "index.hh"
#include "storage.hh"

namespace shale::kv {

/// A key with its hash, computed once a command.
struct key_ref {
    std::string_view text;
    std::uint64_t hash;
};

/// Told when a sequence number is durable. Belongs to who waits; one wait at a time, and none may be left.
struct commit_waiter {
    boost::intrusive::slist_member_hook<> hook;
    std::uint64_t sequence = 0;
    bool failed = false;  ///< it never will be
    void (*ready)(commit_waiter&) noexcept = nullptr;
};

/// Told once all it asked for is in memory, and keeps it there until reset. To be reset only while nothing is pending.
/// Use: hold(), any number of engine::load(), then release(); if that is false, `ready` will be called.
class load_set {
public:
    explicit load_set(void (*ready)(load_set&) noexcept = nullptr) noexcept : ready_(ready) {}
    load_set(const load_set&) = delete;
    load_set& operator=(const load_set&) = delete;
    ~load_set() { reset(); }

    void hold() noexcept { ++pending_; }
    /// True when everything is there already.
    bool release() noexcept { return --pending_ == 0; }
    bool pending() const noexcept { return pending_ != 0; }
    std::size_t held() const noexcept { return pins_.size(); }
    /// One line about a record that could not be read, or empty.
    const std::string& failure() const noexcept { return failure_; }
    void reset() noexcept;

private:
    friend class engine;
    unsigned pending_ = 0;
    std::vector<cache_pin> pins_;
    std::string failure_;
    void (*ready_)(load_set&) noexcept;
};

struct engine_options {
    std::size_t cache_bytes = std::size_t{256} << 20;
    std::uint64_t hash_seed = 0;
};

struct engine_stats {
    std::uint64_t hits = 0;    ///< finds of a key that exists, and
    std::uint64_t misses = 0;  ///< of one that does not
    std::uint64_t loads = 0;   ///< records read because they were not in memory
    std::uint64_t expired = 0;
};

class engine final : public storage_client {
public:
    enum class presence : std::uint8_t { found, absent, unknown };

    struct lookup {
        presence state;
        cache_entry* entry = nullptr;  ///< of a found key; valid until the next change
    };

    engine(storage& store, const engine_options& options);
    engine(const engine&) = delete;
    engine& operator=(const engine&) = delete;

    key_ref key(std::string_view text) const noexcept;

    /// The time that expiry goes by, Unix milliseconds; set before a row of commands.
    void set_now_ms(std::int64_t now_ms) noexcept { now_ms_ = now_ms; }
    std::int64_t now_ms() const noexcept { return now_ms_; }

    /// `unknown` asks for load(). Counts a hit or a miss unless `quiet`.
    lookup find(key_ref key, bool quiet = false);

    /// Asks the processor to bring what find() and put() of these keys look at, side by side.
    void prefetch(std::span<const std::string_view> keys) const noexcept;

    /// Reads what is needed to know about `key` on behalf of `set`, which is held. Several loads of one key are one
    /// read.
    void load(key_ref key, load_set& set);

    /// Whether a record of this key and value can exist.
    static bool fits(std::string_view key, std::size_t value_bytes) noexcept;

    /// Sets the key, for which find() has just said `found` (with this entry) or `absent` (null). `value` may lie in
    /// the entry only if that is pinned. Empty, or the error reply that says why it was not done.
    [[nodiscard]] std::string_view put(key_ref key, cache_entry* before, std::string_view value,
                                       std::int64_t expire_ms);

    /// Removes a found key.
    void erase(key_ref key, cache_entry* before);

    /// Removes all keys.
    void flush();

    /// What was read or written since reset_sequence() is durable once this is committed.
    std::uint64_t sequence() const noexcept { return sequence_; }
    void reset_sequence() noexcept { sequence_ = 0; }
    bool is_committed(std::uint64_t sequence) const noexcept { return sequence <= store_.committed(); }
    /// False, and no call, when nothing becomes durable any more.
    [[nodiscard]] bool wait_committed(commit_waiter& waiter, std::uint64_t sequence) noexcept;

    /// Looks at up to `max` keys that have expired and removes those in memory. The others are loaded on behalf of
    /// `set`, which is held, and removed by the next call once they are there. Returns how many it looked at.
    unsigned expire_some(unsigned max, load_set& set);
    std::optional<std::int64_t> next_expiry_ms() const;

    /// For scans: the entry of a record that index::scan() gave, or null when it is not in memory.
    cache_entry* find_at(index_entry where, partial_hash hash) const noexcept;
    void load_at(index_entry where, load_set& set);
    bool is_expired(const cache_entry& entry) const noexcept {
        return entry.expire_ms != 0 && entry.expire_ms <= now_ms_;
    }
    /// A read saw this entry outside of find().
    void saw(const cache_entry& entry) noexcept { sequence_ = std::max(sequence_, entry.sequence); }

    /// Gives back memory above the budget; to be called after a row of commands.
    void trim() noexcept { cache_.trim(store_.committed()); }

    std::size_t size() const noexcept { return index_.size(); }
    std::size_t expiring() const noexcept { return expiry_.size(); }
    std::size_t memory_bytes() const noexcept;
    const engine_stats& stats() const noexcept { return stats_; }
    void reset_stats() noexcept { stats_ = {}; }
    storage& store() noexcept { return store_; }
    const index& locations() const noexcept { return index_; }
    kv::cache& values() noexcept { return cache_; }

    // storage_client
    void committed(std::uint64_t sequence) noexcept override;
    bool is_live(const record& stored, std::uint64_t location) const noexcept override;
    void moved(const record& stored, std::uint64_t from, index_entry to) noexcept override;
    std::uint64_t hash_of(std::string_view key) const noexcept override;
    void expect_keys(std::size_t keys) override { index_.reserve(keys); }
    bool recovered(std::uint64_t key_hash, std::int64_t expire_ms, index_entry where) override;
    void failed() noexcept override;

private:
    struct pending_load {
        std::string text;
        std::uint64_t hash;
        std::vector<load_set*> sets = {};
        std::vector<std::uint64_t> seen = {};  // locations that were read
        unsigned reading = 0;
        std::string failure = {};
    };
    struct pending_read;

    bool has_record(std::uint64_t hash, std::uint64_t location) const noexcept;
    cache_entry* remember(const record& found, index_entry where);
    void forget(cache_entry* entry) noexcept;
    void expire(cache_entry* entry) noexcept;
    void read_candidates(pending_load& load);
    void finish(pending_load& load);
    void settle(load_set& set, cache_entry* entry, const std::string& failure) noexcept;
    bool expire_one(expiry_queue::pair due, load_set* set);

    using commit_waiters = boost::intrusive::slist<
        commit_waiter,
        boost::intrusive::member_hook<commit_waiter, boost::intrusive::slist_member_hook<>, &commit_waiter::hook>,
        boost::intrusive::cache_last<true>>;

    storage& store_;
    index index_;
    kv::cache cache_;
    expiry_queue expiry_;
    std::vector<expiry_queue::pair> expiring_;                                     // due, and being loaded
    std::unordered_multimap<std::uint64_t, std::unique_ptr<pending_load>> loads_;  // by key hash
    commit_waiters waiters_;                                                       // by sequence
    std::uint64_t hash_seed_;
    bool failed_ = false;
    std::uint64_t sequence_ = 0;
    std::uint64_t last_erase_ = 0;  // lacking a key may be the work of an erase or an end up to here
    std::int64_t now_ms_ = 0;
    engine_stats stats_;
};

}  // namespace shale::kv
