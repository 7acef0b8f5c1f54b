// The life of a connection through the platform: listening, accepting, connecting, shutting down, closing, and being
// cancelled at any of these.
#include "socket_fixture.hh"

namespace shale {
namespace {

class connections_test : public sockets_test {};

INSTANTIATE_TEST_SUITE_P(, connections_test, ::testing::Values(pastime::spin, pastime::sleep, pastime::batch),
                         [](const auto& how) { return to_string(how.param); });

TEST_P(connections_test, accepts_many_with_one_address_each) {
    const int listener = listen();
    sockaddr_in address = address_of(listener);
    constexpr int count = 20;
    std::vector<std::unique_ptr<operation>> accepts;
    std::vector<sockaddr_storage> peers(count);
    std::vector<std::unique_ptr<operation>> connects;
    for (std::size_t i = 0; i < count; ++i) {
        accepts.push_back(std::make_unique<operation>(io_op::accept, listener, &peers[i]));
        d.submit(*accepts.back());
    }
    for (int i = 0; i < count; ++i) {
        connects.push_back(std::make_unique<operation>(io_op::connect, -1, &address, sizeof address));
        d.submit(*connects.back());
    }
    ASSERT_TRUE(d.until([&] {
        return std::ranges::all_of(accepts, [](const auto& o) { return o->done(); }) &&
               std::ranges::all_of(connects, [](const auto& o) { return o->done(); });
    }));
    for (std::size_t i = 0; i < count; ++i) {
        keep(connects[i]->result);
        sockaddr_storage name{};
        EXPECT_GT(d.run(io_op::remote_address, keep(accepts[i]->result), &name), 0);
        EXPECT_EQ(std::memcmp(&name, &peers[i], sizeof(sockaddr_in)), 0);
    }
}

TEST_P(connections_test, leaves_an_accepted_socket_to_whichever_shard_uses_it_first) {
    const auto [a, b] = tcp_pair();
    driver other({}, GetParam());
    char text[10];
    operation recv(io_op::recv, b, text, sizeof text);
    other.submit(recv);
    other.turn();
    EXPECT_EQ(send(a, "hi"), 2);
    ASSERT_TRUE(other.until([&] { return recv.done(); }));
    EXPECT_EQ(recv.result, 2);
    char* const answer = text;
    EXPECT_EQ(other.run(io_op::send, b, answer, 2), 2);
    EXPECT_EQ(receive(a), "hi");
}

TEST_P(connections_test, gives_accept_errors_to_the_caller_and_goes_on) {
    const int listener = listen();
    sockaddr_in address = address_of(listener);
    const int client = keep(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    ASSERT_EQ(::connect(client, reinterpret_cast<sockaddr*>(&address), sizeof address), 0);
    rlimit before{};
    ::getrlimit(RLIMIT_NOFILE, &before);
    const rlimit none{0, before.rlim_max};
    ::setrlimit(RLIMIT_NOFILE, &none);
    const int refused = d.run(io_op::accept, listener);
    ::setrlimit(RLIMIT_NOFILE, &before);
    EXPECT_EQ(refused, -EMFILE);
    keep(d.run(io_op::accept, listener));
}

TEST_P(connections_test, connect_is_refused_in_its_own_result) {
    const int listener = listen();
    sockaddr_in address = address_of(listener);
    EXPECT_EQ(d.run(io_op::close, ::dup(listener)), 0);
    ::shutdown(listener, SHUT_RDWR);
    EXPECT_EQ(d.run(io_op::connect, -1, &address, sizeof address), -ECONNREFUSED);
}

TEST_P(connections_test, connects_from_a_chosen_local_address) {
    const int listener = listen();
    sockaddr_in address = address_of(listener);
    sockaddr_in local = loopback(0);
    local.sin_addr.s_addr = htonl(0x7f000005);
    const int fd = keep(d.run(io_op::connect, -1, &address, sizeof address, 0, &local));
    EXPECT_EQ(address_of(fd).sin_addr.s_addr, local.sin_addr.s_addr);
}

TEST_P(connections_test, listen_errors_are_results) {
    const int listener = listen();
    sockaddr_in taken = address_of(listener);
    listen_parameters parameters;
    EXPECT_EQ(d.run(io_op::listen, -1, &taken, sizeof taken, 0, &parameters), -EADDRINUSE);
    const int shared = listen({.reuse_port = true});
    sockaddr_in same = address_of(shared);
    parameters.reuse_port = true;
    keep(d.run(io_op::listen, -1, &same, sizeof same, 0, &parameters));
}

TEST_P(connections_test, accepted_sockets_inherit_the_listeners_settings) {
    const socket_setting settings[] = {{IPPROTO_TCP, TCP_NODELAY, 1}, {SOL_SOCKET, SO_KEEPALIVE, 1}};
    const int listener = listen({.settings = settings});
    sockaddr_in address = address_of(listener);
    keep(d.run(io_op::connect, -1, &address, sizeof address));
    const int accepted = keep(d.run(io_op::accept, listener));
    for (const socket_setting& setting : settings) {
        int value = 0;
        d.run(io_op::get_option, accepted, &value, sizeof value, socket_option(setting.level, setting.name));
        EXPECT_NE(value, 0);
    }
    const socket_setting unknown[] = {{12345, 1, 1}};
    listen_parameters parameters{.settings = unknown};
    sockaddr_in any = loopback(0);
    EXPECT_EQ(d.run(io_op::listen, -1, &any, sizeof any, 0, &parameters), -ENOPROTOOPT);
}

TEST_P(connections_test, connects_over_ipv6_and_unix) {
    listen_parameters parameters;
    sockaddr_in6 six{};
    six.sin6_family = AF_INET6;
    six.sin6_addr = in6addr_loopback;
    const int listener = d.run(io_op::listen, -1, &six, sizeof six, 0, &parameters);
    if (listener != -EADDRNOTAVAIL && listener != -EAFNOSUPPORT) {
        keep(listener);
        sockaddr_storage name{};
        const int length = d.run(io_op::local_address, listener, &name);
        keep(d.run(io_op::connect, -1, &name, static_cast<std::size_t>(length)));
    }
    sockaddr_un abstract{};
    abstract.sun_family = AF_UNIX;
    const std::string text = "shale-test-" + std::to_string(::getpid()) + (GetParam() == pastime::spin ? "a" : "b");
    std::memcpy(abstract.sun_path + 1, text.data(), text.size());
    const std::size_t size = offsetof(sockaddr_un, sun_path) + 1 + text.size();
    const int unix_listener = keep(d.run(io_op::listen, -1, &abstract, size, 0, &parameters));
    const int fd = keep(d.run(io_op::connect, -1, &abstract, size));
    const int peer = keep(d.run(io_op::accept, unix_listener));
    EXPECT_EQ(send(fd, "u"), 1);
    EXPECT_EQ(receive(peer), "u");
}

TEST_P(connections_test, shutdown_ends_what_waits_in_that_direction_only) {
    const auto [a, b] = tcp_pair();
    char text[10];
    operation recv(io_op::recv, a, text, sizeof text);
    d.submit(recv);
    d.turn();
    EXPECT_EQ(d.run(io_op::shutdown, a, nullptr, SHUT_WR), 0);
    EXPECT_EQ(receive(b), "");
    EXPECT_FALSE(recv.done());
    EXPECT_EQ(send(b, "yes"), 3);
    ASSERT_TRUE(d.until([&] { return recv.done(); }));
    EXPECT_EQ(recv.result, 3);
    operation again(io_op::recv, a, text, sizeof text);
    d.submit(again);
    d.turn();
    EXPECT_EQ(d.run(io_op::shutdown, a, nullptr, SHUT_RD), 0);
    ASSERT_TRUE(d.until([&] { return again.done(); }));
    EXPECT_EQ(again.result, 0);
    EXPECT_EQ(send(a, "x"), -EPIPE);
}

TEST_P(connections_test, shutdown_ends_a_waiting_accept) {
    const int listener = listen();
    operation accept(io_op::accept, listener);
    d.submit(accept);
    d.turn();
    EXPECT_EQ(d.run(io_op::shutdown, listener, nullptr, SHUT_RD), 0);
    ASSERT_TRUE(d.until([&] { return accept.done(); }));
    EXPECT_EQ(accept.result, -ECONNABORTED);
}

TEST_P(connections_test, close_cancels_what_waits_there_exactly_once) {
    const auto [a, b] = unix_pair();
    const int fd = ::dup(a);
    char text[10];
    operation one(io_op::recv, fd, text, sizeof text);
    operation two(io_op::recv, fd, text, sizeof text);
    operation poll(io_op::poll, fd, nullptr, POLLIN);
    d.submit({&one, &two, &poll});
    d.turn();
    EXPECT_EQ(d.run(io_op::close, fd), 0);
    ASSERT_TRUE(d.until([&] { return one.done() && two.done() && poll.done(); }));
    EXPECT_EQ(one.result, -ECANCELED);
    EXPECT_EQ(two.result, -ECANCELED);
    EXPECT_EQ(poll.result, -ECANCELED);
    ASSERT_EQ(::write(b, "x", 1), 1);
    for (int i = 0; i < 100; ++i) {
        d.turn();
    }
    EXPECT_EQ(one.completions + two.completions + poll.completions, 3);
    EXPECT_EQ(::fcntl(fd, F_GETFD), -1);
    EXPECT_EQ(d.run(io_op::close, fd), -EBADF);
}

TEST_P(connections_test, forgets_a_closed_descriptor_before_its_number_comes_back) {
    for (int round = 0; round < 10; ++round) {
        const auto [a, b] = tcp_pair();
        char text[10];
        operation recv(io_op::recv, a, text, sizeof text);
        d.submit(recv);
        d.turn();
        EXPECT_EQ(send(b, "x"), 1);
        ASSERT_TRUE(d.until([&] { return recv.done(); }));
        const int fd = ::dup(a);
        d.run(io_op::close, fd);
        const auto [c, e] = unix_pair();
        operation other(io_op::recv, c, text, sizeof text);
        d.submit(other);
        d.turn();
        ASSERT_EQ(::write(e, "y", 1), 1);
        ASSERT_TRUE(d.until([&] { return other.done(); }));
    }
}

TEST_P(connections_test, cancels_what_waits_and_leaves_the_rest) {
    const auto [a, b] = unix_pair();
    char text[10];
    operation one(io_op::recv, a, text, 1);
    operation two(io_op::recv, a, text, 1);
    d.submit({&one, &two});
    d.turn();
    operation cancel(io_op::cancel);
    cancel.extra = &one;
    EXPECT_EQ(d.run(cancel), 0);
    EXPECT_TRUE(one.done());
    EXPECT_EQ(one.result, -ECANCELED);
    ASSERT_EQ(::write(b, "2", 1), 1);
    ASSERT_TRUE(d.until([&] { return two.done(); }));
    EXPECT_EQ(two.result, 1);
    EXPECT_EQ(one.completions, 1);
}

TEST_P(connections_test, cancels_a_connect_and_closes_its_descriptor) {
    // A full accept queue leaves further connects under way.
    const int listener = listen({.backlog = 0});
    sockaddr_in address = address_of(listener);
    std::vector<std::unique_ptr<operation>> connects;
    for (int i = 0; i < 8; ++i) {
        connects.push_back(std::make_unique<operation>(io_op::connect, -1, &address, sizeof address));
        d.submit(*connects.back());
        for (int turn = 0; turn < 100; ++turn) {
            d.turn();
        }
    }
    ASSERT_FALSE(connects.back()->done()) << "the queue never filled";
    const int before = ::dup(listener);
    ::close(before);
    for (const auto& connect : connects) {
        if (!connect->done()) {
            operation cancel(io_op::cancel);
            cancel.extra = connect.get();
            EXPECT_EQ(d.run(cancel), 0);
            EXPECT_EQ(connect->result, -ECANCELED);
        } else {
            keep(connect->result);
        }
    }
    EXPECT_LT(keep(::dup(listener)), before) << "descriptors of cancelled connects are free again";
}

}  // namespace
}  // namespace shale
