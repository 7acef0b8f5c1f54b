// Sockets made through the platform, for tests: listeners, connected pairs, and sends and receives that wait.
#pragma once

#include <fcntl.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <csignal>

#include "driver.hh"

namespace shale {
inline sockaddr_in loopback(unsigned port) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    address.sin_port = htons(static_cast<std::uint16_t>(port));
    return address;
}

class sockets_test : public ::testing::TestWithParam<pastime> {
protected:
    // As on a shard's thread: else there are no batches.
    sockets_test() : before_(::signal(SIGPIPE, GetParam() == pastime::batch ? SIG_IGN : SIG_DFL)) {}
    ~sockets_test() override {
        ::signal(SIGPIPE, before_);
        for (const int fd : open_) {
            ::close(fd);
        }
    }

    int keep(int fd) {
        EXPECT_GE(fd, 0);
        open_.push_back(fd);
        return fd;
    }

    /// Two ends of a stream, non-blocking.
    std::array<int, 2> unix_pair(int type = SOCK_STREAM) {
        std::array<int, 2> ends{};
        EXPECT_EQ(::socketpair(AF_UNIX, type | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, ends.data()), 0);
        return {keep(ends[0]), keep(ends[1])};
    }

    int listen(listen_parameters parameters = {}) {
        sockaddr_in any = loopback(0);
        return keep(d.run(io_op::listen, -1, &any, sizeof any, 0, &parameters));
    }

    sockaddr_in address_of(int fd) {
        sockaddr_storage name{};
        EXPECT_EQ(d.run(io_op::local_address, fd, &name), static_cast<int>(sizeof(sockaddr_in)));
        return *reinterpret_cast<sockaddr_in*>(&name);
    }

    /// Two ends of a TCP connection: [0] connected, [1] accepted.
    std::array<int, 2> tcp_pair() {
        const int listener = listen();
        sockaddr_in address = address_of(listener);
        operation accept(io_op::accept, listener);
        d.submit(accept);
        const int connected = keep(d.run(io_op::connect, -1, &address, sizeof address));
        EXPECT_TRUE(d.until([&] { return accept.done(); }));
        return {connected, keep(accept.result)};
    }

    std::string receive(int fd, std::size_t size = 1000) {
        std::string text(size, '?');
        const int n = d.run(io_op::recv, fd, text.data(), size);
        return n < 0 ? "error " + std::to_string(-n) : text.substr(0, static_cast<std::size_t>(n));
    }

    int send(int fd, std::string text) { return d.run(io_op::send, fd, text.data(), text.size()); }

    driver d{options_for(GetParam()), GetParam()};

private:
    sighandler_t before_;
    std::vector<int> open_;
};

}  // namespace shale
