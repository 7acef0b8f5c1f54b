// The end of a connection, counted. See connection_counts.hh.
#include "connection_counts.hh"

#include "../../core/shard/shard.hh"

namespace shale::net::detail {

void connection_counts::end() noexcept {
    auto& mine = ended_[this_shard().id()].count;
    // Relaxed, a number by itself; only this shard writes it.
    mine.store(mine.load(std::memory_order_relaxed) + 1, std::memory_order_relaxed);
}

}  // namespace shale::net::detail
