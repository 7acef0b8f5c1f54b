// A client's connection for tests: sends a row of commands, gives each reply as it comes, and gives up a server that
// says nothing.
//
// Sending and receiving go on at once, or two sides that both want to send would wait for each other. Belongs to one
// shard.
#pragma once

#include <functional>
#include <initializer_list>
#include <string>
#include <string_view>

#include <shale/core/async/future.hh>
#include <shale/core/base/time.hh>
#include <shale/core/shard/timer.hh>
#include <shale/net/socket.hh>

#include "reply_parser.hh"

namespace shale::kv {

/// A command as clients send it: an array of bulk strings, appended to `to`.
void append_command(std::string& to, std::initializer_list<std::string_view> words);
void append_command(std::string& to, const std::vector<std::string>& words);

class sim_connection {
public:
    explicit sim_connection(duration patience);

    /// False when there is no connection, whatever the reason.
    future<bool> connect(std::string address, std::uint16_t port);
    bool connected() const noexcept { return connected_; }

    /// Sends the bytes of so many commands and calls `replied` with each reply in order. Ready when all have come
    /// (true), or the connection is lost (false) and closed. When `replied` throws or a reply is malformed, it is
    /// closed too, and that is what this fails with.
    future<bool> exchange(std::string bytes, std::size_t commands, std::function<void(const reply_value&)> replied);

    /// Sends the bytes, as far as the connection takes them, and closes without waiting for a reply.
    future<> send_and_leave(std::string bytes);

    /// Ends the exchange that is under way: it gives false.
    void abort() noexcept {
        if (connected_) {
            socket_.abort();
        }
    }

    future<> close();

private:
    future<bool> send(std::string_view bytes);
    future<bool> receive(std::size_t commands, const std::function<void(const reply_value&)>& replied);

    duration patience_;
    net::connected_socket socket_;
    reply_parser replies_;
    timer<> limit_;
    std::vector<char> room_;
    bool connected_ = false;
};

}  // namespace shale::kv
