// How many connections of one listener each shard has: what hand-over decides by.
//
// The shard that accepts counts what it gives; the shard that has a connection counts its end. The difference is what
// is open, and always current: no message tells of it, and nothing is written by two shards.
// Access: `given` by the shard that accepts alone; `ended` written by its own shard alone, read by the other.
#pragma once

#include <atomic>
#include <cstdint>
#include <vector>

namespace shale::net::detail {

class connection_counts {
public:
    explicit connection_counts(unsigned shards) : given_(shards), ended_(shards) {}

    /// On the shard that accepts.
    void give(unsigned shard) noexcept { ++given_[shard]; }
    /// The last one given did not get there.
    void take_back(unsigned shard) noexcept { --given_[shard]; }
    std::uint64_t open(unsigned shard) const noexcept {
        return given_[shard] - ended_[shard].count.load(std::memory_order_relaxed);  // a number by itself
    }
    std::uint64_t open() const noexcept {
        std::uint64_t sum = 0;
        for (unsigned shard = 0; shard < given_.size(); ++shard) {
            sum += open(shard);
        }
        return sum;
    }

    /// On the shard that had the connection.
    void end() noexcept;

private:
    struct alignas(64) line {
        std::atomic<std::uint64_t> count{0};
    };
    std::vector<std::uint64_t> given_;
    std::vector<line> ended_;
};

}  // namespace shale::net::detail
