// One shard's part of the server: its keys and their log, its listener, its clients, and the removal of expired keys.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include <shale/core/async/abort_source.hh>
#include <shale/core/async/future.hh>
#include <shale/core/shard/scheduling.hh>
#include <shale/core/shard/timer.hh>
#include <shale/core/sync/gate.hh>
#include <shale/net/socket.hh>

#include "connection.hh"
#include "log_storage.hh"
#include "shard_state.hh"

namespace shale::kv {

/// What all shards are started with.
struct shard_options {
    settings conf;
    server_identity identity;
    std::uint64_t hash_seed = 0;
    bool salvage = false;
    scheduling_group compaction;
    std::function<void()> stop;               ///< SHUTDOWN
    std::function<void(std::string)> failed;  ///< the log
};

class shard_server {
public:
    explicit shard_server(const shard_options& options);
    ~shard_server();

    shard_state& state() noexcept { return state_; }
    /// Null when nothing is kept on disk.
    log_storage* log() noexcept { return log_; }

    /// Reads the log. Nothing to do without one.
    future<> recover();

    /// Listens, with the port that is given back when `at` has none; clients wait until open().
    future<net::socket_address> listen(net::socket_address at);
    /// From now on clients are served.
    void open(shard_table all);

    /// Lets the running turns end and closes all clients.
    future<> stop_clients();
    /// Afterwards: commits and closes the log.
    future<> stop_log();

private:
    future<> accept_clients();
    future<> serve(net::accept_result accepted);
    future<> turn_away(net::connected_socket client);
    future<> expire_keys();
    void watch_expiry() noexcept;

    std::unique_ptr<storage> store_;
    log_storage* log_ = nullptr;  // store_, when it is one
    bool recovered_ = false;
    shard_state state_;
    std::function<void()> stop_;
    shard_table all_;
    net::server_socket listener_;
    abort_source stopping_;
    gate working_;
    timer<lowres_clock> expiry_;
    bool expiring_ = false;
};

}  // namespace shale::kv
