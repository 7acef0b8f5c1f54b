// Sockets through the platform: the edge is never lost, an operation completes exactly once, and the economy of system
// calls is what it claims to be.
#include "socket_fixture.hh"

namespace shale {
namespace {

INSTANTIATE_TEST_SUITE_P(, sockets_test, ::testing::Values(pastime::spin, pastime::sleep, pastime::batch),
                         [](const auto& how) { return to_string(how.param); });

TEST_P(sockets_test, connects_and_talks_both_ways) {
    const auto [a, b] = tcp_pair();
    EXPECT_EQ(send(a, "ping"), 4);
    EXPECT_EQ(receive(b), "ping");
    EXPECT_EQ(send(b, "pong"), 4);
    EXPECT_EQ(receive(a), "pong");
    EXPECT_NE(::fcntl(b, F_GETFL) & O_NONBLOCK, 0);
    EXPECT_EQ(::fcntl(b, F_GETFD) & FD_CLOEXEC, FD_CLOEXEC);
}

TEST_P(sockets_test, completes_a_waiting_recv_when_data_comes) {
    const auto [a, b] = unix_pair();
    char text[10];
    operation recv(io_op::recv, a, text, sizeof text);
    d.submit(recv);
    for (int i = 0; i < 100; ++i) {
        d.turn();
    }
    EXPECT_FALSE(recv.done());
    ASSERT_EQ(::write(b, "late", 4), 4);
    ASSERT_TRUE(d.until([&] { return recv.done(); }));
    EXPECT_EQ(recv.result, 4);
}

TEST_P(sockets_test, serves_waiting_recvs_in_order) {
    const auto [a, b] = unix_pair();
    char one[2];
    char two[2];
    operation first(io_op::recv, a, one, 2);
    operation second(io_op::recv, a, two, 2);
    d.submit({&first, &second});
    ASSERT_EQ(::write(b, "1122", 4), 4);
    ASSERT_TRUE(d.until([&] { return first.done() && second.done(); }));
    EXPECT_EQ(std::string(one, 2) + std::string(two, 2), "1122");
}

TEST_P(sockets_test, loses_no_byte_however_reads_and_writes_fall) {
    const auto [a, b] = tcp_pair();
    std::string sent;
    std::string got;
    unsigned state = 12345;
    const auto dice = [&state](unsigned sides) { return (state = state * 1103515245 + 12345) / 65536 % sides; };
    for (int round = 0; round < 2000; ++round) {
        if (dice(2) == 0) {
            const std::string text(dice(30) + 1, static_cast<char>('a' + round % 26));
            ASSERT_EQ(::send(a, text.data(), text.size(), 0), static_cast<ssize_t>(text.size()));
            sent += text;
        } else if (got.size() < sent.size()) {
            got += receive(b, dice(40) + 1);
        }
        if (dice(10) == 0) {
            d.turn();
        }
    }
    ::shutdown(a, SHUT_WR);
    for (std::string more = receive(b); !more.empty(); more = receive(b)) {
        got += more;
    }
    EXPECT_EQ(got, sent);
}

TEST_P(sockets_test, sees_the_end_that_came_together_with_the_last_data) {
    for (int round = 0; round < 20; ++round) {
        const auto [a, b] = tcp_pair();
        // Joins the epoll set, so that from here on only edges tell.
        operation recv(io_op::recv, b, nullptr, 0);
        char text[100];
        operation waiting(io_op::recv, b, text, sizeof text);
        d.submit(waiting);
        d.turn();
        ASSERT_EQ(::send(a, "x", 1, 0), 1);
        ASSERT_TRUE(d.until([&] { return waiting.done(); }));
        ASSERT_EQ(::send(a, "last", 4, 0), 4);
        ::shutdown(a, SHUT_WR);
        EXPECT_EQ(receive(b), "last");
        EXPECT_EQ(receive(b), "");
        EXPECT_EQ(receive(b), "");
    }
}

TEST_P(sockets_test, waits_with_a_send_until_there_is_room) {
    const auto [a, b] = tcp_pair();
    const std::string block(1 << 20, 'z');
    std::size_t sent = 0;
    operation send(io_op::send, a, const_cast<char*>(block.data()), block.size());
    for (;;) {
        send.completions = 0;
        d.submit(send);
        for (int i = 0; i < 50 && !send.done(); ++i) {
            d.turn();
        }
        if (!send.done()) {
            break;
        }
        ASSERT_GT(send.result, 0);
        sent += static_cast<std::size_t>(send.result);
    }
    std::size_t received = 0;
    std::string sink(1 << 20, ' ');
    while (received < sent || !send.done()) {
        const ssize_t n = ::recv(b, sink.data(), sink.size(), MSG_DONTWAIT);
        received += n > 0 ? static_cast<std::size_t>(n) : 0;
        d.turn();
        if (send.done() && send.result > 0) {
            sent += static_cast<std::size_t>(send.result);
            send.result = 0;
        }
    }
    EXPECT_EQ(received, sent);
    EXPECT_EQ(send.completions, 1);
}

TEST_P(sockets_test, sends_and_receives_vectors) {
    const auto [a, b] = unix_pair();
    char hello[] = "hello, ";
    char world[] = "world";
    iovec out[] = {{hello, 7}, {world, 5}};
    EXPECT_EQ(d.run(io_op::sendmsg, a, out, 2), 12);
    char text[20];
    iovec in[] = {{text, sizeof text}};
    msghdr message{};
    message.msg_iov = in;
    message.msg_iovlen = 1;
    EXPECT_EQ(d.run(io_op::recvmsg, b, &message), 12);
    EXPECT_EQ(std::string(text, 12), "hello, world");
}

TEST_P(sockets_test, receives_every_datagram_short_as_it_is) {
    const auto [a, b] = unix_pair(SOCK_DGRAM);
    char text[100];
    operation recv(io_op::recv, b, text, sizeof text);
    d.submit(recv);
    d.turn();
    ASSERT_EQ(::send(a, "one", 3, 0), 3);
    ASSERT_EQ(::send(a, "four", 4, 0), 4);
    ASSERT_TRUE(d.until([&] { return recv.done(); }));
    EXPECT_EQ(recv.result, 3);
    EXPECT_EQ(receive(b), "four");
}

TEST_P(sockets_test, fails_a_send_to_a_peer_that_is_gone_without_a_signal) {
    const auto [a, b] = unix_pair();
    d.run(io_op::close, ::dup(b));
    ::shutdown(b, SHUT_RD);
    EXPECT_EQ(send(a, "x"), -EPIPE);
}

TEST_P(sockets_test, completes_a_waiting_recv_when_the_peer_resets) {
    const auto [a, b] = tcp_pair();
    char text[10];
    operation recv(io_op::recv, b, text, sizeof text);
    d.submit(recv);
    d.turn();
    const linger now{1, 0};
    ::setsockopt(a, SOL_SOCKET, SO_LINGER, &now, sizeof now);
    EXPECT_EQ(d.run(io_op::close, a), 0);
    ASSERT_TRUE(d.until([&] { return recv.done(); }));
    EXPECT_EQ(recv.result, -ECONNRESET);
    EXPECT_EQ(receive(b), "");
}

TEST_P(sockets_test, polls_for_what_is_asked) {
    const auto [a, b] = unix_pair();
    EXPECT_EQ(d.run(io_op::poll, a, nullptr, POLLOUT), POLLOUT);
    operation readable(io_op::poll, a, nullptr, POLLIN);
    operation hung_up(io_op::poll, a, nullptr, POLLRDHUP);
    d.submit({&hung_up, &readable});
    d.turn();
    ASSERT_EQ(::write(b, "x", 1), 1);
    ASSERT_TRUE(d.until([&] { return readable.done(); }));
    EXPECT_EQ(readable.result, POLLIN);
    EXPECT_FALSE(hung_up.done());
    ::shutdown(b, SHUT_WR);
    ASSERT_TRUE(d.until([&] { return hung_up.done(); }));
    EXPECT_NE(hung_up.result & POLLRDHUP, 0);
    EXPECT_EQ(d.run(io_op::poll, 987654, nullptr, POLLIN), -EBADF);
}

TEST_P(sockets_test, polls_a_pipe) {
    int ends[2];
    ASSERT_EQ(::pipe2(ends, O_NONBLOCK | O_CLOEXEC), 0);
    operation readable(io_op::poll, keep(ends[0]), nullptr, POLLIN);
    d.submit(readable);
    d.turn();
    EXPECT_FALSE(readable.done());
    ASSERT_EQ(::write(keep(ends[1]), "x", 1), 1);
    ASSERT_TRUE(d.until([&] { return readable.done(); }));
}

TEST_P(sockets_test, asks_and_sets_options) {
    const auto [a, b] = tcp_pair();
    int on = 1;
    EXPECT_EQ(d.run(io_op::set_option, a, &on, sizeof on, socket_option(IPPROTO_TCP, TCP_NODELAY)), 0);
    int value = 0;
    EXPECT_EQ(d.run(io_op::get_option, a, &value, sizeof value, socket_option(IPPROTO_TCP, TCP_NODELAY)),
              static_cast<int>(sizeof value));
    EXPECT_NE(value, 0);
    EXPECT_EQ(d.run(io_op::set_option, a, &on, sizeof on, socket_option(12345, 1)), -ENOPROTOOPT);
    EXPECT_EQ(d.run(io_op::local_address, 987654, &value), -EBADF);
}

TEST_P(sockets_test, bad_descriptors_fail_alone) {
    char text[4];
    EXPECT_EQ(d.run(io_op::recv, 987654, text, 4), -EBADF);
    EXPECT_EQ(d.run(io_op::send, -1, text, 4), -EBADF);
    EXPECT_EQ(d.run(io_op::accept, 987654), -EBADF);
    EXPECT_EQ(d.run(io_op::shutdown, 987654, nullptr, SHUT_WR), -EBADF);
    EXPECT_EQ(d.run(io_op::close, 987654), -EBADF);
    const int file = keep(::open("/dev/null", O_RDWR | O_CLOEXEC));
    EXPECT_EQ(d.run(io_op::recv, file, text, 4), -ENOTSOCK);
}

TEST(sockets, a_request_and_its_answer_cost_one_recv_and_one_send) {
    driver d;
    int ends[2];
    const int listener = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    sockaddr_in address = loopback(0);
    ASSERT_EQ(::bind(listener, reinterpret_cast<sockaddr*>(&address), sizeof address), 0);
    ASSERT_EQ(::listen(listener, 1), 0);
    socklen_t length = sizeof address;
    ::getsockname(listener, reinterpret_cast<sockaddr*>(&address), &length);
    ends[0] = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    ASSERT_EQ(::connect(ends[0], reinterpret_cast<sockaddr*>(&address), length), 0);
    ends[1] = ::accept4(listener, nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC);

    char text[100];
    operation recv(io_op::recv, ends[1], text, sizeof text);
    d.submit(recv);
    d.turn();
    const linux_counters before = d.platform.counters();
    constexpr unsigned rounds = 100;
    for (unsigned i = 0; i < rounds; ++i) {
        ASSERT_EQ(::send(ends[0], "ping", 4, 0), 4);
        ASSERT_TRUE(d.until([&] { return recv.done(); }));
        recv.completions = 0;
        operation send(io_op::send, ends[1], text, 4);
        d.submit({&send, &recv});
        ASSERT_EQ(::recv(ends[0], text, sizeof text, 0), 4);
        ASSERT_TRUE(d.until([&] { return send.done(); }));
    }
    const linux_counters after = d.platform.counters();
    EXPECT_EQ(after.socket_calls - before.socket_calls, 2 * rounds);
    EXPECT_EQ(after.socket_again - before.socket_again, 0u);
    EXPECT_EQ(after.epoll_changes, 1u) << "one epoll_ctl in the life of the connection";
    for (const int fd : {listener, ends[0], ends[1]}) {
        ::close(fd);
    }
}

}  // namespace
}  // namespace shale
