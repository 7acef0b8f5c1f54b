// Commands that are more than one call of a handler: INFO, KEYS, RANDOMKEY, MSETNX over several shards, CLIENT KILL,
// DEBUG SLEEP and the keys in a slot.
#pragma once

#include <shale/core/async/future.hh>

#include "shard_row.hh"

namespace shale::kv {

/// Runs such a command on behalf of a client of shard `here` and writes its reply.
future<> run_special(shard_table all, shard_state& here, session& client, row_command what, reply& out);

}  // namespace shale::kv
