// The engine's reads: bringing records from the storage into the cache.
//
// A load of a key reads every record whose index slot may be the key's, as a rule one. Records may move or be retired
// while they are being read, so what comes back is believed only if the index still points there; when the candidates
// have changed, the new ones are read as well. If none is the key, an entry saying so is cached.
#include <algorithm>
#include <utility>

#include <shale/core/base/fault_point.hh>

#include "engine.hh"
#include "hash.hh"

namespace shale::kv {

void load_set::reset() noexcept {
    SHALE_ASSERT(pending_ == 0, "{} reads are under way", pending_);
    pins_.clear();
    failure_.clear();
}

// One read, for a load of a key or, without one, of whatever is at that place.
struct engine::pending_read : storage_read {
    pending_read(engine& reader, index_entry at) : in(reader) { where = at; }

    static std::unique_ptr<pending_read> take(storage_read& part) noexcept {
        return std::unique_ptr<pending_read>(static_cast<pending_read*>(&part));
    }

    engine& in;
    pending_load* load = nullptr;
    load_set* set = nullptr;
};

// Caches the record that was read at `where`, unless it is dead or there is a newer entry. Null if it is dead.
cache_entry* engine::remember(const record& found, index_entry where) {
    const key_ref of = key(found.key);
    if (!has_record(of.hash, where.location)) {
        PROBE("kv.record_died_while_it_was_read");
        return nullptr;
    }
    cache_entry* entry = cache_.peek(of.hash, of.text);
    if (entry != nullptr) {
        PROBE("kv.key_was_cached_while_it_was_read");
        return entry->absent ? nullptr : entry;
    }
    entry = cache_.insert(of.hash, of.text, found.value.size());
    std::copy(found.value.begin(), found.value.end(), entry->value_data());
    entry->location = where.location;
    entry->size_class = where.size_class;
    entry->expire_ms = found.expire_ms;
    return entry;
}

void engine::settle(load_set& set, cache_entry* entry, const std::string& failure) noexcept {
    if (entry != nullptr) {
        set.pins_.emplace_back(*entry);
    }
    if (set.failure_.empty()) {
        set.failure_ = failure;
    }
    if (--set.pending_ == 0 && set.ready_ != nullptr) {
        set.ready_(set);
    }
}

void engine::load(key_ref key, load_set& set) {
    const auto [first, last] = loads_.equal_range(key.hash);
    const auto same = std::find_if(first, last, [&](const auto& other) { return other.second->text == key.text; });
    if (same != last) {
        PROBE("kv.loads_share_a_read");
        ++set.pending_;
        same->second->sets.push_back(&set);
        return;
    }
    auto added = std::make_unique<pending_load>(pending_load{std::string(key.text), key.hash});
    pending_load& load = *added;
    loads_.emplace(key.hash, std::move(added));
    ++set.pending_;
    load.sets.push_back(&set);
    read_candidates(load);
}

// Reads the candidates that were not read yet; when there are none, the load is finished.
void engine::read_candidates(pending_load& load) {
    std::vector<index_entry> candidates;
    index_.find(load.hash, [&](index_entry candidate) {
        if (std::find(load.seen.begin(), load.seen.end(), candidate.location) == load.seen.end()) {
            candidates.push_back(candidate);
        }
        return false;
    });
    if (candidates.empty() || !load.failure.empty() || cache_.peek(load.hash, load.text) != nullptr) {
        finish(load);
        return;
    }
    if (load.seen.size() + candidates.size() > 1) {
        PROBE("kv.load_reads_several_records");
    }
    load.reading = static_cast<unsigned>(candidates.size());
    for (const index_entry candidate : candidates) {
        load.seen.push_back(candidate.location);
        ++stats_.loads;
        auto* const started = new pending_read(*this, candidate);
        started->load = &load;
        started->done = [](storage_read& part) noexcept {
            const auto ended = pending_read::take(part);
            pending_load& of = *ended->load;
            if (ended->failure.empty()) {
                ended->in.remember(ended->found, ended->where);
            } else if (ended->in.has_record(of.hash, ended->where.location)) {
                of.failure = std::move(ended->failure);
            }
            if (--of.reading == 0) {
                ended->in.read_candidates(of);
            }
        };
        store_.read(*started);
    }
}

void engine::finish(pending_load& load) {
    cache_entry* entry = cache_.peek(load.hash, load.text);
    if (entry == nullptr && load.failure.empty()) {
        entry = cache_.insert(load.hash, load.text, 0);
        cache_.set_absent(*entry, true);
    }
    const auto [first, last] = loads_.equal_range(load.hash);
    const auto at = std::find_if(first, last, [&](const auto& other) { return other.second.get() == &load; });
    const std::unique_ptr<pending_load> done = std::move(at->second);
    loads_.erase(at);
    for (load_set* const set : done->sets) {
        settle(*set, entry, done->failure);
    }
}

cache_entry* engine::find_at(index_entry where, partial_hash hash) const noexcept {
    return cache_.find_location(where.location, hash);
}

void engine::load_at(index_entry where, load_set& set) {
    ++set.pending_;
    ++stats_.loads;
    auto* const started = new pending_read(*this, where);
    started->set = &set;
    started->done = [](storage_read& part) noexcept {
        const auto ended = pending_read::take(part);
        cache_entry* const entry = ended->failure.empty() ? ended->in.remember(ended->found, ended->where) : nullptr;
        ended->in.settle(*ended->set, entry, ended->failure);
    };
    store_.read(*started);
}

}  // namespace shale::kv
