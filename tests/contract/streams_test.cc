// Data on connections: whole and in order however it is cut, waiting for data and for room, vectors, polls, options.
#include <fcntl.h>

#include <algorithm>

#include "sockets.hh"

namespace shale::contract {
namespace {

std::string pattern(std::size_t size) {
    std::string data(size, ' ');
    for (std::size_t i = 0; i < size; ++i) {
        data[i] = static_cast<char>(i * 2654435761U >> 24);
    }
    return data;
}

class streams_contract : public socket_case {
protected:
    std::array<int, 2> ends = tcp_pair();
    int a = ends[0];
    int b = ends[1];

    int sendmsg(std::vector<iovec> parts) { return run(io_op::sendmsg, a, parts.data(), parts.size()); }
};
INSTANTIATE_TEST_SUITE_P(, streams_contract, all_sides(), name_of);

TEST_P(streams_contract, carry_data_both_ways) {
    EXPECT_EQ(send(a, "ping"), 4);
    EXPECT_EQ(receive_all(b, 4), "ping");
    EXPECT_EQ(send(b, "pong"), 4);
    EXPECT_EQ(receive_all(a, 4), "pong");
}

TEST_P(streams_contract, a_recv_waits_for_data) {
    char into[10];
    operation recv(io_op::recv, b, into, sizeof into);
    submit(recv);
    settle();
    EXPECT_FALSE(recv.done());
    EXPECT_EQ(send(a, "x"), 1);
    EXPECT_EQ(finish(recv), 1);
    EXPECT_EQ(into[0], 'x');
}

TEST_P(streams_contract, a_recv_takes_no_more_than_it_has_room_for) {
    EXPECT_EQ(send(a, "0123456789"), 10);
    EXPECT_EQ(receive_all(b, 4), "0123");
    EXPECT_EQ(receive_all(b, 6), "456789");
}

TEST_P(streams_contract, a_recv_leaves_the_rest_of_the_buffer_alone) {
    EXPECT_EQ(send(a, "x"), 1);
    std::string into(10, '.');
    EXPECT_EQ(run(io_op::recv, b, into.data(), into.size()), 1);
    EXPECT_EQ(into, "x.........");
}

TEST_P(streams_contract, transfers_of_nothing_are_0_at_once) {
    EXPECT_EQ(receive(b, 0), "");
    EXPECT_EQ(send(a, ""), 0);
    EXPECT_EQ(send(a, "x"), 1);
    EXPECT_EQ(receive(b, 0), "");
    EXPECT_EQ(receive(b), "x");
}

TEST_P(streams_contract, every_byte_arrives_once_and_in_order_however_it_is_cut) {
    constexpr std::size_t unread_max = 30'000;  // each side takes so much without a reader
    const std::string data = pattern(200'000);
    std::string got;
    std::size_t sent = 0;
    unsigned state = 12345;
    const auto dice = [&state](unsigned sides) { return (state = state * 1103515245 + 12345) / 65536 % sides; };
    while (got.size() < data.size()) {
        const std::size_t unread = sent - got.size();
        if (sent < data.size() && (unread == 0 || (unread < unread_max && dice(2) == 0))) {
            const int n = send(a, data.substr(sent, dice(5000) + 1));
            ASSERT_GT(n, 0);
            sent += static_cast<std::size_t>(n);
        } else {
            const std::string more = receive(b, dice(5000) + 1);
            ASSERT_FALSE(more.empty());
            got += more;
        }
    }
    EXPECT_EQ(got, data);
}

TEST_P(streams_contract, more_than_the_buffers_hold_passes_both_ways_at_once) {
    constexpr std::size_t size = 6 << 20;
    const std::string data = pattern(size);
    struct way {
        int from;
        int to;
        std::size_t sent = 0;
        std::string got = {};
        std::string room = std::string(1 << 16, ' ');
        operation send = operation(io_op::send);
        operation recv = operation(io_op::recv);
    };
    way ways[2] = {{a, b}, {b, a}};
    for (way& w : ways) {
        w.send.completions = w.recv.completions = 1;
    }
    const auto push = [&](way& w) {
        if (w.send.done() && w.sent < size) {
            w.send.completions = 0;
            w.send.fd = w.from;
            w.send.data = const_cast<char*>(data.data()) + w.sent;
            w.send.size = static_cast<std::uint32_t>(size - w.sent);
            submit(w.send);
        }
    };
    const auto pull = [&](way& w) {
        if (w.recv.done() && w.got.size() < size) {
            w.recv.completions = 0;
            w.recv.fd = w.to;
            w.recv.data = w.room.data();
            w.recv.size = static_cast<std::uint32_t>(w.room.size());
            submit(w.recv);
        }
    };
    for (way& w : ways) {
        push(w);
        pull(w);
    }
    EXPECT_TRUE(until([&] {
        for (way& w : ways) {
            if (w.send.done() && w.send.result > 0) {
                w.sent += static_cast<std::size_t>(w.send.result);
                w.send.result = 0;
                push(w);
            }
            if (w.recv.done() && w.recv.result > 0) {
                w.got.append(w.room, 0, static_cast<std::size_t>(w.recv.result));
                w.recv.result = 0;
                pull(w);
            }
        }
        return ways[0].got.size() == size && ways[1].got.size() == size && ways[0].send.done() && ways[1].send.done();
    }));
    EXPECT_TRUE(ways[0].got == data);
    EXPECT_TRUE(ways[1].got == data);
}

TEST_P(streams_contract, a_send_waits_for_room) {
    std::string block = pattern(1 << 20);
    operation last(io_op::send);
    const std::size_t sent = fill(a, last, block);
    EXPECT_GT(sent, 0u);
    std::size_t received = 0;
    while (received < sent || !last.done()) {
        const std::string more = receive(b, 1 << 20);
        ASSERT_FALSE(more.empty());
        ASSERT_FALSE(more.starts_with("error"));
        received += more.size();
    }
    EXPECT_GT(last.result, 0);
    EXPECT_EQ(last.completions, 1);
    EXPECT_EQ(receive_all(b, sent + static_cast<std::size_t>(last.result) - received).size(),
              sent + static_cast<std::size_t>(last.result) - received);
}

TEST_P(streams_contract, a_full_direction_does_not_hold_up_the_other) {
    std::string block = pattern(1 << 20);
    operation last(io_op::send);
    fill(a, last, block);
    EXPECT_EQ(send(b, "back"), 4);
    EXPECT_EQ(receive(a), "back");
    EXPECT_EQ(cancel(last), 0);
}

TEST_P(streams_contract, sendmsg_gathers) {
    char one[] = "one ";
    char two[] = "two ";
    char three[] = "three";
    EXPECT_EQ(sendmsg({{one, 4}, {nullptr, 0}, {two, 4}, {three, 5}}), 13);
    EXPECT_EQ(receive_all(b, 13), "one two three");
    EXPECT_EQ(sendmsg({{three, 5}}), 5);
    EXPECT_EQ(receive_all(b, 5), "three");
}

TEST_P(streams_contract, sendmsg_takes_1024_parts_at_most) {
    std::string data = pattern(1025);
    std::vector<iovec> parts;
    for (std::size_t i = 0; i < 1024; ++i) {
        parts.push_back({&data[i], 1});
    }
    EXPECT_EQ(sendmsg(parts), 1024);
    EXPECT_EQ(receive_all(b, 1024), data.substr(0, 1024));
    parts.push_back({&data[1024], 1});
    EXPECT_EQ(sendmsg(parts), -EMSGSIZE);
}

TEST_P(streams_contract, sendmsg_of_nothing_is_0) {
    EXPECT_EQ(sendmsg({}), 0);
    EXPECT_EQ(sendmsg({{nullptr, 0}, {nullptr, 0}}), 0);
}

TEST_P(streams_contract, recvmsg_scatters) {
    EXPECT_EQ(send(a, "0123456789"), 10);
    EXPECT_EQ(poll(b, POLLIN) & POLLIN, POLLIN);
    std::string one(4, '.');
    std::string two(8, '.');
    iovec parts[] = {{one.data(), 4}, {two.data(), 8}};
    msghdr message{};
    message.msg_iov = parts;
    message.msg_iovlen = 2;
    EXPECT_EQ(run(io_op::recvmsg, b, &message), 10);
    EXPECT_EQ(one + two, "0123456789..");
}

TEST_P(streams_contract, transfers_ask_for_a_socket) {
    const int file = opened("file", O_CREAT | O_RDWR);
    EXPECT_EQ(receive(file), error(ENOTSOCK));
    EXPECT_EQ(send(file, "x"), -ENOTSOCK);
    EXPECT_EQ(shutdown(file, SHUT_RDWR), -ENOTSOCK);
    EXPECT_EQ(set(file, SOL_SOCKET, SO_KEEPALIVE, 1), -ENOTSOCK);
    for (const int bad : {-1, 987'654}) {
        EXPECT_EQ(receive(bad), error(EBADF));
        EXPECT_EQ(send(bad, "x"), -EBADF);
        EXPECT_EQ(shutdown(bad, SHUT_RDWR), -EBADF);
        EXPECT_EQ(set(bad, SOL_SOCKET, SO_KEEPALIVE, 1), -EBADF);
        sockaddr_storage name{};
        EXPECT_EQ(run(io_op::local_address, bad, &name), -EBADF);
        EXPECT_EQ(run(io_op::remote_address, bad, &name), -EBADF);
    }
}

TEST_P(streams_contract, files_operations_refuse_a_socket) {
    EXPECT_EQ(read(a, 1), error(ESPIPE));
    EXPECT_EQ(write(a, "x"), -ESPIPE);
    EXPECT_EQ(run(io_op::fsync, a), -EINVAL);
    EXPECT_EQ(run(io_op::truncate, a, nullptr, 0, 0), -EINVAL);
}

TEST_P(streams_contract, poll_tells_at_once_what_is_ready) {
    EXPECT_EQ(poll(a, POLLOUT), POLLOUT);
    EXPECT_EQ(poll(a, POLLIN | POLLOUT), POLLOUT);
    EXPECT_EQ(send(a, "x"), 1);
    EXPECT_EQ(poll(b, POLLIN), POLLIN);
    EXPECT_EQ(poll(b, POLLIN), POLLIN) << "poll takes nothing";
    EXPECT_EQ(receive(b), "x");
}

TEST_P(streams_contract, poll_waits_for_data) {
    operation poll(io_op::poll, b, nullptr, POLLIN);
    submit(poll);
    settle();
    EXPECT_FALSE(poll.done());
    EXPECT_EQ(send(a, "x"), 1);
    EXPECT_EQ(finish(poll), POLLIN);
}

TEST_P(streams_contract, poll_sees_a_connection_to_accept) {
    const int listener = listen();
    operation poll(io_op::poll, listener, nullptr, POLLIN);
    submit(poll);
    settle();
    EXPECT_FALSE(poll.done());
    keep(connect_to(address_of(listener)));
    EXPECT_EQ(finish(poll), POLLIN);
    keep(run(io_op::accept, listener));
}

TEST_P(streams_contract, poll_sees_the_peers_end) {
    operation poll(io_op::poll, b, nullptr, POLLRDHUP);
    submit(poll);
    settle();
    EXPECT_FALSE(poll.done());
    EXPECT_EQ(shutdown(a, SHUT_WR), 0);
    EXPECT_EQ(finish(poll), POLLRDHUP);
    EXPECT_EQ(this->poll(b, POLLIN), POLLIN) << "the end can be read";
}

TEST_P(streams_contract, poll_of_a_bad_descriptor_is_ebadf) {
    EXPECT_EQ(poll(987'654, POLLIN), -EBADF);
}

TEST_P(streams_contract, options_are_kept) {
    EXPECT_EQ(get_option(a, IPPROTO_TCP, TCP_NODELAY), 0);
    EXPECT_EQ(set(a, IPPROTO_TCP, TCP_NODELAY, 1), 0);
    EXPECT_EQ(get_option(a, IPPROTO_TCP, TCP_NODELAY), 1);
    EXPECT_EQ(set(a, SOL_SOCKET, SO_KEEPALIVE, 1), 0);
    EXPECT_EQ(get_option(a, SOL_SOCKET, SO_KEEPALIVE), 1);
    EXPECT_EQ(set(a, IPPROTO_TCP, TCP_KEEPIDLE, 123), 0);
    EXPECT_EQ(get_option(a, IPPROTO_TCP, TCP_KEEPIDLE), 123);
    EXPECT_EQ(set(a, IPPROTO_TCP, TCP_KEEPINTVL, 45), 0);
    EXPECT_EQ(get_option(a, IPPROTO_TCP, TCP_KEEPINTVL), 45);
    EXPECT_EQ(set(a, IPPROTO_TCP, TCP_KEEPCNT, 6), 0);
    EXPECT_EQ(get_option(a, IPPROTO_TCP, TCP_KEEPCNT), 6);
    EXPECT_EQ(set(a, IPPROTO_TCP, TCP_NODELAY, 0), 0);
    EXPECT_EQ(get_option(a, IPPROTO_TCP, TCP_NODELAY), 0);
    EXPECT_EQ(get_option(b, SOL_SOCKET, SO_KEEPALIVE), 0) << "of this end alone";
}

TEST_P(streams_contract, a_buffers_size_can_be_asked_for_and_set) {
    EXPECT_GT(get_option(a, SOL_SOCKET, SO_SNDBUF), 0);
    EXPECT_GT(get_option(a, SOL_SOCKET, SO_RCVBUF), 0);
    EXPECT_EQ(set(a, SOL_SOCKET, SO_SNDBUF, 50'000), 0);
    EXPECT_GE(get_option(a, SOL_SOCKET, SO_SNDBUF), 50'000);
    EXPECT_EQ(set(a, SOL_SOCKET, SO_RCVBUF, 50'000), 0);
    EXPECT_GE(get_option(a, SOL_SOCKET, SO_RCVBUF), 50'000);
}

TEST_P(streams_contract, a_sound_socket_has_no_error) {
    EXPECT_EQ(get_option(a, SOL_SOCKET, SO_ERROR), 0);
    EXPECT_EQ(get_option(a, SOL_SOCKET, SO_TYPE), SOCK_STREAM);
}

TEST_P(streams_contract, get_option_says_how_much_it_put_there) {
    int value[2] = {};
    EXPECT_EQ(run(io_op::get_option, a, value, sizeof value, socket_option(SOL_SOCKET, SO_KEEPALIVE)),
              static_cast<int>(sizeof(int)));
}

TEST_P(streams_contract, unknown_options_are_enoprotoopt) {
    EXPECT_EQ(set(a, SOL_SOCKET, 12345, 1), -ENOPROTOOPT);
    EXPECT_EQ(get_option(a, SOL_SOCKET, 12345), -ENOPROTOOPT);
    EXPECT_EQ(set(a, IPPROTO_TCP, 12345, 1), -ENOPROTOOPT);
}

TEST_P(streams_contract, a_value_too_short_is_einval) {
    char byte = 1;
    EXPECT_EQ(run(io_op::set_option, a, &byte, 1, socket_option(SOL_SOCKET, SO_KEEPALIVE)), -EINVAL);
}

TEST_P(streams_contract, connections_do_not_mix) {
    std::vector<std::array<int, 2>> pairs;
    for (int i = 0; i < 20; ++i) {
        pairs.push_back(tcp_pair());
        EXPECT_EQ(send(pairs.back()[0], "to " + std::to_string(i)), i < 10 ? 4 : 5);
    }
    for (int i = 19; i >= 0; --i) {
        EXPECT_EQ(receive(pairs[static_cast<std::size_t>(i)][1]), "to " + std::to_string(i));
    }
}

}  // namespace
}  // namespace shale::contract
