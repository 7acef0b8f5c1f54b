// Programs on the hosts of a simulated network, as far as tests need them: they submit requests and look at results.
#pragma once

#include <gtest/gtest.h>

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>

#include <cstddef>
#include <cstring>
#include <deque>
#include <memory>
#include <string>

#include <shale/core/sim/detail/network.hh>

namespace shale::sim::detail {

/// A request, where its result is seen.
struct operation : io_request {
    using io_request::io_request;
    explicit operation(const io_request& r) : io_request(r) {}
    operation(const operation&) = delete;
    operation& operator=(const operation&) = delete;

    bool done() const noexcept { return completions != 0; }
    int completions = 0;
};

/// One shard of one incarnation of a program.
class program final : public requester {
public:
    program(network& net, event_queue& events, net_host& at, handle_table& handles)
        : net_(net), events_(events), at_(at), handles_(handles) {}

    void finish(io_request& request, std::int32_t result) override {
        ASSERT_TRUE(alive_) << "a request of the dead was finished";
        ++static_cast<operation&>(request).completions;
        request.result = result;
    }
    bool alive() const noexcept override { return alive_; }
    handle_table& handles() noexcept override { return handles_; }
    void die() noexcept { alive_ = false; }

    /// Submits it, and returns at once.
    operation& start(const io_request& request) {
        operation& made = operations_.emplace_back(request);
        net_.begin(made, *this, at_);
        return made;
    }
    /// Submits it and lets time pass until it is done. -EINPROGRESS: nothing will ever happen again.
    std::int32_t run(const io_request& request) {
        operation& o = start(request);
        return await(o);
    }
    std::int32_t await(operation& o) {
        while (!o.done() && !events_.empty()) {
            events_.run_next();
        }
        return o.done() ? o.result : -EINPROGRESS;
    }
    bool cancel(operation& o) { return net_.withdraw(o, *this); }

    operation& start_recv(std::int32_t fd, std::string& into) {
        return start({.op = io_op::recv, .fd = fd, .data = into.data(), .size = size_of(into)});
    }
    operation& start_send(std::int32_t fd, std::string& bytes) {
        return start({.op = io_op::send, .fd = fd, .data = bytes.data(), .size = size_of(bytes)});
    }
    operation& start_poll(std::int32_t fd, int events) {
        return start({.op = io_op::poll, .fd = fd, .size = static_cast<std::uint32_t>(events)});
    }
    std::int32_t send(std::int32_t fd, std::string bytes) { return await(start_send(fd, bytes)); }
    /// What one recv gives; `error` is its result when that is not positive.
    std::string recv(std::int32_t fd, std::int32_t* error = nullptr, std::size_t room = 65'536) {
        std::string text(room, '\0');
        const std::int32_t n = await(start_recv(fd, text));
        if (error != nullptr) {
            *error = n;
        }
        text.resize(n > 0 ? static_cast<std::size_t>(n) : 0);
        return text;
    }
    std::int32_t recv_error(std::int32_t fd) {
        std::int32_t error = 0;
        recv(fd, &error);
        return error;
    }
    std::int32_t close(std::int32_t fd) { return run({.op = io_op::close, .fd = fd}); }
    std::int32_t shutdown(std::int32_t fd, int how) {
        return run({.op = io_op::shutdown, .fd = fd, .size = static_cast<std::uint32_t>(how)});
    }
    std::int32_t set(std::int32_t fd, int level, int name, int value) {
        return run({.op = io_op::set_option,
                    .fd = fd,
                    .data = &value,
                    .offset = socket_option(level, name),
                    .size = sizeof value});
    }
    std::int32_t get(std::int32_t fd, int level, int name) {
        int value = 0;
        const std::int32_t n = run({.op = io_op::get_option,
                                    .fd = fd,
                                    .data = &value,
                                    .offset = socket_option(level, name),
                                    .size = sizeof value});
        return n < 0 ? n : value;
    }
    void set_linger(std::int32_t fd, linger value) {
        EXPECT_EQ(run({.op = io_op::set_option,
                       .fd = fd,
                       .data = &value,
                       .offset = socket_option(SOL_SOCKET, SO_LINGER),
                       .size = sizeof value}),
                  0);
    }
    std::int32_t listen(const std::string& address, std::uint16_t port, listen_parameters parameters = {}) {
        sockaddr_storage name;
        const std::uint32_t size = fill(name, address, port);
        return run({.op = io_op::listen, .data = &name, .size = size, .extra = &parameters});
    }
    /// Its name is kept, so that it may go on by itself.
    operation& start_connect(const std::string& address, std::uint16_t port, sockaddr* local = nullptr) {
        sockaddr_storage& name = names_.emplace_back();
        const std::uint32_t size = fill(name, address, port);
        return start({.op = io_op::connect, .data = &name, .size = size, .extra = local});
    }
    std::int32_t connect(const std::string& address, std::uint16_t port) { return await(start_connect(address, port)); }
    operation& start_accept(std::int32_t fd) { return start({.op = io_op::accept, .fd = fd}); }
    std::int32_t accept(std::int32_t fd) { return await(start_accept(fd)); }
    std::uint16_t port_of(std::int32_t fd, io_op which = io_op::local_address) {
        sockaddr_in6 name{};  // the port stands at the same place in both families
        sockaddr_storage room{};
        EXPECT_GT(run({.op = which, .fd = fd, .data = &room}), 0);
        std::memcpy(&name, &room, sizeof name);
        return ntohs(name.sin6_port);
    }

    /// A Unix path when it holds a slash or begins with '@'.
    static std::uint32_t fill(sockaddr_storage& name, const std::string& address, std::uint16_t port) {
        name = {};
        if (address.starts_with('/') || address.starts_with('@')) {
            auto& local = reinterpret_cast<sockaddr_un&>(name);
            local.sun_family = AF_UNIX;
            std::memcpy(local.sun_path, address.data(), address.size());
            if (address.front() == '@') {
                local.sun_path[0] = '\0';
            }
            return static_cast<std::uint32_t>(offsetof(sockaddr_un, sun_path) + address.size());
        }
        const auto ip = ip_address::parse(address);
        const int family = address.find(':') == std::string::npos ? AF_INET : AF_INET6;
        return static_cast<std::uint32_t>(
            write_name({.family = family, .ip = {ip.value_or(ip_address{}), port}, .path = {}}, &name));
    }

private:
    static std::uint32_t size_of(const std::string& text) { return static_cast<std::uint32_t>(text.size()); }

    network& net_;
    event_queue& events_;
    net_host& at_;
    handle_table& handles_;
    bool alive_ = true;
    std::deque<operation> operations_;
    std::deque<sockaddr_storage> names_;
};

/// Two hosts with a program each, one millisecond of order between what happens.
class network_test : public ::testing::Test {
protected:
    explicit network_test(const net_profile& profile = {}, std::uint64_t seed = 1)
        : random(seed), net(events, random, profile, faults) {}

    /// Lets so much time pass.
    void pass(std::uint64_t ns) {
        bool over = false;
        events.after(ns, [&] { over = true; });
        while (!over) {
            events.run_next();
        }
    }
    /// Runs events until none is left.
    void settle() {
        while (!events.empty()) {
            events.run_next();
        }
    }

    struct pair_of {
        std::int32_t client;
        std::int32_t server;
    };
    /// A connection from a to b.
    pair_of connected(std::uint16_t port = 80) {
        if (listener < 0) {
            listener = b.listen("10.0.0.2", port);
        }
        pair_of made{};
        made.client = a.connect("10.0.0.2", port);
        made.server = b.accept(listener);
        EXPECT_GE(made.client, handle_table::first);
        EXPECT_GE(made.server, handle_table::first);
        return made;
    }

    static constexpr std::uint64_t ms = 1'000'000;
    static constexpr std::uint64_t s = 1'000'000'000;

    event_queue events;
    random_engine random;
    fault_counts faults;
    handle_table handles_a;
    handle_table handles_b;
    network net;
    net_host& host_a = net.attach("alpha", {"10.0.0.1", "fd00::1"});
    net_host& host_b = net.attach("beta", {"10.0.0.2", "fd00::2"});
    program a{net, events, host_a, handles_a};
    program b{net, events, host_b, handles_b};
    std::int32_t listener = -1;
};

}  // namespace shale::sim::detail
