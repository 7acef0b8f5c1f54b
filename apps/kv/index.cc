// Splitting segments and placing slots. See index.hh for the layout of a slot and what scans are promised.
#include "index.hh"

#include <algorithm>
#include <utility>

#include <shale/core/base/assert.hh>
#include <shale/core/base/bytes.hh>

namespace shale::kv {

index::index() : index(depth_initial) {}

index::index(unsigned depth) {
    try {
        build(depth);
    } catch (...) {
        destroy();
        throw;
    }
}

index::~index() {
    destroy();
}

index::segment* index::add_segment(unsigned depth, std::uint64_t suffix) {
    auto* const added = new segment;
    added->depth = depth;
    added->suffix = suffix;
    ++segments_;
    return added;
}

void index::build(unsigned depth) {
    depth_ = depth;
    directory_.assign(std::size_t{1} << depth, nullptr);
    for (std::size_t i = 0; i < directory_.size(); ++i) {
        directory_[i] = add_segment(depth, i);
    }
}

void index::destroy() noexcept {
    // Downwards, because of the places that refer to a segment the one of its own number is the lowest.
    for (std::size_t i = directory_.size(); i-- > 0;) {
        if (directory_[i] != nullptr && directory_[i]->suffix == i) {
            delete directory_[i];
        }
    }
    directory_.clear();
    segments_ = 0;
    size_ = 0;
}

void index::swap(index& other) noexcept {
    directory_.swap(other.directory_);
    std::swap(depth_, other.depth_);
    std::swap(size_, other.size_);
    std::swap(segments_, other.segments_);
}

void index::clear() {
    index fresh;
    swap(fresh);
}

void index::reserve(std::size_t keys) {
    SHALE_ASSERT(size_ == 0, "the index holds {} keys", size_);
    constexpr std::size_t comfortable = bucket_count * bucket_slots * 3 / 4;
    unsigned depth = depth_initial;
    while ((comfortable << depth) < keys && depth < depth_max) {
        ++depth;
    }
    if (depth != depth_) {
        index larger(depth);
        swap(larger);
    }
}

std::size_t index::memory_bytes() const noexcept {
    return segments_ * sizeof(segment) + directory_.capacity() * sizeof(segment*);
}

bool index::place(segment& into, std::uint64_t hash, index_entry entry) noexcept {
    const unsigned home = home_of(hash);
    for (unsigned moved = 0; moved <= moved_max; ++moved) {
        for (std::uint64_t& slot : into.buckets[(home + moved) % bucket_count]) {
            if (slot == 0) {
                slot = (tag_of(hash, into.depth) << 2 | moved) << 48 |
                       std::uint64_t{entry.size_class} << location_bits | entry.location;
                if (moved != 0) {
                    into.set_overflowed(home);
                }
                return true;
            }
        }
    }
    return false;
}

bool index::insert(std::uint64_t hash, index_entry entry) {
    SHALE_ASSERT(entry.location <= location_mask && entry.size_class < 64, "location {} class {}", entry.location,
                 entry.size_class);
    while (!place(*segment_of(hash), hash, entry)) {
        if (!split(*segment_of(hash))) {
            return false;
        }
    }
    ++size_;
    return true;
}

// `full` keeps the slots whose next hash bit is 0; those with a 1 go to a new segment.
bool index::split(segment& full) {
    // A tag of a leading 1 alone cannot tell where its slot belongs.
    const auto used_up = [](std::uint64_t slot) { return slot != 0 && slot >> 51 == 0; };
    for (const auto& bucket : full.buckets) {
        if (std::any_of(bucket.begin(), bucket.end(), used_up)) {
            return false;
        }
    }
    if (full.depth == depth_max) {
        return false;
    }
    if (full.depth == depth_) {
        const std::size_t half = directory_.size();
        directory_.resize(2 * half);
        std::copy_n(directory_.begin(), half, directory_.begin() + static_cast<std::ptrdiff_t>(half));
        ++depth_;
    }
    const std::uint64_t step = std::uint64_t{1} << full.depth;
    segment& upper = *add_segment(full.depth + 1, full.suffix | step);
    ++full.depth;
    std::fill(std::begin(full.overflowed), std::end(full.overflowed), 0);

    constexpr std::uint64_t below_tag = (std::uint64_t{1} << 50) - 1;
    for (unsigned b = 0; b < bucket_count; ++b) {
        for (unsigned s = 0; s < bucket_slots; ++s) {
            const std::uint64_t slot = std::exchange(full.buckets[b][s], 0);
            if (slot == 0) {
                continue;
            }
            segment& into = (slot >> 50 & 1) != 0 ? upper : full;
            into.buckets[b][s] = slot >> 51 << 50 | (slot & below_tag);
            if (const auto moved = static_cast<unsigned>(slot >> 48) & 3; moved != 0) {
                into.set_overflowed((b - moved) % bucket_count);
            }
        }
    }
    for (std::size_t i = upper.suffix; i < directory_.size(); i += 2 * step) {
        directory_[i] = &upper;
    }
    return true;
}

partial_hash index::hash_of(std::uint64_t slot, const segment& in, unsigned bucket) noexcept {
    const unsigned known = static_cast<unsigned>(tag_bits - std::countl_zero(slot));
    const std::uint64_t tag = slot >> 50 & ((std::uint64_t{1} << known) - 1);
    const std::uint64_t home = (bucket - static_cast<unsigned>(slot >> 48 & 3)) % bucket_count;
    return {home | in.suffix << bucket_bits | tag << (bucket_bits + in.depth), bucket_bits + in.depth + known};
}

std::uint64_t index::reverse(std::uint64_t bits) noexcept {
    bits = byte_swap(bits);
    bits = (bits >> 4 & 0x0f0f0f0f0f0f0f0f) | (bits & 0x0f0f0f0f0f0f0f0f) << 4;
    bits = (bits >> 2 & 0x3333333333333333) | (bits & 0x3333333333333333) << 2;
    return (bits >> 1 & 0x5555555555555555) | (bits & 0x5555555555555555) << 1;
}

std::uint64_t* index::slot_of(std::uint64_t hash, std::uint64_t location) noexcept {
    segment& in = *segment_of(hash);
    const unsigned home = home_of(hash);
    const std::uint64_t tag = tag_of(hash, in.depth);
    const unsigned last = in.has_overflowed(home) ? moved_max : 0;
    for (unsigned moved = 0; moved <= last; ++moved) {
        for (std::uint64_t& slot : in.buckets[(home + moved) % bucket_count]) {
            if (matches(slot, tag, moved) && (slot & location_mask) == location) {
                return &slot;
            }
        }
    }
    return nullptr;
}

bool index::erase(std::uint64_t hash, std::uint64_t location) noexcept {
    std::uint64_t* const slot = slot_of(hash, location);
    if (slot == nullptr) {
        return false;
    }
    *slot = 0;
    --size_;
    return true;
}

bool index::replace(std::uint64_t hash, std::uint64_t location, index_entry moved) noexcept {
    std::uint64_t* const slot = slot_of(hash, location);
    if (slot == nullptr) {
        return false;
    }
    // The hash is at hand: the slot gets its full tag back.
    const unsigned depth = segment_of(hash)->depth;
    *slot = tag_of(hash, depth) << 50 | (*slot & std::uint64_t{3} << 48) |
            std::uint64_t{moved.size_class} << location_bits | moved.location;
    return true;
}

}  // namespace shale::kv
