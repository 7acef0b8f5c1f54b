// What can be said about listeners and connections. The defaults are limits and time-outs that a server should have.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>

#include "../core/base/time.hh"
#include "address.hh"

namespace shale::net {

/// When a silent connection is asked whether it is still there, and given up: by the kernel, without any timer of ours.
struct keepalive_options {
    duration idle = std::chrono::seconds(120);
    duration interval = std::chrono::seconds(15);
    unsigned probes = 6;
};

/// How connections to one listener come to the shards that accept on it.
enum class accept_balance : std::uint8_t {
    /// Shard 0 accepts and gives each connection to the shard that has fewest. Even, whatever the clients do.
    hand_over,
    /// Every shard has a listening socket of its own (SO_REUSEPORT) and the kernel picks by a hash of the addresses:
    /// nothing crosses shards, which pays for very many short connections, but few long ones fall unevenly.
    reuse_port,
};

struct listen_options {
    /// Connections that the kernel keeps until they are accepted. It takes no more than net.core.somaxconn, which is
    /// said in the log when it is less.
    int backlog = 1024;
    accept_balance balance = accept_balance::hand_over;
    /// Open connections of this listener over all shards; more wait in the backlog. The process' limit of descriptors
    /// is a limit too: at it accepting pauses for a moment at a time, and the log says so once a second.
    std::size_t connections_max = 50'000;
    bool nodelay = true;  ///< send small writes at once
    std::optional<keepalive_options> keepalive = keepalive_options();
    bool ipv6_only = true;  ///< [::] does not take IPv4 connections too
    /// A Unix socket's path that nobody listens on any more is replaced, and the path is removed at the end.
    bool manage_unix_path = true;
    /// Bytes; 0 leaves them to the kernel, which adapts them.
    int send_buffer = 0;
    int receive_buffer = 0;
};

struct connect_options {
    /// After it the attempt fails with ETIMEDOUT; duration::max() leaves it to the kernel (two minutes).
    duration timeout = std::chrono::seconds(30);
    std::optional<socket_address> local = std::nullopt;  ///< where to connect from
    bool nodelay = true;
    std::optional<keepalive_options> keepalive = keepalive_options();
};

/// How an input stream sizes its buffers, in bytes: twice as large after one that was filled, half after one of which
/// no more than a quarter was used. A quiet connection holds one of the last size.
struct input_options {
    std::size_t buffer_size = 8192;
    std::size_t buffer_min = 512;
    std::size_t buffer_max = 128 * 1024;
};

}  // namespace shale::net
