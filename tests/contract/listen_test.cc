// Listening, connecting and accepting: addresses, ports, refusals, and who gets which connection.
#include <fcntl.h>

#include <algorithm>
#include <set>

#include "sockets.hh"

namespace shale::contract {
namespace {

bool equal(const sockaddr_in& a, const sockaddr_in& b) {
    return a.sin_family == b.sin_family && a.sin_port == b.sin_port && a.sin_addr.s_addr == b.sin_addr.s_addr;
}

class listen_contract : public socket_case {};
INSTANTIATE_TEST_SUITE_P(, listen_contract, all_sides(), name_of);

TEST_P(listen_contract, port_0_gets_a_free_port) {
    const sockaddr_in one = address_of(listen());
    const sockaddr_in two = address_of(listen());
    EXPECT_EQ(one.sin_family, AF_INET);
    EXPECT_EQ(ntohl(one.sin_addr.s_addr), INADDR_LOOPBACK);
    EXPECT_NE(one.sin_port, 0);
    EXPECT_NE(two.sin_port, 0);
    EXPECT_NE(one.sin_port, two.sin_port);
}

TEST_P(listen_contract, a_taken_port_is_eaddrinuse) {
    const sockaddr_in taken = address_of(listen());
    EXPECT_EQ(listen_on(taken), -EADDRINUSE);
    EXPECT_EQ(listen_on(ipv4(INADDR_ANY, ntohs(taken.sin_port))), -EADDRINUSE);
}

TEST_P(listen_contract, one_port_serves_two_addresses) {
    const int first = listen();
    keep(listen_on(ipv4(0x7f000002, ntohs(address_of(first).sin_port))));
}

TEST_P(listen_contract, a_port_is_free_again_after_close) {
    const int listener = listen();
    const sockaddr_in there = address_of(listener);
    EXPECT_EQ(close(listener), 0);
    keep(listen_on(there));
}

TEST_P(listen_contract, a_port_is_free_again_although_its_connections_live) {
    const int listener = listen();
    const sockaddr_in there = address_of(listener);
    keep(connect_to(there));
    const int accepted = keep(run(io_op::accept, listener));
    EXPECT_EQ(close(listener), 0);
    keep(listen_on(there));
    EXPECT_EQ(send(accepted, "still there"), 11);
}

TEST_P(listen_contract, reuse_port_must_be_wanted_by_all) {
    const int one = listen({.reuse_port = true});
    keep(listen_on(address_of(one), {.reuse_port = true}));
    EXPECT_EQ(listen_on(address_of(one)), -EADDRINUSE);
    const int alone = listen();
    EXPECT_EQ(listen_on(address_of(alone), {.reuse_port = true}), -EADDRINUSE);
}

TEST_P(listen_contract, connections_to_a_shared_port_reach_one_of_its_listeners_each) {
    const int one = listen({.reuse_port = true});
    const sockaddr_in there = address_of(one);
    const int two = keep(listen_on(there, {.reuse_port = true}));
    constexpr unsigned count = 16;
    std::vector<std::unique_ptr<operation>> accepts;
    for (unsigned i = 0; i < 2 * count; ++i) {
        accepts.push_back(std::make_unique<operation>(io_op::accept, i % 2 == 0 ? one : two));
        submit(*accepts.back());
    }
    for (unsigned i = 0; i < count; ++i) {
        keep(connect_to(there));
    }
    const auto accepted = [&] { return std::ranges::count_if(accepts, [](const auto& a) { return a->done(); }); };
    EXPECT_TRUE(until([&] { return accepted() == count; }));
    settle();
    EXPECT_EQ(accepted(), count);
    for (auto& accept : accepts) {
        if (accept->done()) {
            keep(accept->result);
        } else {
            EXPECT_EQ(cancel(*accept), 0);
        }
    }
}

TEST_P(listen_contract, an_address_of_others_is_eaddrnotavail) {
    EXPECT_EQ(listen_on(ipv4(0xc0000201, 0)), -EADDRNOTAVAIL);  // 192.0.2.1, which nobody has
}

TEST_P(listen_contract, an_unknown_family_is_eafnosupport) {
    sockaddr_in odd = loopback(0);
    odd.sin_family = 250;
    listen_parameters parameters;
    EXPECT_EQ(run(io_op::listen, -1, &odd, sizeof odd, 0, &parameters), -EAFNOSUPPORT);
    EXPECT_EQ(connect_to(odd), -EAFNOSUPPORT);
}

TEST_P(listen_contract, an_address_cut_short_is_einval) {
    sockaddr_in there = loopback(0);
    listen_parameters parameters;
    EXPECT_EQ(run(io_op::listen, -1, &there, 8, 0, &parameters), -EINVAL);
    there = address_of(listen());
    EXPECT_EQ(run(io_op::connect, -1, &there, 8), -EINVAL);
}

TEST_P(listen_contract, a_connect_where_nobody_listens_is_refused) {
    const int listener = listen();
    const sockaddr_in there = address_of(listener);
    EXPECT_EQ(close(listener), 0);
    EXPECT_EQ(connect_to(there), -ECONNREFUSED);
}

TEST_P(listen_contract, a_refused_connect_leaves_no_descriptor) {
    const int listener = listen();
    const sockaddr_in there = address_of(listener);
    EXPECT_EQ(close(listener), 0);
    const int before = opened("probe", O_CREAT | O_RDWR);
    EXPECT_EQ(close(before), 0);
    for (int i = 0; i < 10; ++i) {
        EXPECT_EQ(connect_to(there), -ECONNREFUSED);
    }
    EXPECT_LE(opened("probe", O_RDWR), before + 1);  // helpers may hold one
}

TEST_P(listen_contract, a_connect_needs_no_accept) {
    const int listener = listen();
    const int connected = keep(connect_to(address_of(listener)));
    EXPECT_EQ(send(connected, "early"), 5);
    const int accepted = keep(run(io_op::accept, listener));
    EXPECT_EQ(receive(accepted), "early");
}

TEST_P(listen_contract, an_accept_waits_for_a_connect) {
    const int listener = listen();
    operation accept(io_op::accept, listener);
    submit(accept);
    settle();
    EXPECT_FALSE(accept.done());
    keep(connect_to(address_of(listener)));
    keep(finish(accept));
}

TEST_P(listen_contract, both_ends_agree_on_both_addresses) {
    const int listener = listen();
    const int connected = keep(connect_to(address_of(listener)));
    sockaddr_storage told{};
    const int accepted = keep(run(io_op::accept, listener, &told));
    sockaddr_in peer;
    std::memcpy(&peer, &told, sizeof peer);
    EXPECT_TRUE(equal(peer, address_of(connected)));
    EXPECT_TRUE(equal(peer_of(accepted), address_of(connected)));
    EXPECT_TRUE(equal(peer_of(connected), address_of(accepted)));
    EXPECT_TRUE(equal(address_of(accepted), address_of(listener)));
    EXPECT_NE(address_of(connected).sin_port, 0);
}

TEST_P(listen_contract, a_listener_has_no_peer) {
    sockaddr_storage name{};
    EXPECT_EQ(run(io_op::remote_address, listen(), &name), -ENOTCONN);
}

TEST_P(listen_contract, a_listener_on_any_address_serves_all) {
    const int listener = keep(listen_on(ipv4(INADDR_ANY, 0)));
    const unsigned port = ntohs(address_of(listener).sin_port);
    EXPECT_EQ(address_of(listener).sin_addr.s_addr, htonl(INADDR_ANY));
    keep(connect_to(loopback(port)));
    const int accepted = keep(run(io_op::accept, listener));
    EXPECT_EQ(ntohl(address_of(accepted).sin_addr.s_addr), INADDR_LOOPBACK);
}

TEST_P(listen_contract, a_connect_starts_from_the_address_it_is_told) {
    const int listener = listen();
    sockaddr_in there = address_of(listener);
    sockaddr_in local = ipv4(0x7f000005, 0);
    const int connected = keep(run(io_op::connect, -1, &there, sizeof there, 0, &local));
    EXPECT_EQ(ntohl(address_of(connected).sin_addr.s_addr), 0x7f000005u);
    sockaddr_in foreign = ipv4(0xc0000201, 0);
    EXPECT_EQ(run(io_op::connect, -1, &there, sizeof there, 0, &foreign), -EADDRNOTAVAIL);
}

TEST_P(listen_contract, many_connects_and_accepts_pair_up_exactly_once) {
    constexpr unsigned count = 100;
    const int listener = listen();
    sockaddr_in there = address_of(listener);
    std::vector<std::unique_ptr<operation>> accepts;
    std::vector<std::unique_ptr<operation>> connects;
    for (unsigned i = 0; i < count; ++i) {
        accepts.push_back(std::make_unique<operation>(io_op::accept, listener));
        connects.push_back(std::make_unique<operation>(io_op::connect, -1, &there, sizeof there));
        submit({accepts.back().get(), connects.back().get()});
    }
    std::set<int> fds;
    std::set<unsigned> ports_of_connected;
    std::set<unsigned> ports_of_peers;
    for (unsigned i = 0; i < count; ++i) {
        fds.insert(keep(finish(*accepts[i])));
        ports_of_peers.insert(peer_of(accepts[i]->result).sin_port);
        fds.insert(keep(finish(*connects[i])));
        ports_of_connected.insert(address_of(connects[i]->result).sin_port);
    }
    EXPECT_EQ(fds.size(), 2 * count);
    EXPECT_EQ(ports_of_connected.size(), count);
    EXPECT_EQ(ports_of_connected, ports_of_peers);
}

TEST_P(listen_contract, accept_asks_for_a_listener) {
    const auto [connecting, accepted] = tcp_pair();
    EXPECT_EQ(run(io_op::accept, accepted), -EINVAL);
    EXPECT_EQ(run(io_op::accept, connecting), -EINVAL);
    EXPECT_EQ(run(io_op::accept, opened("file", O_CREAT | O_RDWR)), -ENOTSOCK);
    EXPECT_EQ(run(io_op::accept, 987'654), -EBADF);
    EXPECT_EQ(run(io_op::accept, -1), -EBADF);
}

TEST_P(listen_contract, a_listener_carries_no_data) {
    const int listener = listen();
    EXPECT_EQ(receive(listener), error(ENOTCONN));
    EXPECT_EQ(send(listener, "x"), -EPIPE);
}

TEST_P(listen_contract, a_closed_listener_resets_what_it_has_not_accepted) {
    const int listener = listen();
    const int connected = keep(connect_to(address_of(listener)));
    EXPECT_EQ(close(listener), 0);
    EXPECT_EQ(receive(connected), error(ECONNRESET));
}

TEST_P(listen_contract, close_cancels_a_waiting_accept) {
    const int listener = listen();
    operation accept(io_op::accept, listener);
    submit(accept);
    settle();
    EXPECT_EQ(close(listener), 0);
    EXPECT_EQ(finish(accept), -ECANCELED);
    EXPECT_EQ(run(io_op::accept, listener), -EBADF);
}

TEST_P(listen_contract, shutdown_ends_a_waiting_accept_and_the_listening) {
    const int listener = listen();
    const sockaddr_in there = address_of(listener);
    operation accept(io_op::accept, listener);
    submit(accept);
    settle();
    EXPECT_EQ(shutdown(listener, SHUT_RD), 0);
    EXPECT_EQ(finish(accept), -ECONNABORTED);
    EXPECT_EQ(connect_to(there), -ECONNREFUSED);
    EXPECT_EQ(run(io_op::accept, listener), -EINVAL);
}

TEST_P(listen_contract, an_accepted_connection_belongs_to_the_shard_that_uses_it) {
    const auto [a, b] = tcp_pair();
    char into[10];
    operation recv(io_op::recv, b, into, sizeof into);
    submit(recv, 1);
    settle();
    EXPECT_EQ(send(a, "hi"), 2);
    EXPECT_EQ(finish(recv), 2);
    EXPECT_EQ(run(io_op::send, b, into, 2, 0, nullptr, 1), 2);
    EXPECT_EQ(receive(a), "hi");
}

TEST_P(listen_contract, accepted_connections_inherit_the_listeners_settings) {
    const socket_setting settings[] = {
        {IPPROTO_TCP, TCP_NODELAY, 1}, {SOL_SOCKET, SO_KEEPALIVE, 1}, {IPPROTO_TCP, TCP_KEEPIDLE, 77}};
    const auto [a, b] = tcp_pair({.settings = settings});
    EXPECT_EQ(get_option(b, IPPROTO_TCP, TCP_NODELAY), 1);
    EXPECT_EQ(get_option(b, SOL_SOCKET, SO_KEEPALIVE), 1);
    EXPECT_EQ(get_option(b, IPPROTO_TCP, TCP_KEEPIDLE), 77);
    EXPECT_EQ(get_option(a, IPPROTO_TCP, TCP_NODELAY), 0);
    EXPECT_EQ(get_option(a, SOL_SOCKET, SO_KEEPALIVE), 0);
}

TEST_P(listen_contract, an_unknown_setting_fails_the_listen) {
    const socket_setting unknown[] = {{12345, 1, 1}};
    EXPECT_EQ(listen_on(loopback(0), {.settings = unknown}), -ENOPROTOOPT);
}

}  // namespace
}  // namespace shale::contract
