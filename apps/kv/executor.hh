// Running commands on the shard that owns their keys.
//
// run_command() tries one command at once. run_row() runs several in order: when one has to wait for records, it asks
// for those of all commands behind it as well, so that a row of reads of a cold store waits for one round of the disk
// and not for one a command. Replies stand in `out` when the returned future is ready; they may be sent once
// the sequence it gives is committed.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include <shale/core/async/coroutine.hh>
#include <shale/core/async/future.hh>

#include "command.hh"

namespace shale::kv {

/// A command that is known, has the right number of arguments and belongs to one shard.
struct row_command {
    const command* of;
    arguments args;
    std::size_t key;  ///< the argument that is its first key, 0: none
};

/// Runs it if all it needs is in memory. On `wait` nothing has happened but that `wants` is filled.
outcome run_command(shard_state& on, const row_command& what, reply& out, session* client, wanted& wants);

/// Runs all of the row. With `ends`, the size of `out` after each command is appended to it. The row's arguments and
/// everything else given must stay until the future is ready.
future<std::uint64_t> run_row(shard_state& on, std::span<const row_command> row, reply& out, session* client,
                              std::vector<std::size_t>* ends);

/// Ready when the sequence is durable; fails when it never will be.
future<> committed(engine& db, std::uint64_t sequence);

/// Sets the shard's clocks; to be called before commands are run, once a turn is enough.
void begin_turn(shard_state& on);

}  // namespace shale::kv
