// What the server knows of one client, and of all clients of a shard.
//
// A session belongs to the shard that accepted the connection; commands that only concern it run there. CLIENT LIST
// reads it, CLIENT KILL asks its connection to end through `kill`.
#pragma once

#include <boost/intrusive/list.hpp>

#include <cstdint>
#include <string>
#include <string_view>

namespace shale::kv {

enum class reply_mode : std::uint8_t { on, off, skip_next, skip };

struct session {
    boost::intrusive::list_member_hook<> hook;
    std::uint64_t id = 0;
    std::string name;
    std::string library_name;
    std::string library_version;
    std::string address;  ///< of the client, host:port
    std::string local_address;
    std::int64_t created_ms = 0;
    std::int64_t active_ms = 0;  ///< when it last sent something
    std::string_view last_command = "NULL";
    std::uint64_t commands = 0;
    std::size_t input_bytes = 0;   ///< held in its receive buffer
    std::size_t output_bytes = 0;  ///< queued for it
    bool resp3 = false;
    bool authenticated = true;
    bool no_evict = false;
    bool closing = false;  ///< no further command is read; what is queued is sent
    reply_mode replies = reply_mode::on;
    void (*kill)(session&) noexcept = nullptr;  ///< ends the connection
    void* owner = nullptr;                      ///< for `kill`

    /// Back to what a new connection has.
    void reset(bool password_needed) {
        name.clear();
        resp3 = false;
        authenticated = !password_needed;
        replies = reply_mode::on;
        no_evict = false;
    }
};

using session_list = boost::intrusive::list<
    session, boost::intrusive::member_hook<session, boost::intrusive::list_member_hook<>, &session::hook>>;

}  // namespace shale::kv
