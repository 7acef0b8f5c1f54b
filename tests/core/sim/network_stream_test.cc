// What a connection of the simulated network gives to both of its ends, when nothing goes wrong on the way.
#include "network_fixture.hh"

namespace shale::sim::detail {
namespace {

class network_stream : public network_test {};

TEST_F(network_stream, carries_bytes_both_ways_after_the_latency) {
    const auto [client, server] = connected();
    const std::uint64_t before = events.now_ns();
    EXPECT_EQ(a.send(client, "question"), 8);
    EXPECT_EQ(events.now_ns(), before) << "a send ends when the kernel has the bytes";
    EXPECT_EQ(b.recv(server), "question");
    EXPECT_EQ(events.now_ns(), before + net.profile().latency_ns_min);
    EXPECT_EQ(b.send(server, "answer"), 6);
    EXPECT_EQ(a.recv(client), "answer");
}

TEST_F(network_stream, gives_what_is_there_and_keeps_the_rest) {
    const auto [client, server] = connected();
    a.send(client, "one");
    a.send(client, "two");
    settle();
    EXPECT_EQ(b.recv(server, nullptr, 4), "onet");
    EXPECT_EQ(b.recv(server, nullptr, 4), "wo");
}

TEST_F(network_stream, serves_waiting_recvs_in_order) {
    const auto [client, server] = connected();
    std::string first(3, ' ');
    std::string second(3, ' ');
    operation& one = b.start_recv(server, first);
    operation& two = b.start_recv(server, second);
    a.send(client, "abcdef");
    settle();
    EXPECT_EQ(one.result, 3);
    EXPECT_EQ(two.result, 3);
    EXPECT_EQ(first + second, "abcdef");
}

TEST_F(network_stream, takes_no_more_than_the_window_and_waits_until_a_third_is_free) {
    net.profile().window_bytes_min = net.profile().window_bytes_max = 900;
    const auto [client, server] = connected();
    EXPECT_EQ(a.send(client, std::string(2000, 'x')), 900);
    std::string more = "y";
    operation& waits = a.start_send(client, more);
    EXPECT_EQ(b.recv(server, nullptr, 299).size(), 299U);
    settle();
    EXPECT_FALSE(waits.done());
    EXPECT_EQ(b.recv(server, nullptr, 1).size(), 1U);
    EXPECT_EQ(a.await(waits), 1);
    EXPECT_EQ(b.recv(server).size(), 600U);
    EXPECT_EQ(b.recv(server), "y");
}

TEST_F(network_stream, sends_and_receives_vectors) {
    const auto [client, server] = connected();
    char hello[] = "hello, ";
    char world[] = "world";
    iovec out[] = {{hello, 7}, {world, 5}};
    EXPECT_EQ(a.run({.op = io_op::sendmsg, .fd = client, .data = out, .size = 2}), 12);
    char text[20];
    char rest[20];
    iovec in[] = {{text, 5}, {rest, sizeof rest}};
    msghdr message{};
    message.msg_iov = in;
    message.msg_iovlen = 2;
    EXPECT_EQ(b.run({.op = io_op::recvmsg, .fd = server, .data = &message}), 12);
    EXPECT_EQ(std::string(text, 5) + std::string(rest, 7), "hello, world");
}

TEST_F(network_stream, tells_the_end_after_the_last_byte_again_and_again) {
    const auto [client, server] = connected();
    a.send(client, "last");
    EXPECT_EQ(a.shutdown(client, SHUT_WR), 0);
    EXPECT_EQ(b.recv(server), "last");
    EXPECT_EQ(b.recv_error(server), 0);
    EXPECT_EQ(b.recv_error(server), 0);
}

TEST_F(network_stream, goes_on_in_the_other_direction_when_one_has_ended) {
    const auto [client, server] = connected();
    a.shutdown(client, SHUT_WR);
    EXPECT_EQ(b.recv_error(server), 0);
    EXPECT_EQ(b.send(server, "still here"), 10);
    EXPECT_EQ(a.recv(client), "still here");
    EXPECT_EQ(a.send(client, "x"), -EPIPE);
}

TEST_F(network_stream, reads_what_is_there_after_its_own_shutdown_of_reading) {
    const auto [client, server] = connected();
    b.send(server, "kept");
    settle();
    EXPECT_EQ(a.shutdown(client, SHUT_RD), 0);
    EXPECT_EQ(a.recv(client), "kept");
    EXPECT_EQ(a.recv_error(client), 0);
    b.send(server, "later");
    settle();
    EXPECT_EQ(a.recv(client), "later") << "Linux goes on receiving";
}

TEST_F(network_stream, shutdown_ends_what_waits_in_that_direction_only) {
    const auto [client, server] = connected();
    std::string room(10, ' ');
    operation& waits = a.start_recv(client, room);
    a.shutdown(client, SHUT_WR);
    settle();
    EXPECT_FALSE(waits.done());
    a.shutdown(client, SHUT_RD);
    EXPECT_EQ(waits.result, 0);
    EXPECT_TRUE(waits.done());
}

TEST_F(network_stream, answers_data_with_a_reset_once_both_directions_are_shut_down) {
    const auto [client, server] = connected();
    a.shutdown(client, SHUT_RDWR);
    b.send(server, "unwanted");
    settle();
    EXPECT_EQ(a.get(client, SOL_SOCKET, SO_ERROR), ECONNRESET);
    EXPECT_EQ(b.send(server, "x"), -EPIPE) << "a reset after the end is EPIPE";
}

TEST_F(network_stream, has_no_peer_and_nothing_to_shut_down_once_both_have_finished) {
    const auto [client, server] = connected();
    a.shutdown(client, SHUT_WR);
    b.shutdown(server, SHUT_WR);
    settle();
    sockaddr_storage room{};
    EXPECT_EQ(a.run({.op = io_op::remote_address, .fd = client, .data = &room}), -ENOTCONN);
    EXPECT_EQ(a.shutdown(client, SHUT_RDWR), -ENOTCONN);
    EXPECT_EQ(a.recv_error(client), 0);
    EXPECT_EQ(a.send(client, "x"), -EPIPE);
}

TEST_F(network_stream, close_with_unread_data_resets) {
    const auto [client, server] = connected();
    a.send(client, "never read");
    settle();
    std::string room(10, ' ');
    operation& waits = a.start_recv(client, room);
    EXPECT_EQ(b.close(server), 0);
    EXPECT_EQ(a.await(waits), -ECONNRESET);
    EXPECT_EQ(a.recv_error(client), 0) << "an error is told once";
    EXPECT_EQ(a.send(client, "x"), -EPIPE);
}

TEST_F(network_stream, close_with_all_read_finishes_in_order) {
    const auto [client, server] = connected();
    b.send(server, "goodbye");
    b.close(server);
    EXPECT_EQ(a.recv(client), "goodbye");
    EXPECT_EQ(a.recv_error(client), 0);
}

TEST_F(network_stream, a_send_to_one_who_has_closed_is_taken_and_the_next_fails) {
    const auto [client, server] = connected();
    b.close(server);
    settle();
    EXPECT_EQ(a.send(client, "x"), 1);
    settle();
    EXPECT_EQ(a.send(client, "x"), -EPIPE);
    EXPECT_EQ(a.recv_error(client), 0) << "after the end no error is told";
}

TEST_F(network_stream, a_reset_leaves_what_had_arrived_to_be_read) {
    const auto [client, server] = connected();
    b.send(server, "before");
    settle();
    b.set_linger(server, {1, 0});
    b.close(server);
    settle();
    EXPECT_EQ(a.recv(client), "before");
    EXPECT_EQ(a.recv_error(client), -ECONNRESET);
    EXPECT_EQ(a.recv_error(client), 0);
}

TEST_F(network_stream, a_send_learns_of_the_reset_before_the_broken_pipe) {
    const auto [client, server] = connected();
    b.set_linger(server, {1, 0});
    b.close(server);
    settle();
    EXPECT_EQ(a.send(client, "x"), -ECONNRESET);
    EXPECT_EQ(a.send(client, "x"), -EPIPE);
}

TEST_F(network_stream, polls_for_what_is_asked) {
    const auto [client, server] = connected();
    EXPECT_EQ(a.await(a.start_poll(client, POLLOUT)), POLLOUT);
    operation& readable = a.start_poll(client, POLLIN);
    operation& hung_up = a.start_poll(client, POLLRDHUP);
    b.send(server, "x");
    settle();
    EXPECT_EQ(readable.result, POLLIN);
    EXPECT_FALSE(hung_up.done());
    b.shutdown(server, SHUT_WR);
    EXPECT_EQ(a.await(hung_up), POLLRDHUP);
    operation& both = a.start_poll(client, 0);
    EXPECT_FALSE(both.done());
    a.shutdown(client, SHUT_WR);
    EXPECT_EQ(a.await(both), POLLHUP);
}

TEST_F(network_stream, polls_an_error) {
    const auto [client, server] = connected();
    operation& waits = a.start_poll(client, 0);
    b.set_linger(server, {1, 0});
    b.close(server);
    EXPECT_EQ(a.await(waits), POLLERR | POLLHUP);
    EXPECT_EQ(a.get(client, SOL_SOCKET, SO_ERROR), ECONNRESET);
    EXPECT_EQ(a.get(client, SOL_SOCKET, SO_ERROR), 0);
}

TEST_F(network_stream, close_cancels_what_waits_there_exactly_once) {
    const auto [client, server] = connected();
    std::string room(10, ' ');
    operation& one = a.start_recv(client, room);
    operation& two = a.start_recv(client, room);
    operation& poll = a.start_poll(client, POLLIN);
    EXPECT_EQ(a.close(client), 0);
    settle();
    for (const operation* o : {&one, &two, &poll}) {
        EXPECT_EQ(o->result, -ECANCELED);
        EXPECT_EQ(o->completions, 1);
    }
    EXPECT_EQ(a.close(client), -EBADF);
}

TEST_F(network_stream, cancels_what_waits_and_leaves_the_rest) {
    const auto [client, server] = connected();
    std::string first(1, ' ');
    std::string second(1, ' ');
    operation& one = a.start_recv(client, first);
    operation& two = a.start_recv(client, second);
    EXPECT_TRUE(a.cancel(one));
    EXPECT_EQ(one.result, -ECANCELED);
    b.send(server, "2");
    EXPECT_EQ(a.await(two), 1);
    EXPECT_EQ(second, "2");
    EXPECT_FALSE(a.cancel(two)) << "it is done";
}

TEST_F(network_stream, leaves_an_accepted_socket_to_whichever_shard_uses_it) {
    const auto [client, server] = connected();
    program other(net, events, host_b, handles_b);
    std::string room(10, ' ');
    operation& waits = other.start_recv(server, room);
    a.send(client, "hi");
    EXPECT_EQ(other.await(waits), 2);
    EXPECT_EQ(b.send(server, "ho"), 2);
    EXPECT_EQ(a.recv(client), "ho");
}

TEST_F(network_stream, wrong_descriptors_fail_alone) {
    class file_handle final : public open_handle {
    public:
        file_handle() : open_handle(kind::file) {}
    };
    std::string room(4, ' ');
    EXPECT_EQ(a.recv_error(12345), -EBADF);
    EXPECT_EQ(a.send(-1, "x"), -EBADF);
    EXPECT_EQ(a.shutdown(12345, SHUT_WR), -EBADF);
    const std::int32_t file = handles_a.add(std::make_shared<file_handle>());
    EXPECT_EQ(a.recv_error(file), -ENOTSOCK);
    const auto [client, server] = connected();
    EXPECT_EQ(a.accept(client), -EINVAL);
    EXPECT_EQ(a.shutdown(client, 7), -EINVAL);
    EXPECT_EQ(b.recv_error(listener), -ENOTCONN);
    EXPECT_EQ(b.send(listener, "x"), -EPIPE);
}

TEST_F(network_stream, keeps_options_as_linux_does) {
    const auto [client, server] = connected();
    EXPECT_EQ(a.set(client, IPPROTO_TCP, TCP_NODELAY, 7), 0);
    EXPECT_EQ(a.get(client, IPPROTO_TCP, TCP_NODELAY), 1);
    EXPECT_EQ(a.set(client, SOL_SOCKET, SO_RCVBUF, 10'000), 0);
    EXPECT_EQ(a.get(client, SOL_SOCKET, SO_RCVBUF), 20'000);
    EXPECT_EQ(a.set(client, IPPROTO_TCP, TCP_KEEPIDLE, 0), -EINVAL);
    EXPECT_EQ(a.set(client, 12345, 1, 1), -ENOPROTOOPT);
    EXPECT_EQ(a.set(client, IPPROTO_IPV6, IPV6_V6ONLY, 1), -ENOPROTOOPT);
    EXPECT_EQ(a.set(client, SOL_SOCKET, SO_TYPE, 1), -ENOPROTOOPT);
    EXPECT_EQ(a.get(client, SOL_SOCKET, SO_TYPE), SOCK_STREAM);
    EXPECT_EQ(b.get(listener, SOL_SOCKET, SO_ACCEPTCONN), 1);
    EXPECT_EQ(a.get(client, SOL_SOCKET, SO_ACCEPTCONN), 0);
}

TEST_F(network_stream, knows_both_addresses) {
    const auto [client, server] = connected();
    EXPECT_EQ(a.port_of(client, io_op::remote_address), 80);
    EXPECT_EQ(b.port_of(server), 80);
    EXPECT_EQ(b.port_of(server, io_op::remote_address), a.port_of(client));
    EXPECT_GE(a.port_of(client), net.profile().ephemeral_first);
}

TEST_F(network_stream, is_forgotten_when_both_ends_are_closed) {
    const auto [client, server] = connected();
    a.send(client, "x");
    b.recv(server);
    a.close(client);
    settle();
    EXPECT_EQ(net.connections(), 1U);
    b.close(server);
    settle();
    EXPECT_EQ(net.connections(), 0U);
}

using network_stream_death_test = network_stream;

TEST_F(network_stream_death_test, a_buffer_changed_while_its_send_waits_aborts) {
    net.profile().window_bytes_min = net.profile().window_bytes_max = 10;
    const auto [client, server] = connected();
    a.send(client, "0123456789");
    std::string bytes = "wait";
    a.start_send(client, bytes);
    bytes[0] = 'W';
    EXPECT_DEATH((b.recv(server), settle()), "the buffer of a send in flight was changed");
}

}  // namespace
}  // namespace shale::sim::detail
