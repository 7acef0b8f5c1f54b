// Which keys end when: pairs of (time, key hash) in order of time, 16 bytes each and a little slack.
//
// A sorted sequence in blocks of at most 256 pairs, the blocks in a tree by their first pair: two levels of a B-tree.
// Every operation is logarithmic and moves at most 4 KiB, so nothing ever cascades or stalls, however many keys end in
// the same millisecond. A key is known by its hash only; who takes a pair that is due looks the record up and checks
// that it has really expired. A pair is erased when its key is overwritten, so memory is bounded by the keys with an
// end. Belongs to one shard.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <vector>

namespace shale::kv {

class expiry_queue {
public:
    struct pair {
        std::int64_t expire_ms;
        std::uint64_t hash;
        friend auto operator<=>(const pair&, const pair&) = default;
    };

    std::size_t size() const noexcept { return size_; }
    bool empty() const noexcept { return size_ == 0; }
    std::size_t memory_bytes() const noexcept;

    /// The pair that is due first.
    std::optional<pair> front() const;

    /// The same pair may be there several times (two keys of one hash).
    void insert(pair added);

    /// Takes out one such pair; false when there is none.
    bool erase(pair removed);

    /// Takes out and returns the first pair when it is due at `now_ms`.
    std::optional<pair> pop_due(std::int64_t now_ms);

    void clear() noexcept;

private:
    static constexpr std::size_t block_max = 256;
    using block = std::vector<pair>;  // never empty
    using blocks = std::multimap<pair, block>;

    void take(blocks::iterator from, std::size_t at);

    blocks blocks_;  // the key is a lower bound of its block and an upper bound of the one before
    std::size_t size_ = 0;
};

}  // namespace shale::kv
