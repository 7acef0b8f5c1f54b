// The functions behind the command table, by the file that holds them; and what they share. One function a command, or
// one for several that differ in a word; each either finds all it needs in memory and runs to its end, or notes what is
// missing and changes nothing. They know no sockets and no other shard.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

#include "command.hh"

namespace shale::kv::handlers {

/// The state of args[at]; on `unknown` the key has been noted in call.wants.
struct found_key {
    key_ref key;
    engine::presence state;
    cache_entry* entry;

    bool exists() const noexcept { return entry != nullptr; }
    bool unknown() const noexcept { return state == engine::presence::unknown; }
};
found_key look(call& in, std::size_t at, bool quiet = false);

/// The integer in args[at], or nothing and the error reply.
std::optional<std::int64_t> integer_argument(call& in, std::size_t at);

/// A bulk string of the entry's value, lent when it is long and the client is here.
void reply_value(call& in, cache_entry& entry);

/// Stores, or replies with an error.
bool store(call& in, const found_key& at, std::string_view value, std::int64_t expire_ms);

/// Whether a subcommand (args[1]) is this one.
bool is_subcommand(const call& in, std::string_view name) noexcept;

enum class time_unit : std::uint8_t { seconds, milliseconds };

/// Unix milliseconds of a time as EXPIRE and SET take it, or nothing: "invalid expire time".
std::optional<std::int64_t> absolute_ms(std::int64_t time, time_unit unit, bool relative, std::int64_t now_ms) noexcept;

// handlers_string.cc
outcome get(call& in);
outcome set(call& in);
outcome setex(call& in);
outcome psetex(call& in);
outcome setnx(call& in);
outcome getset(call& in);
outcome getdel(call& in);
outcome getex(call& in);
outcome mget(call& in);
outcome mset(call& in);
outcome msetnx(call& in);

// handlers_edit.cc
outcome strlen(call& in);
outcome append(call& in);
outcome getrange(call& in);
outcome setrange(call& in);
outcome incr(call& in);
outcome decr(call& in);
outcome incrby(call& in);
outcome decrby(call& in);
outcome incrbyfloat(call& in);

// handlers_key.cc
outcome del(call& in);
outcome exists(call& in);
outcome touch(call& in);
outcome type(call& in);
outcome expire(call& in);
outcome pexpire(call& in);
outcome expireat(call& in);
outcome pexpireat(call& in);
outcome expiretime(call& in);
outcome pexpiretime(call& in);
outcome ttl(call& in);
outcome pttl(call& in);
outcome persist(call& in);
outcome memory(call& in);

// handlers_scan.cc
std::optional<std::uint64_t> parse_cursor(std::string_view text) noexcept;
outcome scan(call& in);
outcome randomkey(call& in);
outcome dbsize(call& in);
outcome flush(call& in);

// handlers_client.cc
outcome ping(call& in);
outcome echo(call& in);
outcome quit(call& in);
outcome reset(call& in);
outcome hello(call& in);
outcome auth(call& in);
outcome select(call& in);
outcome client(call& in);

// handlers_server.cc
outcome config(call& in);
outcome info(call& in);
outcome time(call& in);
outcome wait(call& in);
outcome debug(call& in);
outcome function(call& in);
outcome script(call& in);
outcome slowlog(call& in);
outcome latency(call& in);
outcome lastsave(call& in);
outcome bgrewriteaof(call& in);
outcome shutdown(call& in);
outcome always_ok(call& in);

// handlers_command.cc
outcome command_command(call& in);

// handlers_cluster.cc
outcome cluster(call& in);

}  // namespace shale::kv::handlers
