// The cache's table, its clock hand and its accounts. See cache.hh for what holds; the one thing to know here is that
// an entry that is pinned or not yet committed is passed over, never freed.
#include "cache.hh"

#include <algorithm>
#include <bit>
#include <cstdlib>
#include <new>

#include <shale/core/base/assert.hh>
#include <shale/core/base/fault_point.hh>

namespace shale::kv {

namespace {

constexpr std::size_t allocator_overhead = 8;
constexpr unsigned looks_max = 256;  // of one trim()
constexpr std::size_t granule = 16;
constexpr std::size_t prefetched_lines = 4;

// What the allocator rounds up to anyway is used.
std::size_t capacity_for(std::size_t bytes) noexcept {
    return (bytes + sizeof(cache_entry) + granule - 1) / granule * granule - sizeof(cache_entry);
}

}  // namespace

cache::cache(std::size_t bytes_max) noexcept : bytes_max_(bytes_max) {
    segments_.push_back(std::make_unique<cache_entry*[]>(segment_buckets));
    buckets_ = segment_buckets;
    base_ = segment_buckets;
    bytes_ = segment_buckets * sizeof(cache_entry*);
}

cache::~cache() {
    clear();
}

std::size_t cache::entry_bytes(const cache_entry& entry) noexcept {
    return sizeof(cache_entry) + entry.capacity + allocator_overhead;
}

cache_entry* cache::peek(std::uint64_t hash, std::string_view key) const noexcept {
    cache_entry* entry = *bucket_of(hash);
    while (entry != nullptr && (entry->hash != hash || entry->key() != key)) {
        entry = entry->next;
    }
    return entry;
}

// The header, the key and a short value: what is behind them the processor sees coming.
void cache::prefetch_entry(std::uint64_t hash) const noexcept {
    constexpr std::size_t line = 64;
    const auto* const at = reinterpret_cast<const char*>(*bucket_of(hash));
    for (std::size_t i = 0; at != nullptr && i < prefetched_lines; ++i) {
        __builtin_prefetch(at + i * line);
    }
}

cache_entry* cache::find_hash(std::uint64_t hash, std::int64_t expire_ms) const noexcept {
    cache_entry* entry = *bucket_of(hash);
    while (entry != nullptr && (entry->hash != hash || entry->expire_ms != expire_ms || entry->absent)) {
        entry = entry->next;
    }
    return entry;
}

cache_entry* cache::find_location(std::uint64_t location, partial_hash hash) const noexcept {
    // Bits that are not known are tried in all combinations; as a rule there are none.
    const auto needed = static_cast<unsigned>(std::countr_zero(2 * base_));
    const std::uint64_t combinations = needed > hash.bits ? std::uint64_t{1} << (needed - hash.bits) : 1;
    for (std::uint64_t high = 0; high < combinations; ++high) {
        const std::uint64_t guess = combinations == 1 ? hash.low : hash.low | high << hash.bits;
        for (cache_entry* entry = *bucket_of(guess); entry != nullptr; entry = entry->next) {
            if (entry->location == location && !entry->absent) {
                return entry;
            }
        }
    }
    return nullptr;
}

cache_entry* cache::allocate(std::uint64_t hash, std::string_view key, std::size_t value_size) {
    const std::size_t capacity = capacity_for(key.size() + value_size);
    void* const memory = std::malloc(sizeof(cache_entry) + capacity);
    if (memory == nullptr) {
        throw std::bad_alloc();
    }
    auto* const entry = new (memory) cache_entry;
    entry->hash = hash;
    entry->capacity = static_cast<std::uint32_t>(capacity);
    entry->key_size = static_cast<std::uint32_t>(key.size());
    entry->value_size = static_cast<std::uint32_t>(value_size);
    std::copy(key.begin(), key.end(), entry->data());
    bytes_ += entry_bytes(*entry);
    return entry;
}

void cache::link(cache_entry* entry) noexcept {
    cache_entry** const bucket = bucket_of(entry->hash);
    entry->next = *bucket;
    *bucket = entry;
    clock_.push_back(*entry);
    ++size_;
}

void cache::unlink(cache_entry* entry) noexcept {
    cache_entry** at = bucket_of(entry->hash);
    while (*at != entry) {
        at = &(*at)->next;
    }
    *at = entry->next;
    clock_.erase(clock_.iterator_to(*entry));
    --size_;
}

// Splits one bucket: number buckets_ - base_ shares its entries with the new number buckets_.
void cache::grow() {
    if (buckets_ % segment_buckets == 0) {
        segments_.push_back(std::make_unique<cache_entry*[]>(segment_buckets));
        bytes_ += segment_buckets * sizeof(cache_entry*);
    }
    const std::size_t from = buckets_ - base_;
    cache_entry* entry = std::exchange(segments_[from / segment_buckets][from % segment_buckets], nullptr);
    ++buckets_;
    if (buckets_ == 2 * base_) {
        base_ *= 2;
    }
    while (entry != nullptr) {
        cache_entry* const next = entry->next;
        cache_entry** const bucket = bucket_of(entry->hash);
        entry->next = *bucket;
        *bucket = entry;
        entry = next;
    }
}

cache_entry* cache::insert(std::uint64_t hash, std::string_view key, std::size_t value_size) {
    if (size_ >= buckets_) {
        grow();
    }
    cache_entry* const entry = allocate(hash, key, value_size);
    link(entry);
    return entry;
}

cache_entry* cache::resize(cache_entry* entry, std::size_t value_size) {
    const std::size_t bytes = entry->key_size + value_size;
    const bool roomy = entry->capacity > 4 * bytes + 256;
    if (bytes <= entry->capacity && !roomy && entry->pins == 0) {
        entry->value_size = static_cast<std::uint32_t>(value_size);
        return entry;
    }
    cache_entry* const moved = allocate(entry->hash, entry->key(), value_size);
    moved->location = entry->location;
    moved->sequence = entry->sequence;
    moved->expire_ms = entry->expire_ms;
    moved->size_class = entry->size_class;
    moved->referenced = true;
    set_absent(*moved, entry->absent);
    remove(entry);
    link(moved);
    return moved;
}

void cache::set_absent(cache_entry& entry, bool absent) noexcept {
    if (entry.absent != absent) {
        entry.absent = absent;
        absent_ += absent ? 1 : std::size_t{0} - 1;
    }
}

void cache::drop(cache_entry* entry) noexcept {
    bytes_ -= entry_bytes(*entry);
    entry->~cache_entry();
    std::free(entry);
}

void cache::remove(cache_entry* entry) noexcept {
    unlink(entry);
    absent_ -= entry->absent ? 1 : 0;
    if (entry->pins == 0) {
        drop(entry);
    } else {
        entry->detached = true;
        entry->home = this;
    }
}

void cache::unpin(cache_entry& entry) noexcept {
    SHALE_ASSERT(entry.pins > 0);
    if (--entry.pins == 0 && entry.detached) {
        entry.home->drop(&entry);
    }
}

bytes_owner cache::lend(cache_entry& entry) noexcept {
    pin(entry);
    return {&entry, [](void* owner) noexcept { unpin(*static_cast<cache_entry*>(owner)); }};
}

void cache::clear() noexcept {
    while (!clock_.empty()) {
        remove(&clock_.front());
    }
}

void cache::trim(std::uint64_t committed) noexcept {
    // Without a limit there may be no other place to read it from.
    const std::size_t most = bytes_max_ != std::size_t(-1) && FAULT("kv.cache_evicts") ? 0 : bytes_max_;
    for (unsigned looks = 0; bytes_ > most && looks < looks_max && !clock_.empty(); ++looks) {
        cache_entry& entry = clock_.front();
        if (entry.referenced || entry.pins != 0 || entry.sequence > committed) {
            entry.referenced = false;
            clock_.splice(clock_.end(), clock_, clock_.begin());
        } else {
            remove(&entry);
            ++evictions_;
        }
    }
}

}  // namespace shale::kv
