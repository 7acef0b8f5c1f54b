// Rows of commands on their way to the shards that own the keys, and the replies that come back.
//
// A row is one message: the commands go as views into the client's receive buffer, which stays until the answer is
// there; the replies come back as one string. A row's replies are durable when they arrive.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include <shale/core/async/future.hh>

#include "executor.hh"

namespace shale::kv {

/// The server's shards by number; each is to be touched on its own shard only.
using shard_table = std::span<shard_state* const>;

struct shard_row {
    std::vector<row_command> commands;
    std::string replies;
    std::vector<std::size_t> ends;  // of each command's reply
    std::size_t taken = 0;

    /// The reply to the next command.
    std::string_view take() noexcept;
};

/// One row a shard, by number; empty for shards that have nothing to do.
using shard_rows = std::vector<shard_row>;

/// Sends every row that is not empty to its shard and waits for all replies.
future<> run_rows(shard_table all, shard_rows& rows, bool resp3);

/// The reply of one shard to one command.
future<std::string> ask_shard(shard_table all, unsigned shard, row_command what, bool resp3);

/// The replies of all shards to the same command, by number.
future<std::vector<std::string>> ask_all(shard_table all, row_command what, bool resp3);

}  // namespace shale::kv
