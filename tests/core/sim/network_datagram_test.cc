// Datagrams of the simulated network: whole or not at all, and lost, doubled or late as the profile has it.
#include <algorithm>
#include <set>

#include "network_fixture.hh"

namespace shale::sim::detail {
namespace {

class network_datagram : public network_test {
protected:
    std::int32_t server = net.open_datagram(b, host_b, "0.0.0.0", 53);
    std::int32_t client = net.open_datagram(a, host_a, "0.0.0.0", 0, std::pair("10.0.0.2", std::uint16_t{53}));
};

TEST_F(network_datagram, arrives_whole_and_with_its_sender) {
    EXPECT_EQ(a.send(client, "question"), 8);
    char text[100];
    iovec part{text, sizeof text};
    sockaddr_in from{};
    msghdr message{};
    message.msg_iov = &part;
    message.msg_iovlen = 1;
    message.msg_name = &from;
    message.msg_namelen = sizeof from;
    EXPECT_EQ(b.run({.op = io_op::recvmsg, .fd = server, .data = &message}), 8);
    EXPECT_EQ(std::string(text, 8), "question");
    EXPECT_EQ(from.sin_addr.s_addr, htonl(0x0a000001));
    EXPECT_EQ(ntohs(from.sin_port), a.port_of(client));
    EXPECT_EQ(net.send_datagram(b, server, "10.0.0.1", ntohs(from.sin_port), "answer"), 6);
    EXPECT_EQ(a.recv(client), "answer");
}

TEST_F(network_datagram, keeps_boundaries_and_cuts_what_does_not_fit) {
    a.send(client, "first");
    a.send(client, "second");
    a.send(client, "third");
    EXPECT_EQ(b.recv(server), "first");
    EXPECT_EQ(b.recv(server, nullptr, 3), "sec");
    char text[2];
    iovec part{text, sizeof text};
    msghdr message{};
    message.msg_iov = &part;
    message.msg_iovlen = 1;
    EXPECT_EQ(b.run({.op = io_op::recvmsg, .fd = server, .data = &message}), 2);
    EXPECT_EQ(message.msg_flags, MSG_TRUNC);
    EXPECT_EQ(a.send(client, std::string(65'508, 'x')), -EMSGSIZE);
}

TEST_F(network_datagram, is_lost_doubled_and_late_as_the_profile_has_it) {
    net.profile().datagram_loss = 0.3;
    net.profile().datagram_duplicate = 0.3;
    net.profile().datagram_reorder = 0.3;
    std::vector<int> order;
    for (int i = 0; i < 200; ++i) {
        a.send(client, std::to_string(i));
        pass(ms);
    }
    settle();
    std::string room(10, ' ');
    for (operation* o = &b.start_recv(server, room); o->done(); o = &b.start_recv(server, room)) {
        order.push_back(std::stoi(room.substr(0, static_cast<std::size_t>(o->result))));
    }
    const std::set<int> seen(order.begin(), order.end());
    EXPECT_LT(seen.size(), 200U);
    EXPECT_GT(seen.size(), 100U);
    EXPECT_GT(order.size(), seen.size());
    EXPECT_FALSE(std::ranges::is_sorted(order));
    EXPECT_EQ(faults.of("net.datagram_lost"), 200 - seen.size());
    EXPECT_EQ(faults.of("net.datagram_duplicated"), order.size() - seen.size());
    EXPECT_GT(faults.of("net.datagram_late"), 0U);
}

TEST_F(network_datagram, is_lost_on_a_closed_link_and_in_a_full_queue) {
    net.clog(host_a, host_b, s);
    a.send(client, "lost");
    pass(2 * s);
    net.profile().datagram_queue_bytes = 10;
    a.send(client, "0123456");
    a.send(client, "0123456");
    settle();
    EXPECT_EQ(b.recv(server), "0123456");
    std::string room(10, ' ');
    EXPECT_FALSE(b.start_recv(server, room).done());
    EXPECT_EQ(faults.of("net.datagram_lost"), 1U);
    EXPECT_EQ(faults.of("net.datagram_queue_full"), 1U);
}

TEST_F(network_datagram, tells_a_connected_sender_that_nobody_listens) {
    b.close(server);
    EXPECT_EQ(a.send(client, "x"), 1);
    EXPECT_EQ(a.recv_error(client), -ECONNREFUSED);
    b.die();
    net.host_down(host_b);
    EXPECT_EQ(a.send(client, "x"), 1);
    settle();
    EXPECT_EQ(a.get(client, SOL_SOCKET, SO_ERROR), 0) << "a host without power says nothing";
}

TEST_F(network_datagram, names_are_taken_once) {
    EXPECT_EQ(net.open_datagram(b, host_b, "10.0.0.2", 53), -EADDRINUSE);
    EXPECT_EQ(net.open_datagram(b, host_b, "10.0.0.1", 54), -EADDRNOTAVAIL);
    EXPECT_GE(b.listen("10.0.0.2", 53), 0) << "streams have ports of their own";
    EXPECT_EQ(b.send(server, "x"), -EDESTADDRREQ);
    EXPECT_EQ(b.accept(server), -EOPNOTSUPP);
    EXPECT_EQ(a.await(a.start_poll(client, POLLIN | POLLOUT)), POLLOUT);
    EXPECT_EQ(a.get(client, SOL_SOCKET, SO_TYPE), SOCK_DGRAM);
    EXPECT_EQ(a.set(client, IPPROTO_TCP, TCP_NODELAY, 1), -ENOPROTOOPT);
}

}  // namespace
}  // namespace shale::sim::detail
