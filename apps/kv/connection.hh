// One client: receive, run what is complete, wait until it is durable, send, again.
//
// A turn takes whatever has arrived, runs all complete commands of it and sends all their replies in one go. While
// replies are on their way nothing more is read, so a client that does not read is not served either, and one that
// takes nothing for `send_patience` is cut off. Memory: the receive buffer grows when it is filled at once, or as a
// large value arrives, and goes back when it is empty; replies are sent whenever there is a lot of them, before further
// commands run.
#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <span>

#include <shale/core/async/future.hh>
#include <shale/core/shard/timer.hh>
#include <shale/net/socket.hh>

#include "pipeline.hh"

namespace shale::kv {

class connection {
public:
    connection(shard_state& here, shard_table all, net::accept_result accepted);
    connection(const connection&) = delete;
    connection& operator=(const connection&) = delete;
    ~connection();

    /// Serves until the client goes, is told to go, or stop() is called. Fails when a turn could not be finished.
    future<> serve();
    /// Afterwards, whatever came of it.
    future<> close();

    /// Ends after the turn that is running; what was acknowledged is sent.
    void stop() noexcept;

    session& client() noexcept { return client_; }

private:
    static constexpr std::size_t buffer_min = 4 * 1024;
    static constexpr std::size_t buffer_kept = 64 * 1024;
    static constexpr std::chrono::seconds send_patience{60};
    static constexpr std::chrono::seconds linger_patience{1};
    static constexpr std::size_t linger_bytes = std::size_t{1} << 20;

    std::span<char> receive_buffer();
    void received(std::size_t bytes) noexcept;
    void grow(std::size_t capacity);
    future<> send_rest();
    future<> linger();

    shard_state& here_;
    session client_;
    pipeline pipeline_;
    net::connected_socket socket_;
    std::unique_ptr<char[]> buffer_;
    std::size_t capacity_ = 0;
    std::size_t begin_ = 0;
    std::size_t end_ = 0;
    bool filled_ = false;  // by the last receive: more was waiting
    bool broken_ = false;  // nothing can be sent any more
    bool stopping_ = false;
    timer<lowres_clock> deadline_;
};

}  // namespace shale::kv
