// The values of a shard that are in memory: a hash table of entries with a byte budget and CLOCK replacement.
//
// An entry holds a key, its value and what the engine needs to know of its newest record, in one allocation. Entries
// are found by hash and key. The table grows by linear hashing, one bucket an insertion, so that no insertion waits for
// a rehash. Replacement is second chance: an entry used since the hand last passed is passed over once. An entry is not
// given up while it is pinned (its value is being sent, or a command waits for it) or while its record is not yet
// durable, for then memory is the only place to read it from. An entry that is replaced while pinned leaves the table
// at once and its memory with the last pin. bytes() counts everything: entries, their allocator overhead, the table.
// Belongs to one shard, pins included.
#pragma once

#include <boost/intrusive/list.hpp>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string_view>
#include <utility>
#include <vector>

#include "index.hh"
#include "output.hh"

namespace shale::kv {

class cache;

/// A key in memory. The cache's users read all of it, and write the fields in the first group.
struct cache_entry {
    std::uint64_t location = 0;  ///< of its newest record
    std::uint64_t sequence = 0;  ///< of its newest record; no eviction before this is committed
    std::int64_t expire_ms = 0;  ///< Unix time, 0: never
    unsigned size_class = 0;     ///< of its newest record
    bool absent = false;         ///< no such key exists: the answer of a look at the disk

    bool referenced = false;
    bool detached = false;  // not in the table any more; freed with the last pin
    std::uint32_t pins = 0;
    std::uint32_t key_size = 0;
    std::uint32_t value_size = 0;
    std::uint32_t capacity = 0;  // bytes behind this header
    std::uint64_t hash = 0;
    union {
        cache_entry* next;  // in its bucket
        cache* home;        // when detached
    };
    boost::intrusive::list_member_hook<> clock;

    cache_entry() noexcept : next(nullptr) {}

    char* data() noexcept { return reinterpret_cast<char*>(this + 1); }
    const char* data() const noexcept { return reinterpret_cast<const char*>(this + 1); }
    std::string_view key() const noexcept { return {data(), key_size}; }
    std::string_view value() const noexcept { return {data() + key_size, value_size}; }
    char* value_data() noexcept { return data() + key_size; }
};

class cache {
public:
    explicit cache(std::size_t bytes_max) noexcept;
    ~cache();
    cache(const cache&) = delete;
    cache& operator=(const cache&) = delete;

    std::size_t size() const noexcept { return size_; }
    std::size_t absent() const noexcept { return absent_; }  ///< entries that say a key does not exist
    std::size_t bytes() const noexcept { return bytes_; }
    std::size_t bytes_max() const noexcept { return bytes_max_; }
    std::uint64_t evictions() const noexcept { return evictions_; }
    void set_bytes_max(std::size_t bytes_max) noexcept { bytes_max_ = bytes_max; }

    /// The entry of this key, or null. Marks it as used.
    cache_entry* find(std::uint64_t hash, std::string_view key) noexcept {
        cache_entry* const entry = peek(hash, key);
        if (entry != nullptr) {
            entry->referenced = true;
        }
        return entry;
    }
    cache_entry* peek(std::uint64_t hash, std::string_view key) const noexcept;

    /// The entry of a key of this hash that ends at this time, or null.
    cache_entry* find_hash(std::uint64_t hash, std::int64_t expire_ms) const noexcept;

    /// The entry of the record at this location, of whose hash this much is known, or null.
    cache_entry* find_location(std::uint64_t location, partial_hash hash) const noexcept;

    /// Asks the processor to bring what find() will look at first, and then, once that is there, the entry; worth it
    /// before a run of several.
    void prefetch_bucket(std::uint64_t hash) const noexcept { __builtin_prefetch(bucket_of(hash)); }
    void prefetch_entry(std::uint64_t hash) const noexcept;

    /// Adds the entry of a key that has none, with room for a value of `value_size` bytes (uninitialised).
    cache_entry* insert(std::uint64_t hash, std::string_view key, std::size_t value_size);

    /// Gives the entry room for another value of `value_size` bytes (uninitialised). It may be another entry
    /// afterwards: when it has to move, or when the old value is pinned.
    cache_entry* resize(cache_entry* entry, std::size_t value_size);

    void set_absent(cache_entry& entry, bool absent) noexcept;

    /// Takes the entry out of the table; its memory goes now or with its last pin.
    void remove(cache_entry* entry) noexcept;

    void clear() noexcept;

    /// Evicts until the budget is kept, as far as pins and commits (`committed`) allow. A call looks at a bounded
    /// number of entries.
    void trim(std::uint64_t committed) noexcept;

    static void pin(cache_entry& entry) noexcept { ++entry.pins; }
    static void unpin(cache_entry& entry) noexcept;
    /// A pin in the form in which outputs hold it.
    static bytes_owner lend(cache_entry& entry) noexcept;

    /// Calls `visit(cache_entry&)` for each entry, in no particular order; it must not change the cache.
    template <class Visit>
    void for_each(Visit&& visit) {
        for (cache_entry& entry : clock_) {
            visit(entry);
        }
    }

private:
    static constexpr std::size_t segment_buckets = 4096;
    using clock_list = boost::intrusive::list<
        cache_entry,
        boost::intrusive::member_hook<cache_entry, boost::intrusive::list_member_hook<>, &cache_entry::clock>>;
    using segment = std::unique_ptr<cache_entry*[]>;

    cache_entry** bucket_of(std::uint64_t hash) const noexcept {
        std::size_t at = hash & (2 * base_ - 1);
        if (at >= buckets_) {
            at &= base_ - 1;
        }
        return &segments_[at / segment_buckets][at % segment_buckets];
    }
    static std::size_t entry_bytes(const cache_entry& entry) noexcept;
    cache_entry* allocate(std::uint64_t hash, std::string_view key, std::size_t value_size);
    void link(cache_entry* entry) noexcept;
    void unlink(cache_entry* entry) noexcept;
    void drop(cache_entry* entry) noexcept;
    void grow();

    std::size_t bytes_max_;
    std::size_t bytes_ = 0;
    std::size_t size_ = 0;
    std::size_t absent_ = 0;
    std::uint64_t evictions_ = 0;
    std::vector<segment> segments_;
    std::size_t buckets_ = 0;  // in use
    std::size_t base_ = 0;     // the largest power of two that is not above it
    clock_list clock_;         // the hand is at its front
};

/// Holds a pin.
class cache_pin {
public:
    explicit cache_pin(cache_entry& entry) noexcept : entry_(&entry) { cache::pin(entry); }
    cache_pin(cache_pin&& other) noexcept : entry_(std::exchange(other.entry_, nullptr)) {}
    cache_pin& operator=(cache_pin&& other) noexcept {
        std::swap(entry_, other.entry_);
        return *this;
    }
    ~cache_pin() {
        if (entry_ != nullptr) {
            cache::unpin(*entry_);
        }
    }

private:
    cache_entry* entry_;
};

}  // namespace shale::kv
