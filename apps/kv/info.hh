// INFO: numbers that every shard contributes, added up, and the text made of them.
//
// The text has Redis' section and field names where the meaning is the same, so that monitors and redis-cli --stat
// read it; what is peculiar to this server has fields of its own in the section "shale".
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "command.hh"

namespace shale::kv {

/// This shard's part, in an order that info_text() knows.
std::vector<std::int64_t> info_numbers(shard_state& of);

/// The reply to `args` (INFO and the sections asked for) from the sums over all shards.
std::string info_text(const shard_state& here, std::span<const std::int64_t> sums, arguments args);

}  // namespace shale::kv
