// Where every key of a shard lies on disk: eight bytes a key, without the keys.
//
// Extendible hashing. The low 7 bits of a key's hash choose its home bucket among the 128 of a segment, the bits above
// them the segment, through a directory; a slot stands in its home bucket or one of the three behind it. A full segment
// is split in two by the next hash bit, which moves at most a thousand slots: no operation ever waits for a rehash.
//
// A slot must say enough to be split without reading its key. It holds up to 13 hash bits that follow the segment's
// own, behind a leading 1 that tells how many there are; a split uses up one of them. Slots written since the last
// split have all 13, so false matches stay rare at any size (7 keys compared by 12 bits or so). A slot that lived
// through 13 splits, never rewritten, cannot be split again: insert() then refuses. That is a growth by 8,192 between
// two starts; reserve() at start makes room for what recovery found.
//
//   63      50 49   48 47    42 41        0
//   | 1 hash  | moved | class  | location |     an empty slot is 0
//
// The caller confirms a candidate by comparing the real key. scan() gives every key that is present during the whole
// scan at least once: a slot never leaves its bucket number (splits keep it, replace() works in place), and the cursor
// counts segments by their bits in reverse, so that the halves of a split are neighbours. Belongs to one shard.
#pragma once

#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <vector>

namespace shale::kv {

/// What the index knows of a record: its place in units of 16 bytes, and its size class (size_class.hh).
struct index_entry {
    std::uint64_t location;
    unsigned size_class;
};

/// What a slot tells of the hash of its key: the low `bits` bits.
struct partial_hash {
    std::uint64_t low;
    unsigned bits;
};

class index {
public:
    static constexpr unsigned location_bits = 42;
    static constexpr unsigned cursor_bits = 47;

    index();
    ~index();
    index(const index&) = delete;
    index& operator=(const index&) = delete;

    std::size_t size() const noexcept { return size_; }
    std::size_t memory_bytes() const noexcept;

    /// Makes room for `keys` keys in all. Only on an empty index.
    void reserve(std::size_t keys);

    /// Calls `visit(index_entry)` for each record whose key may have this hash, until it returns true; returns whether
    /// one did. `visit` must not change the index.
    template <class Visit>
    bool find(std::uint64_t hash, Visit&& visit) const;

    /// Asks the processor to bring what the others look at first; worth it before a run of several.
    void prefetch(std::uint64_t hash) const noexcept {
        const segment* const in = segment_of(hash);
        __builtin_prefetch(in);
        __builtin_prefetch(&in->buckets[home_of(hash)]);
    }

    /// Adds a record of a key that is not present. False when the index cannot grow further.
    bool insert(std::uint64_t hash, index_entry entry);

    /// Takes out the record of a key with this hash at this location. False when there is none.
    bool erase(std::uint64_t hash, std::uint64_t location) noexcept;

    /// The key's record is elsewhere now. False when there is none at `location`.
    bool replace(std::uint64_t hash, std::uint64_t location, index_entry moved) noexcept;

    /// All or nothing, as reserve(): nothing has changed if memory runs out.
    void clear();
    void swap(index& other) noexcept;

    /// Calls `visit(index_entry, partial_hash)` for a few records and returns the cursor to go on with: 0 at the end,
    /// and at the start of a new scan. Every number is a valid cursor. The index may change in any way between two
    /// calls.
    template <class Visit>
    std::uint64_t scan(std::uint64_t cursor, Visit&& visit) const;

    /// The cursor whose scan() looks at a place chosen by `random`.
    static std::uint64_t random_cursor(std::uint64_t random) noexcept {
        return random & ((std::uint64_t{1} << cursor_bits) - 1);
    }

private:
    static constexpr unsigned bucket_bits = 7;
    static constexpr unsigned bucket_count = 1u << bucket_bits;
    static constexpr unsigned bucket_slots = 8;
    static constexpr unsigned moved_max = 3;
    static constexpr unsigned tag_bits = 13;
    static constexpr unsigned turned_bits = cursor_bits - bucket_bits;
    static constexpr unsigned depth_initial = 6;
    static constexpr unsigned depth_max = 30;
    static constexpr std::uint64_t location_mask = (std::uint64_t{1} << location_bits) - 1;

    struct alignas(64) segment {
        std::uint64_t overflowed[bucket_count / 64] = {};  // homes with a slot in a later bucket
        std::uint64_t suffix = 0;                          // the `depth` hash bits above those of the bucket
        unsigned depth = 0;
        std::array<std::array<std::uint64_t, bucket_slots>, bucket_count> buckets = {};

        bool has_overflowed(unsigned home) const noexcept { return (overflowed[home / 64] >> (home % 64) & 1) != 0; }
        void set_overflowed(unsigned home) noexcept { overflowed[home / 64] |= std::uint64_t{1} << (home % 64); }
    };

    static unsigned home_of(std::uint64_t hash) noexcept { return static_cast<unsigned>(hash) % bucket_count; }
    /// The tag of a new slot: all the hash bits it can hold, behind the leading 1.
    static std::uint64_t tag_of(std::uint64_t hash, unsigned depth) noexcept {
        return std::uint64_t{1} << tag_bits | (hash >> (bucket_bits + depth) & ((std::uint64_t{1} << tag_bits) - 1));
    }
    /// Whether the hash bits that the slot still has agree with `tag`, a new slot's.
    static bool matches(std::uint64_t slot, std::uint64_t tag, unsigned moved) noexcept {
        const std::uint64_t differ = (slot >> 48) ^ (tag << 2 | moved);
        const std::uint64_t known = ~std::uint64_t{0} >> std::countl_zero(slot) % 64 >> 49;  // and `moved`
        return slot != 0 && (differ & known) == 0;
    }
    static index_entry entry_of(std::uint64_t slot) noexcept {
        return {slot & location_mask, static_cast<unsigned>(slot >> location_bits) & 63};
    }

    segment* segment_of(std::uint64_t hash) const noexcept {
        return directory_[hash >> bucket_bits & (directory_.size() - 1)];
    }
    static partial_hash hash_of(std::uint64_t slot, const segment& in, unsigned bucket) noexcept;
    static std::uint64_t reverse(std::uint64_t bits) noexcept;
    std::uint64_t* slot_of(std::uint64_t hash, std::uint64_t location) noexcept;
    bool place(segment& into, std::uint64_t hash, index_entry entry) noexcept;
    bool split(segment& full);
    segment* add_segment(unsigned depth, std::uint64_t suffix);
    explicit index(unsigned depth);
    void build(unsigned depth);
    void destroy() noexcept;

    std::vector<segment*> directory_;
    unsigned depth_ = 0;
    std::size_t size_ = 0;
    std::size_t segments_ = 0;
};

template <class Visit>
bool index::find(std::uint64_t hash, Visit&& visit) const {
    const segment& in = *segment_of(hash);
    const unsigned home = home_of(hash);
    const std::uint64_t tag = tag_of(hash, in.depth);
    const unsigned last = in.has_overflowed(home) ? moved_max : 0;
    for (unsigned moved = 0; moved <= last; ++moved) {
        for (const std::uint64_t slot : in.buckets[(home + moved) % bucket_count]) {
            if (matches(slot, tag, moved) && visit(entry_of(slot))) {
                return true;
            }
        }
    }
    return false;
}

template <class Visit>
std::uint64_t index::scan(std::uint64_t cursor, Visit&& visit) const {
    const std::uint64_t turned = cursor >> bucket_bits & ((std::uint64_t{1} << turned_bits) - 1);
    const auto bucket = static_cast<unsigned>(cursor) % bucket_count;
    const segment& in = *segment_of(reverse(turned << (64 - turned_bits)) << bucket_bits);
    for (const std::uint64_t slot : in.buckets[bucket]) {
        if (slot != 0) {
            visit(entry_of(slot), hash_of(slot, in, bucket));
        }
    }
    if (bucket + 1 < bucket_count) {
        return turned << bucket_bits | (bucket + 1);
    }
    const std::uint64_t begin = reverse(in.suffix) >> (64 - turned_bits);
    const std::uint64_t next = begin + (std::uint64_t{1} << (turned_bits - in.depth));
    return next >> turned_bits != 0 ? 0 : next << bucket_bits;
}

}  // namespace shale::kv
