// What CONFIG GET shows and CONFIG SET changes: each shard's copy.
//
// The names are those of redis.conf, with the values a client expects to see; those that mean nothing here are fixed.
// A setting that can be changed says so in the table of settings.cc. A change is checked first and then made on every
// shard, so that all of them agree. Sizes are bytes; texts may say 64mb, 1gb and so on.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "process.hh"

namespace shale::kv {

enum class fsync_policy : std::uint8_t { always, everysec, no };

struct settings {
    std::string dir = ".";
    std::string bind = "127.0.0.1";
    std::uint16_t port = 6379;
    fsync_policy appendfsync = fsync_policy::always;
    bool durable = true;
    std::uint64_t segment_bytes = std::uint64_t{64} << 20;  ///< of the logs
    std::uint64_t cache_bytes = std::uint64_t{256} << 20;   ///< of all shards
    std::uint64_t maxclients = 10'000;
    std::uint64_t timeout_s = 0;  ///< an idle client is closed; 0: never
    std::uint64_t value_bytes_max = std::uint64_t{64} << 20;
    std::uint64_t output_bytes_max = std::uint64_t{256} << 20;  ///< queued for one client that does not read
    std::string requirepass;
    bool debug_commands = false;
    process_facts process{};  ///< INFO says them

    /// Pairs of names and values whose name matches the pattern (without regard to case), in the order of the table.
    std::vector<std::pair<std::string, std::string>> get(std::string_view pattern) const;

    enum class change : std::uint8_t { done, unknown, immutable, invalid };

    /// Sets one by name; `why` says what was wrong with an invalid value, in Redis' words.
    change set(std::string_view name, std::string_view value, std::string& why);
};

std::string_view name_of(fsync_policy policy) noexcept;
std::optional<fsync_policy> parse_fsync_policy(std::string_view text) noexcept;

/// "100", "64mb", "1gb", "5k": k is 1000, kb 1024 and so on, as in redis.conf.
std::optional<std::uint64_t> parse_bytes(std::string_view text) noexcept;

/// Redis' lower case of ASCII.
std::string lower_case(std::string_view text);
bool equal_ignoring_case(std::string_view a, std::string_view b) noexcept;

}  // namespace shale::kv
