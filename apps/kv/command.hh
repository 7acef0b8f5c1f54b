// Commands: what Redis' COMMAND INFO says of each, where it runs, and the function that runs it on one shard.
//
// A handler runs on the shard that owns its keys and never waits: when something it needs is not in memory it notes it
// in `wants`, returns `wait` having changed nothing, and is run again from the beginning once that has been loaded.
// Handlers that only concern the client find it in `client`; those that may run on another shard must not look at it.
#pragma once

#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

#include "engine.hh"
#include "reply.hh"
#include "session.hh"
#include "shard_state.hh"

namespace shale::kv {

using arguments = std::span<const std::string_view>;

/// What a command has to have in memory before it can run.
struct wanted {
    std::vector<key_ref> keys;
    std::vector<index_entry> places;

    bool empty() const noexcept { return keys.empty() && places.empty(); }
    void clear() noexcept {
        keys.clear();
        places.clear();
    }
};

struct call {
    shard_state& shard;
    engine& db;
    arguments args;  ///< args[0] is the command's name
    reply& out;
    wanted& wants;
    session* client;  ///< null when the client is on another shard
};

enum class outcome : std::uint8_t { done, wait };

using handler = outcome (*)(call&);

/// Where a command runs.
enum class route : std::uint8_t {
    local,      ///< on the client's shard
    first_key,  ///< on the shard of its first key
    keys,       ///< split by the shards of its keys
    all,        ///< on every shard
    cursor,     ///< on the shard that its cursor names
    special,    ///< see special.hh
};

/// How the replies of several shards become one. An error of any shard is the reply.
enum class merge : std::uint8_t {
    none,
    sum,         ///< integers
    first,       ///< all say the same
    interleave,  ///< arrays: element i is of the shard of key i
    texts,       ///< bulk strings, one behind the other
};

/// As in COMMAND INFO.
enum command_flag : std::uint32_t {
    cmd_write = 1u << 0,
    cmd_readonly = 1u << 1,
    cmd_denyoom = 1u << 2,
    cmd_admin = 1u << 3,
    cmd_noscript = 1u << 4,
    cmd_loading = 1u << 5,
    cmd_stale = 1u << 6,
    cmd_fast = 1u << 7,
    cmd_no_auth = 1u << 8,
    cmd_no_async_loading = 1u << 9,
    cmd_no_multi = 1u << 10,
    cmd_allow_busy = 1u << 11,
};

struct command {
    std::string_view name;  ///< lower case
    handler run;
    int arity;  ///< with the name; negative: at least
    std::uint32_t flags;
    int first_key;
    int last_key;
    int key_step;
    route where;
    merge how;
    std::string_view categories;  ///< ACL categories, separated by spaces
    std::string_view tips;
    std::string_view access;  ///< flags of the key specification, separated by spaces
    std::string_view group;
    std::string_view since;
    std::string_view summary;
    std::string_view complexity;

    bool is(std::uint32_t flag) const noexcept { return (flags & flag) != 0; }
    bool accepts(std::size_t count) const noexcept {
        return arity >= 0 ? count == static_cast<std::size_t>(arity) : count >= static_cast<std::size_t>(-arity);
    }
};

/// All commands, in the order of the table.
std::span<const command> all_commands() noexcept;

/// The command of this name in any case, or null.
const command* find_command(std::string_view name) noexcept;

/// Where a call of the command runs; for commands with subcommands that depends on the arguments.
struct destination {
    route where;
    merge how;
    std::size_t key;  ///< the argument that is the first key, if `where` needs one
};
destination destination_of(const command& of, arguments args) noexcept;

// Error replies in the words of Redis.
namespace error_text {
inline constexpr std::string_view syntax = "ERR syntax error";
inline constexpr std::string_view not_integer = "ERR value is not an integer or out of range";
inline constexpr std::string_view not_float = "ERR value is not a valid float";
inline constexpr std::string_view too_long = "ERR string exceeds maximum allowed size (proto-max-bulk-len)";
inline constexpr std::string_view no_auth = "NOAUTH Authentication required.";
}  // namespace error_text

void wrong_arity(reply& out, std::string_view name);
void unknown_command(reply& out, arguments args);
void unknown_subcommand(reply& out, arguments args);

}  // namespace shale::kv
