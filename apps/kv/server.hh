// The server: on every shard a listener, its clients, its keys and their log.
//
// start() recovers all shards at once, moves what a different number of shards has left, and opens the doors; stop()
// ends in order: no new clients, the running turn of each client to its end, then the logs. Lives on shard 0; its parts
// live each on their shard.
#pragma once

#include <expected>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include <shale/core/async/future.hh>
#include <shale/net/address.hh>

#include "data_directory.hh"
#include "shard_server.hh"

namespace shale::kv {

/// What start() found.
struct recovery_summary {
    std::uint64_t keys = 0;
    std::uint64_t bytes = 0;       ///< of the logs
    std::uint64_t moved_logs = 0;  ///< of another number of shards
    double seconds = 0;
};

/// Where it is to listen, or one line about what is wrong with that.
std::expected<net::socket_address, std::string> listen_address(const settings& conf);

class server {
public:
    /// `conf` has a listen_address(). `stop` is called on any shard when a client asks for it; `failed` with one line
    /// when a log has failed.
    server(settings conf, bool salvage, std::function<void()> stop, std::function<void(std::string)> failed);

    /// Fails with one line, and nothing left running, when the data is damaged or the port taken.
    future<recovery_summary> start();
    future<> stop();

    const settings& config() const noexcept { return conf_; }

private:
    future<> start_all();
    future<> recover(recovery_summary& found);
    future<> move_old_logs(recovery_summary& found);
    future<> listen();

    settings conf_;
    bool salvage_;
    std::function<void()> stop_;
    std::function<void(std::string)> failed_;
    scheduling_group compaction_;
    std::vector<std::unique_ptr<shard_server>> shards_;  // each made and destroyed on its shard
    std::vector<shard_state*> states_;
};

}  // namespace shale::kv
