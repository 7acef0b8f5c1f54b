// See sim_connection.hh.
#include "sim_connection.hh"

#include <fmt/format.h>

#include <shale/core/async/coroutine.hh>

namespace shale::kv {

namespace {

constexpr std::size_t room_bytes = 64 * 1024;

void append_word(std::string& to, std::string_view word) {
    to += fmt::format("${}\r\n", word.size());
    to += word;
    to += "\r\n";
}

}  // namespace

void append_command(std::string& to, std::initializer_list<std::string_view> words) {
    to += fmt::format("*{}\r\n", words.size());
    for (const std::string_view word : words) {
        append_word(to, word);
    }
}

void append_command(std::string& to, const std::vector<std::string>& words) {
    to += fmt::format("*{}\r\n", words.size());
    for (const std::string& word : words) {
        append_word(to, word);
    }
}

sim_connection::sim_connection(duration patience) : patience_(patience), room_(room_bytes) {
    limit_.set_callback([this] { socket_.abort(); });
}

future<bool> sim_connection::connect(std::string address, std::uint16_t port) {
    const net::connect_options options{.timeout = patience_};
    auto made = co_await as_result(net::connect(net::ipv4_addr(address, port), options));
    if (made) {
        socket_ = std::move(*made);
        replies_ = {};
        connected_ = true;
    }
    co_return connected_;
}

future<> sim_connection::close() {
    limit_.cancel();
    if (std::exchange(connected_, false)) {
        co_await socket_.close();
    }
}

future<> sim_connection::send_and_leave(std::string bytes) {
    limit_.rearm(patience_);
    co_await send(bytes);
    co_await close();
}

future<bool> sim_connection::send(std::string_view bytes) {
    const std::int64_t sent = co_await socket_.try_write_all(std::span<const char>(bytes));
    if (sent < 0) {
        socket_.abort();  // whoever waits for replies does so in vain
    }
    co_return sent >= 0;
}

future<bool> sim_connection::receive(std::size_t commands, const std::function<void(const reply_value&)>& replied) {
    while (commands > 0) {
        while (auto one = replies_.next()) {
            replied(*one);
            if (--commands == 0) {
                co_return true;
            }
        }
        limit_.rearm(patience_);
        const std::int64_t got = co_await socket_.try_read_some(std::span<char>(room_));
        limit_.cancel();
        if (got <= 0) {
            co_return false;
        }
        replies_.feed({room_.data(), static_cast<std::size_t>(got)});
    }
    co_return true;
}

future<bool> sim_connection::exchange(std::string bytes, std::size_t commands,
                                      std::function<void(const reply_value&)> replied) {
    auto sending = send(bytes);
    auto received = co_await as_result(receive(commands, replied));
    const bool whole = received && *received;
    if (!whole) {
        socket_.abort();
    }
    const bool sent = co_await std::move(sending);
    if (!whole || !sent) {
        co_await close();
    }
    if (!received) {
        std::rethrow_exception(received.error());
    }
    co_return whole&& sent;
}

}  // namespace shale::kv
