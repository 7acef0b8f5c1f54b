// One shard of the server, as commands see it: its keys, settings, clients and counters.
//
// There is one on every shard; nothing in it is shared. What is the same for all (identity, start time) is copied.
#pragma once

#include <cstdint>
#include <string>

#include "engine.hh"
#include "process.hh"
#include "session.hh"
#include "settings.hh"
#include "slot.hh"

namespace shale::kv {

/// Counters of INFO; summed over the shards.
struct shard_counters {
    std::uint64_t connections = 0;
    std::uint64_t commands = 0;
    std::uint64_t rejected = 0;
    std::uint64_t input_bytes = 0;
    std::uint64_t output_bytes = 0;
    std::uint64_t forwarded = 0;  ///< commands whose key belongs to another shard
    std::uint64_t errors = 0;
};

/// What is the same on every shard.
struct server_identity {
    std::string run_id;  ///< 40 hexadecimal digits
    std::int64_t started_ms = 0;
    process_facts process;
    std::string announce_host = "127.0.0.1";
};

struct shard_state {
    shard_state(unsigned number, unsigned count, storage& store, const engine_options& options, const settings& config,
                const server_identity& who)
        : shard(number), map(count), db(store, options), conf(config), identity(who) {}

    unsigned shard;
    slot_map map;
    engine db;
    settings conf;
    server_identity identity;
    shard_counters counters;
    session_list clients;
    std::string local_address;  ///< clients connect to it
    std::uint64_t next_client = 0;
    std::uint64_t random = 0x9e3779b97f4a7c15;
    std::int64_t now_us = 0;                              ///< wall clock, of this turn
    void (*shut_down)(void* server) noexcept = nullptr;   ///< SHUTDOWN calls it
    void (*turn_ended)(void* server) noexcept = nullptr;  ///< called after each row of commands
    void* server = nullptr;

    /// After a row of commands: memory above the budget goes, and what watches the keys may look.
    void end_turn() noexcept {
        db.trim();
        if (turn_ended != nullptr) {
            turn_ended(server);
        }
    }

    std::uint64_t next_random() noexcept {
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        return random;
    }
};

}  // namespace shale::kv
