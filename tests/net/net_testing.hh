// What the tests of sockets share: addresses to test on, and errors as numbers.
#pragma once

#include <netinet/in.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>
#include <shale/core/sync/stream.hh>
#include <shale/core/testing/runtime_test.hh>
#include <shale/net/socket.hh>

#include <optional>
#include <string>
#include <vector>

namespace shale::test {

/// Whether this machine has ::1.
inline bool has_ipv6() {
    const int fd = ::socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0) {
        return false;
    }
    sockaddr_in6 loopback{};
    loopback.sin6_family = AF_INET6;
    loopback.sin6_addr = IN6ADDR_LOOPBACK_INIT;
    const bool bound = ::bind(fd, reinterpret_cast<sockaddr*>(&loopback), sizeof loopback) == 0;
    ::close(fd);
    return bound;
}

/// A directory of its own, gone with its sockets at the end.
class temporary_directory {
public:
    temporary_directory() {
        std::string pattern = "/tmp/shale-net-XXXXXX";
        path_ = ::mkdtemp(pattern.data());
    }
    temporary_directory(const temporary_directory&) = delete;
    temporary_directory& operator=(const temporary_directory&) = delete;
    ~temporary_directory() {
        for (const std::string& name : names_) {
            ::unlink((path_ + "/" + name).c_str());
        }
        ::rmdir(path_.c_str());
    }
    std::string file(const std::string& name) {
        names_.push_back(name);
        return path_ + "/" + name;
    }

private:
    std::string path_;
    std::vector<std::string> names_;
};

/// The addresses to listen at, port 0, of the families this machine has.
inline std::vector<net::socket_address> loopbacks() {
    std::vector<net::socket_address> all{net::ipv4_addr("127.0.0.1", 0)};
    if (has_ipv6()) {
        all.push_back(net::ipv6_addr("::1", 0));
    } else {
        std::puts("this machine has no IPv6 loopback: those cases are left out");
    }
    return all;
}

/// The errno of a failure, 0 when it has none, -1 for success.
template <class T>
int error_of(std::expected<T, std::exception_ptr>& result) {
    if (result) {
        return -1;
    }
    try {
        std::rethrow_exception(result.error());
    } catch (const std::system_error& error) {
        return error.code().value();
    } catch (...) {
        return 0;
    }
}
template <class T>
std::string message_of(std::expected<T, std::exception_ptr>& result) {
    try {
        std::rethrow_exception(result.error());
    } catch (const std::exception& error) {
        return error.what();
    }
}

struct pair {
    net::connected_socket client;
    net::connected_socket server;
};

/// A connection to this very shard, both ends of it.
inline future<pair> connected_pair(net::socket_address at = net::ipv4_addr("127.0.0.1", 0),
                                   net::listen_options options = {}) {
    options.balance = net::accept_balance::reuse_port;  // on this shard, whatever the others do
    auto listener = co_await net::listen(at, options);
    auto connecting = net::connect(listener.local_address());
    auto accepted = co_await listener.accept();
    auto client = co_await std::move(connecting);
    co_await listener.close();
    co_return pair{std::move(client), std::move(accepted.connection)};
}

/// What can be read until the end.
inline future<std::string> read_all(input_stream<char>& in) {
    std::string all;
    while (true) {
        auto data = co_await in.read();
        if (data.empty()) {
            co_return std::move(all);
        }
        all += data.view();
    }
}

}  // namespace shale::test
