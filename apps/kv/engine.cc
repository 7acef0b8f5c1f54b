// Finding, setting, erasing and expiring keys, all at once and in memory. engine_load.cc reads what is not there.
#include "engine.hh"

#include <algorithm>
#include <utility>

#include <shale/core/base/assert.hh>
#include <shale/core/base/fault_point.hh>

#include "hash.hh"
#include "size_class.hh"

namespace shale::kv {

namespace {

constexpr std::size_t record_overhead_max = 64;  // of a storage's own header and checksum

constexpr std::string_view index_full =
    "OOM the index of this shard cannot grow further in this run: restart the server to make room for more keys";

}  // namespace

engine::engine(storage& store, const engine_options& options)
    : store_(store), cache_(options.cache_bytes), hash_seed_(options.hash_seed) {}

key_ref engine::key(std::string_view text) const noexcept {
    return {text, hash_key(text, hash_seed_)};
}

bool engine::fits(std::string_view key, std::size_t value_bytes) noexcept {
    return key.size() + value_bytes + record_overhead_max <= largest_record;
}

engine::lookup engine::find(key_ref key, bool quiet) {
    cache_entry* const entry = cache_.find(key.hash, key.text);
    if (entry != nullptr && !entry->absent) {
        if (!is_expired(*entry)) [[likely]] {
            sequence_ = std::max(sequence_, entry->sequence);
            stats_.hits += quiet ? 0 : 1;
            return {presence::found, entry};
        }
        PROBE("kv.expired_key_met");
        expiry_.erase({entry->expire_ms, entry->hash});
        expire(entry);
    } else if (entry == nullptr && ((cache_.size() - cache_.absent() < index_.size() &&
                                     index_.find(key.hash, [](index_entry) { return true; })) ||
                                    FAULT("kv.lack_of_a_key_is_looked_up"))) {
        return {presence::unknown};
    }
    sequence_ = std::max(sequence_, last_erase_);
    stats_.misses += quiet ? 0 : 1;
    return {presence::absent};
}

void engine::prefetch(std::span<const std::string_view> keys) const noexcept {
    for (const std::string_view text : keys) {
        const std::uint64_t hash = key(text).hash;
        cache_.prefetch_bucket(hash);
        index_.prefetch(hash);
    }
    for (const std::string_view text : keys) {
        cache_.prefetch_entry(key(text).hash);
    }
}

void engine::forget(cache_entry* entry) noexcept {
    index_.erase(entry->hash, entry->location);
    store_.retire({entry->location, entry->size_class}, entry->key_size + entry->value_size);
    cache_.remove(entry);
}

// Its end is written in its record: nothing needs to be logged, now or later. But until that record is durable, a power
// loss would bring back what the key held before, and who finds it gone has to wait as after an erase.
void engine::expire(cache_entry* entry) noexcept {
    ++stats_.expired;
    last_erase_ = std::max(last_erase_, entry->sequence);
    forget(entry);
}

std::string_view engine::put(key_ref key, cache_entry* before, std::string_view value, std::int64_t expire_ms) {
    const auto appended = store_.append_put({key.text, value, expire_ms});
    if (!appended) {
        PROBE("kv.write_refused");
        return appended.error();
    }
    const storage::appended& added = *appended;
    sequence_ = added.sequence;
    cache_entry* entry = before;
    if (before != nullptr) {
        const bool replaced = index_.replace(key.hash, before->location, added.where);
        SHALE_ASSERT(replaced, "a cached key is not in the index at {}", before->location);
        store_.retire({before->location, before->size_class}, before->key_size + before->value_size);
        if (before->expire_ms != 0) {
            expiry_.erase({before->expire_ms, key.hash});
        }
        entry = cache_.resize(before, value.size());
    } else {
        if (!index_.insert(key.hash, added.where)) {
            PROBE("kv.index_full");
            sequence_ = store_.append_erase(key.text);
            store_.retire(added.where, key.text.size() + value.size());
            return index_full;
        }
        entry = cache_.peek(key.hash, key.text);
        if (entry != nullptr) {
            cache_.set_absent(*entry, false);
            entry = cache_.resize(entry, value.size());
        } else {
            entry = cache_.insert(key.hash, key.text, value.size());
        }
    }
    std::copy(value.begin(), value.end(), entry->value_data());
    entry->location = added.where.location;
    entry->size_class = added.where.size_class;
    entry->sequence = added.sequence;
    entry->expire_ms = expire_ms;
    if (expire_ms != 0) {
        expiry_.insert({expire_ms, key.hash});
    }
    return {};
}

void engine::erase(key_ref key, cache_entry* before) {
    last_erase_ = store_.append_erase(key.text);
    sequence_ = last_erase_;
    if (before->expire_ms != 0) {
        expiry_.erase({before->expire_ms, key.hash});
    }
    forget(before);
}

void engine::flush() {
    index empty;  // first: when memory runs out, nothing has been done
    last_erase_ = store_.append_flush();
    sequence_ = last_erase_;
    index_.swap(empty);
    cache_.clear();
    expiry_.clear();
}

std::size_t engine::memory_bytes() const noexcept {
    return cache_.bytes() + index_.memory_bytes() + expiry_.memory_bytes();
}

bool engine::has_record(std::uint64_t hash, std::uint64_t location) const noexcept {
    return index_.find(hash, [&](index_entry entry) { return entry.location == location; });
}

// Commits

bool engine::wait_committed(commit_waiter& waiter, std::uint64_t sequence) noexcept {
    SHALE_ASSERT(!is_committed(sequence), "{} is committed", sequence);
    if (failed_) {
        return false;
    }
    waiter.sequence = sequence;
    if (waiters_.empty() || waiters_.back().sequence <= sequence) {
        waiters_.push_back(waiter);
        return true;
    }
    auto after = waiters_.before_begin();
    while (std::next(after)->sequence <= sequence) {
        ++after;
    }
    waiters_.insert_after(after, waiter);
    return true;
}

void engine::failed() noexcept {
    PROBE("kv.log_failed");
    failed_ = true;
    while (!waiters_.empty()) {
        commit_waiter& waiter = waiters_.front();
        waiters_.pop_front();
        waiter.failed = true;
        waiter.ready(waiter);
    }
}

void engine::committed(std::uint64_t sequence) noexcept {
    while (!waiters_.empty() && waiters_.front().sequence <= sequence) {
        commit_waiter& waiter = waiters_.front();
        waiters_.pop_front();
        waiter.ready(waiter);
    }
}

// Expiry

std::optional<std::int64_t> engine::next_expiry_ms() const {
    const auto first = expiry_.front();
    return first ? std::optional(first->expire_ms) : std::nullopt;
}

// Removes the key of a due pair if it is in memory; else has its record read for `set`, or, without one, lets it be.
// Returns whether the pair is to be looked at again.
bool engine::expire_one(expiry_queue::pair due, load_set* set) {
    cache_entry* entry = cache_.find_hash(due.hash, due.expire_ms);
    if (entry != nullptr) {
        expire(entry);
        return false;
    }
    if (set == nullptr) {
        return false;
    }
    bool reading = false;
    std::vector<index_entry> candidates;
    index_.find(due.hash, [&](index_entry candidate) {
        candidates.push_back(candidate);
        return false;
    });
    for (const index_entry candidate : candidates) {
        PROBE("kv.expired_key_loaded_to_remove");
        load_at(candidate, *set);
        reading = true;
    }
    return reading;
}

unsigned engine::expire_some(unsigned max, load_set& set) {
    for (const expiry_queue::pair due : std::exchange(expiring_, {})) {
        expire_one(due, nullptr);
    }
    unsigned count = 0;
    while (count < max) {
        const auto due = expiry_.pop_due(now_ms_);
        if (!due) {
            break;
        }
        ++count;
        if (expire_one(*due, &set)) {
            expiring_.push_back(*due);
        }
    }
    return count;
}

// What a storage asks

bool engine::is_live(const record& stored, std::uint64_t location) const noexcept {
    return has_record(hash_key(stored.key, hash_seed_), location);
}

void engine::moved(const record& stored, std::uint64_t from, index_entry to) noexcept {
    const key_ref of = key(stored.key);
    const bool replaced = index_.replace(of.hash, from, to);
    SHALE_ASSERT(replaced, "no live record at {}", from);
    cache_entry* const entry = cache_.peek(of.hash, of.text);
    if (entry != nullptr && !entry->absent) {
        entry->location = to.location;
        entry->size_class = to.size_class;
    }
}

std::uint64_t engine::hash_of(std::string_view key) const noexcept {
    return hash_key(key, hash_seed_);
}

bool engine::recovered(std::uint64_t key_hash, std::int64_t expire_ms, index_entry where) {
    if (!index_.insert(key_hash, where)) {
        return false;
    }
    if (expire_ms != 0) {
        expiry_.insert({expire_ms, key_hash});
    }
    return true;
}

}  // namespace shale::kv
