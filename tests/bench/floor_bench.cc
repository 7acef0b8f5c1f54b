// The floor under a RESP server that makes a recv and a send for each row of requests: a bare epoll loop that answers
// without looking.
//
// It counts the stars that begin requests and gives each the reply bench_resp expects: a value of 100 bytes to GET, +OK
// to SET. No parsing, no keys, no disk: what is left is one recv and one send a row of requests, and the epoll_wait
// that several connections share. Such a server's CPU time for a request can come near it and not below, whatever it is
// made of; kv, which gives the kernel the transfers of many connections in one call, can. scripts/bench kv puts it
// beside kv and redis. The arguments are those that scripts/bench.d/kv gives every server.
#include <arpa/inet.h>
#include <fmt/core.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <array>
#include <csignal>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>
#include <vector>

namespace {

[[noreturn]] void fail(const char* what) {
    fmt::print(stderr, "bench_floor: {} failed\n", what);
    std::exit(1);
}

int listen_on(std::uint16_t port) {
    const int fd = ::socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
    const int on = 1;
    ::setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    sockaddr_in at{};
    at.sin_family = AF_INET;
    at.sin_port = htons(port);
    at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (fd < 0 || ::bind(fd, reinterpret_cast<const sockaddr*>(&at), sizeof at) != 0 || ::listen(fd, 1024) != 0) {
        fail("listening");
    }
    return fd;
}

void watch(int epoll, int fd) {
    epoll_event event{};
    event.events = EPOLLIN;
    event.data.fd = fd;
    if (::epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event) != 0) {
        fail("epoll_ctl");
    }
}

class answers {
public:
    answers() {
        for (unsigned i = 0; i < most; ++i) {
            values_ += "$100\r\n" + std::string(100, 'x') + "\r\n";
            oks_ += "+OK\r\n";
        }
    }
    /// The replies to a row of requests of one kind.
    std::string_view to(std::string_view row) const {
        if (row.starts_with('P')) {
            return "+PONG\r\n";
        }
        const auto count = static_cast<std::size_t>(std::ranges::count(row, '*'));
        if (count > most) {
            fail("counting so many requests in a row");
        }
        const bool get = row.find("GET") != row.npos || row.find("get") != row.npos;
        return get ? std::string_view(values_).substr(0, count * (values_.size() / most))
                   : std::string_view(oks_).substr(0, count * (oks_.size() / most));
    }

private:
    static constexpr unsigned most = 4096;
    std::string values_;
    std::string oks_;
};

[[noreturn]] void serve(std::uint16_t port) {
    const answers replies;
    const int epoll = ::epoll_create1(0);
    const int listener = listen_on(port);
    watch(epoll, listener);
    std::vector<char> room(64 * 1024);
    std::array<epoll_event, 128> events;
    while (true) {
        const int count = ::epoll_wait(epoll, events.data(), static_cast<int>(events.size()), -1);
        for (int i = 0; i < count; ++i) {
            const int fd = events[static_cast<std::size_t>(i)].data.fd;
            if (fd == listener) {
                const int accepted = ::accept4(listener, nullptr, nullptr, SOCK_NONBLOCK);
                const int on = 1;
                ::setsockopt(accepted, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
                watch(epoll, accepted);
                continue;
            }
            const ssize_t got = ::recv(fd, room.data(), room.size(), 0);
            if (got <= 0) {
                ::close(fd);
                continue;
            }
            const std::string_view reply = replies.to({room.data(), static_cast<std::size_t>(got)});
            if (::send(fd, reply.data(), reply.size(), MSG_NOSIGNAL) != static_cast<ssize_t>(reply.size())) {
                ::close(fd);  // its client does not read: none of ours
            }
        }
    }
}

}  // namespace

int main(int argc, char** argv) {
    std::uint16_t port = 6379;
    std::string ignored;
    CLI::App app("bench_floor: answers GET and SET without looking");
    app.add_option("--port", port, "on 127.0.0.1");
    app.add_option("--dir", ignored, "ignored");
    app.add_option("--appendfsync", ignored, "ignored");
    CLI11_PARSE(app, argc, argv);
    std::signal(SIGTERM, SIG_DFL);
    serve(port);
}
