// What the cases of sockets share: listeners, connections, and sends and receives in a word.
#pragma once

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <sys/un.h>

#include <array>
#include <cerrno>
#include <vector>

#include "contract.hh"

namespace shale::contract {

inline sockaddr_in ipv4(std::uint32_t address, unsigned port) {
    sockaddr_in to{};
    to.sin_family = AF_INET;
    to.sin_addr.s_addr = htonl(address);
    to.sin_port = htons(static_cast<std::uint16_t>(port));
    return to;
}

inline sockaddr_in loopback(unsigned port) {
    return ipv4(INADDR_LOOPBACK, port);
}

class socket_case : public contract_case {
protected:
    int listen_on(const sockaddr_in& where, listen_parameters parameters = {}) {
        sockaddr_in copy = where;
        return run(io_op::listen, -1, &copy, sizeof copy, 0, &parameters);
    }
    int listen(listen_parameters parameters = {}) { return keep(listen_on(loopback(0), parameters)); }

    int connect_to(const sockaddr_in& where) {
        sockaddr_in copy = where;
        return run(io_op::connect, -1, &copy, sizeof copy);
    }

    sockaddr_in address(io_op which, int fd) {
        sockaddr_storage name{};
        EXPECT_EQ(run(which, fd, &name), static_cast<int>(sizeof(sockaddr_in)));
        sockaddr_in found;
        std::memcpy(&found, &name, sizeof found);
        return found;
    }
    sockaddr_in address_of(int fd) { return address(io_op::local_address, fd); }
    sockaddr_in peer_of(int fd) { return address(io_op::remote_address, fd); }

    /// Two ends of a TCP connection: [0] connected, [1] accepted.
    std::array<int, 2> tcp_pair(listen_parameters parameters = {}) {
        const int listener = listen(parameters);
        operation accept(io_op::accept, listener);
        submit(accept);
        const int connected = keep(connect_to(address_of(listener)));
        const int accepted = keep(finish(accept));
        EXPECT_EQ(close(listener), 0);
        return {connected, accepted};
    }

    /// What a recv of at most `size` bytes gives; "" at the end, "error 104" for -ECONNRESET.
    std::string receive(int fd, std::size_t size = 1000) {
        std::string into(size, '?');
        const int n = run(io_op::recv, fd, into.data(), size);
        return n < 0 ? "error " + std::to_string(-n) : into.substr(0, static_cast<std::size_t>(n));
    }

    /// Receives until there are `size` bytes, or the end or an error, which is then appended.
    std::string receive_all(int fd, std::size_t size) {
        std::string sum;
        while (sum.size() < size) {
            const std::string more = receive(fd, size - sum.size());
            sum += more;
            if (more.empty() || more.starts_with("error")) {
                break;
            }
        }
        return sum;
    }

    int send(int fd, std::string data) { return run(io_op::send, fd, data.data(), data.size()); }

    /// Sends all of it. What is small beside a socket's buffer goes at once and needs no reader.
    void send_all(int fd, const std::string& data) {
        std::size_t sent = 0;
        while (sent < data.size()) {
            const int n = send(fd, data.substr(sent));
            ASSERT_GT(n, 0);
            sent += static_cast<std::size_t>(n);
        }
    }

    /// Sends until nothing more goes: `last` stays in flight, with `block`, and the sum of the others is given.
    std::size_t fill(int fd, operation& last, std::string& block) {
        std::size_t sum = 0;
        last.op = io_op::send;
        last.fd = fd;
        last.data = block.data();
        last.size = static_cast<std::uint32_t>(block.size());
        for (;;) {
            last.completions = 0;
            submit(last);
            settle();
            if (!last.done()) {
                return sum;
            }
            EXPECT_GT(last.result, 0);
            if (last.result <= 0) {
                return sum;
            }
            sum += static_cast<std::size_t>(last.result);
        }
    }

    int shutdown(int fd, int how) { return run(io_op::shutdown, fd, nullptr, static_cast<unsigned>(how)); }

    /// Waits for one of `events`, and gives what is ready.
    int poll(int fd, short events) { return run(io_op::poll, fd, nullptr, static_cast<std::size_t>(events)); }

    int set(int fd, int level, int name, int value) {
        return run(io_op::set_option, fd, &value, sizeof value, socket_option(level, name));
    }
    /// Negative: the error.
    int get_option(int fd, int level, int name) {
        int value = 0;
        const int n = run(io_op::get_option, fd, &value, sizeof value, socket_option(level, name));
        return n < 0 ? n : value;
    }

    static std::string error(int number) { return "error " + std::to_string(number); }
};

}  // namespace shale::contract
