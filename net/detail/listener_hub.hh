// Hand-over: one listener on shard 0 whose connections go, one by one, to the shard that has fewest.
//
// Shards that listen at the same address join one hub; it ends when the last has left. An accepted descriptor travels
// by message; one that arrives where nobody accepts any more is closed there. The choice goes by what is open now
// (connection_counts.hh), and round among those that have equally few.
#pragma once

#include <cstdint>

#include "../../core/async/future.hh"
#include "../options.hh"

namespace shale::net::detail {

class shared_acceptor;

inline constexpr unsigned hub_shard = 0;

/// A shard that accepts, and which of its acceptors.
struct taker {
    unsigned shard;
    std::uint64_t acceptor;
    bool operator==(const taker&) const = default;
};

// On the taker's shard: where deliveries find their acceptor.
std::uint64_t register_acceptor(shared_acceptor& to) noexcept;
void unregister_acceptor(std::uint64_t id) noexcept;

// On the hub's shard. join gives the address as it is bound, and fails with EADDRINUSE when that shard has joined.
future<socket_address> join_hub(socket_address address, listen_options options, taker who);
future<void> leave_hub(socket_address address, taker who);

}  // namespace shale::net::detail
