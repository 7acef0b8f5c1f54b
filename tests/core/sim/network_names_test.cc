// Listening, connecting, accepting and resolving in the simulated network: names, ports, backlogs, and who refuses
// what.
#include <set>

#include "network_fixture.hh"

namespace shale::sim::detail {
namespace {

class network_names : public network_test {};

TEST_F(network_names, connecting_takes_a_round_trip) {
    b.listen("10.0.0.2", 80);
    const std::uint64_t before = events.now_ns();
    EXPECT_GE(a.connect("10.0.0.2", 80), handle_table::first);
    EXPECT_EQ(events.now_ns(), before + 2 * net.profile().latency_ns_min);
}

TEST_F(network_names, a_connection_is_made_before_it_is_accepted) {
    const std::int32_t at = b.listen("10.0.0.2", 80);
    const std::int32_t client = a.connect("10.0.0.2", 80);
    EXPECT_EQ(a.send(client, "early"), 5);
    settle();
    EXPECT_EQ(b.recv(b.accept(at)), "early");
}

TEST_F(network_names, connect_is_refused_where_nobody_listens) {
    EXPECT_EQ(a.connect("10.0.0.2", 80), -ECONNREFUSED);
    EXPECT_EQ(a.connect("127.0.0.1", 80), -ECONNREFUSED);
    EXPECT_EQ(handles_a.size(), 0U) << "the descriptor is gone again";
    EXPECT_EQ(net.connections(), 0U);
}

TEST_F(network_names, connect_to_an_address_of_nobody_is_unreachable) {
    EXPECT_EQ(a.connect("10.9.9.9", 80), -EHOSTUNREACH);
    program lonely(net, events, net.attach("four", {"10.0.0.4"}), handles_a);
    EXPECT_EQ(lonely.connect("fd00::2", 80), -ENETUNREACH);
}

TEST_F(network_names, connect_to_a_host_without_power_times_out) {
    net.host_down(host_b);
    const std::uint64_t before = events.now_ns();
    EXPECT_EQ(a.connect("10.0.0.2", 80), -ETIMEDOUT);
    EXPECT_EQ(events.now_ns(), before + net.profile().connect_timeout_ns);
    EXPECT_EQ(faults.of("net.connect_timed_out"), 1U);
}

TEST_F(network_names, connect_tries_again_until_the_link_opens) {
    b.listen("10.0.0.2", 80);
    net.clog(host_a, host_b, 2 * s);
    EXPECT_GE(a.connect("10.0.0.2", 80), handle_table::first);
    EXPECT_GE(events.now_ns(), 3 * s);
}

TEST_F(network_names, a_lost_first_packet_costs_a_second) {
    b.listen("10.0.0.2", 80);
    net.profile().syn_loss = 1;
    operation& connect = a.start_connect("10.0.0.2", 80);
    pass(500 * ms);
    net.profile().syn_loss = 0;
    const std::uint64_t before = events.now_ns();
    EXPECT_GE(a.await(connect), handle_table::first);
    EXPECT_GE(events.now_ns(), before + 500 * ms);
    EXPECT_EQ(faults.of("net.syn_lost"), 1U);
}

TEST_F(network_names, a_full_backlog_leaves_further_connects_under_way) {
    const std::int32_t at = b.listen("10.0.0.2", 80, {.backlog = 1});
    EXPECT_GE(a.connect("10.0.0.2", 80), 0);
    EXPECT_GE(a.connect("10.0.0.2", 80), 0);
    operation& third = a.start_connect("10.0.0.2", 80);
    pass(10 * s);
    EXPECT_FALSE(third.done());
    EXPECT_GT(faults.of("net.backlog_full"), 0U);
    b.accept(at);
    EXPECT_GE(a.await(third), handle_table::first);
}

TEST_F(network_names, cancels_a_connect_and_closes_its_descriptor) {
    const std::int32_t at = b.listen("10.0.0.2", 80, {.backlog = 0});
    operation& half_way = a.start_connect("10.0.0.2", 80);
    pass(150'000);  // the answer is under way
    EXPECT_EQ(handles_a.size(), 1U);
    EXPECT_TRUE(a.cancel(half_way));
    EXPECT_EQ(half_way.result, -ECANCELED);
    EXPECT_EQ(handles_a.size(), 0U);
    settle();
    EXPECT_EQ(half_way.completions, 1);
    EXPECT_EQ(net.connections(), 0U);
    EXPECT_GE(a.connect("10.0.0.2", 80), 0) << "its place in the backlog is free";
    b.accept(at);
}

TEST_F(network_names, closing_a_listener_resets_those_who_wait_there) {
    const std::int32_t at = b.listen("10.0.0.2", 80);
    const std::int32_t client = a.connect("10.0.0.2", 80);
    operation& accept = b.start_accept(b.listen("10.0.0.2", 81));
    settle();
    b.close(at);
    EXPECT_EQ(a.recv_error(client), -ECONNRESET);
    EXPECT_EQ(a.connect("10.0.0.2", 80), -ECONNREFUSED);
    EXPECT_FALSE(accept.done());
}

TEST_F(network_names, shutdown_of_a_listener_ends_waiting_accepts) {
    const std::int32_t at = b.listen("10.0.0.2", 80);
    operation& waits = b.start_accept(at);
    EXPECT_EQ(b.shutdown(at, SHUT_RD), 0);
    EXPECT_EQ(waits.result, -ECONNABORTED);
    EXPECT_EQ(b.accept(at), -EINVAL);
    EXPECT_EQ(b.shutdown(at, SHUT_RD), -ENOTCONN);
    EXPECT_EQ(b.await(b.start_poll(at, POLLIN | POLLRDHUP)), POLLIN | POLLRDHUP | POLLHUP);
    EXPECT_EQ(a.connect("10.0.0.2", 80), -ECONNREFUSED);
    EXPECT_GE(b.listen("10.0.0.2", 80), 0);
}

TEST_F(network_names, a_port_is_taken_by_one_listener_unless_all_share_it) {
    EXPECT_GE(a.listen("10.0.0.1", 80), 0);
    EXPECT_EQ(a.listen("10.0.0.1", 80), -EADDRINUSE);
    EXPECT_EQ(a.listen("0.0.0.0", 80), -EADDRINUSE);
    EXPECT_EQ(a.listen("10.0.0.1", 80, {.reuse_port = true}), -EADDRINUSE);
    EXPECT_GE(a.listen("127.0.0.1", 80), 0) << "another address";
    EXPECT_GE(a.listen("::", 80), 0) << "another family";
    EXPECT_EQ(a.listen("::", 80, {.ipv6_only = false}), -EADDRINUSE);
    EXPECT_EQ(a.listen("10.0.0.2", 80), -EADDRNOTAVAIL);
    EXPECT_GE(b.listen("10.0.0.2", 80), 0) << "another host";
    EXPECT_GE(a.listen("0.0.0.0", 81, {.reuse_port = true}), 0);
    EXPECT_GE(a.listen("0.0.0.0", 81, {.reuse_port = true}), 0);
}

TEST_F(network_names, listeners_that_share_a_port_share_its_connections) {
    program shard(net, events, host_b, handles_b);
    const std::int32_t one = b.listen("0.0.0.0", 80, {.reuse_port = true});
    const std::int32_t two = shard.listen("0.0.0.0", 80, {.reuse_port = true});
    for (int i = 0; i < 40; ++i) {
        EXPECT_GE(a.connect("10.0.0.2", 80), 0);
    }
    settle();
    unsigned first = 0;
    for (operation* o = &b.start_accept(one); o->done(); o = &b.start_accept(one)) {
        ++first;
    }
    unsigned others = 0;
    for (operation* o = &shard.start_accept(two); o->done(); o = &shard.start_accept(two)) {
        ++others;
    }
    EXPECT_EQ(first + others, 40U);
    EXPECT_GT(first, 5U);
    EXPECT_GT(others, 5U);
}

TEST_F(network_names, chooses_a_port_where_none_is_named) {
    std::set<std::uint16_t> ports;
    for (int i = 0; i < 20; ++i) {
        const std::uint16_t port = a.port_of(a.listen("0.0.0.0", 0));
        EXPECT_GE(port, net.profile().ephemeral_first);
        EXPECT_LE(port, net.profile().ephemeral_last);
        EXPECT_TRUE(ports.insert(port).second);
    }
}

TEST_F(network_names, ports_for_connections_run_out) {
    net.profile().ephemeral_first = 40'000;
    net.profile().ephemeral_last = 40'002;
    b.listen("10.0.0.2", 80);
    b.listen("10.0.0.2", 81);
    for (int i = 0; i < 3; ++i) {
        EXPECT_GE(a.connect("10.0.0.2", 80), 0);
    }
    EXPECT_EQ(a.connect("10.0.0.2", 80), -EADDRNOTAVAIL);
    EXPECT_GE(a.connect("10.0.0.2", 81), 0) << "a port serves many peers";
    EXPECT_EQ(a.listen("0.0.0.0", 0), -EADDRINUSE);
}

TEST_F(network_names, whoever_closes_first_keeps_the_port_for_a_minute) {
    net.profile().ephemeral_first = net.profile().ephemeral_last = 40'000;
    const auto [client, server] = connected();
    a.close(client);
    b.close(server);
    settle();
    EXPECT_EQ(a.connect("10.0.0.2", 80), -EADDRNOTAVAIL);
    pass(net.profile().time_wait_ns);
    const std::int32_t again = a.connect("10.0.0.2", 80);
    EXPECT_GE(again, 0);
    b.close(b.accept(listener));
    settle();
    a.close(again);
    settle();
    EXPECT_GE(a.connect("10.0.0.2", 80), 0) << "this time the server closed first";
}

TEST_F(network_names, connects_from_a_chosen_local_address) {
    const std::int32_t at = a.listen("127.0.0.1", 80);
    sockaddr_storage local;
    program::fill(local, "127.0.0.5", 0);
    EXPECT_GE(a.await(a.start_connect("127.0.0.1", 80, reinterpret_cast<sockaddr*>(&local))), 0);
    sockaddr_storage peer{};
    EXPECT_GE(a.run({.op = io_op::accept, .fd = at, .data = &peer}), 0);
    EXPECT_EQ(reinterpret_cast<sockaddr_in&>(peer).sin_addr.s_addr, htonl(0x7f000005));
    program::fill(local, "10.0.0.2", 0);
    EXPECT_EQ(a.await(a.start_connect("127.0.0.1", 80, reinterpret_cast<sockaddr*>(&local))), -EADDRNOTAVAIL);
    program::fill(local, "127.0.0.1", 80);
    EXPECT_EQ(a.await(a.start_connect("10.0.0.2", 80, reinterpret_cast<sockaddr*>(&local))), -EINVAL);
}

TEST_F(network_names, loopback_and_wildcard_lead_to_the_host_itself) {
    const std::int32_t everywhere = a.listen("0.0.0.0", 80);
    const std::int32_t six = a.listen("::", 80);
    for (const char* address : {"127.0.0.1", "10.0.0.1", "0.0.0.0"}) {
        EXPECT_GE(a.connect(address, 80), 0) << address;
        EXPECT_GE(a.accept(everywhere), 0);
    }
    for (const char* address : {"::1", "fd00::1", "::"}) {
        EXPECT_GE(a.connect(address, 80), 0) << address;
        EXPECT_GE(a.accept(six), 0);
    }
    EXPECT_GE(b.connect("fd00::1", 80), 0);
    EXPECT_EQ(b.connect("127.0.0.1", 80), -ECONNREFUSED);
}

TEST_F(network_names, a_listener_of_both_families_shows_ipv4_peers_in_mapped_form) {
    const std::int32_t at = b.listen("::", 80, {.ipv6_only = false});
    EXPECT_GE(a.connect("10.0.0.2", 80), 0);
    sockaddr_storage peer{};
    EXPECT_GE(b.run({.op = io_op::accept, .fd = at, .data = &peer}), 0);
    EXPECT_EQ(peer.ss_family, AF_INET6);
    EXPECT_TRUE(IN6_IS_ADDR_V4MAPPED(&reinterpret_cast<sockaddr_in6&>(peer).sin6_addr));
}

TEST_F(network_names, accepted_sockets_inherit_the_listeners_settings) {
    const socket_setting settings[] = {{IPPROTO_TCP, TCP_NODELAY, 1}, {SOL_SOCKET, SO_KEEPALIVE, 1}};
    listener = b.listen("10.0.0.2", 80, {.settings = settings});
    const auto [client, server] = connected();
    EXPECT_EQ(b.get(server, IPPROTO_TCP, TCP_NODELAY), 1);
    EXPECT_EQ(b.get(server, SOL_SOCKET, SO_KEEPALIVE), 1);
    const socket_setting unknown[] = {{12345, 1, 1}};
    EXPECT_EQ(b.listen("10.0.0.2", 81, {.settings = unknown}), -ENOPROTOOPT);
}

TEST_F(network_names, the_limit_of_descriptors_is_told_and_the_connection_waits) {
    const std::int32_t at = b.listen("10.0.0.2", 80);
    operation& waits = b.start_accept(at);
    handles_b.limit = 1;
    EXPECT_GE(a.connect("10.0.0.2", 80), 0);
    EXPECT_EQ(b.await(waits), -EMFILE);
    EXPECT_EQ(b.accept(at), -EMFILE);
    EXPECT_EQ(b.listen("10.0.0.2", 81), -EMFILE);
    EXPECT_EQ(b.connect("10.0.0.1", 81), -EMFILE);
    handles_b.limit = 100;
    EXPECT_GE(b.accept(at), handle_table::first);
}

TEST_F(network_names, an_accept_may_fail_for_want_of_files_in_the_system) {
    const std::int32_t at = b.listen("10.0.0.2", 80);
    a.connect("10.0.0.2", 80);
    net.profile().accept_enfile = 1;
    EXPECT_EQ(b.accept(at), -ENFILE);
    net.profile().accept_enfile = 0;
    EXPECT_GE(b.accept(at), handle_table::first);
    EXPECT_EQ(faults.of("net.accept_enfile"), 1U);
}

TEST_F(network_names, a_connection_that_dies_in_the_backlog_is_passed_over) {
    const std::int32_t at = b.listen("10.0.0.2", 80);
    const std::int32_t client = a.connect("10.0.0.2", 80);
    settle();
    net.profile().accept_aborted = 1;
    operation& waits = b.start_accept(at);
    EXPECT_EQ(a.recv_error(client), -ECONNRESET);
    EXPECT_FALSE(waits.done());
    net.profile().accept_aborted = 0;
    a.connect("10.0.0.2", 80);
    EXPECT_GE(b.await(waits), handle_table::first);
}

TEST_F(network_names, refuses_what_is_no_address) {
    sockaddr_storage name{};
    listen_parameters parameters;
    name.ss_family = 99;
    EXPECT_EQ(a.run({.op = io_op::listen, .data = &name, .size = sizeof name, .extra = &parameters}), -EAFNOSUPPORT);
    EXPECT_EQ(a.run({.op = io_op::connect, .data = &name, .size = sizeof name}), -EAFNOSUPPORT);
    name.ss_family = AF_INET;
    EXPECT_EQ(a.run({.op = io_op::connect, .data = &name, .size = 8}), -EINVAL);
}

TEST_F(network_names, resolves_machines_and_literals) {
    const auto resolve = [&](const char* name, resolve_answer& answer) {
        return a.run({.op = io_op::resolve, .data = const_cast<char*>(name), .extra = &answer});
    };
    resolve_answer answer;
    EXPECT_EQ(resolve("beta", answer), 0);
    ASSERT_EQ(answer.count, 2U);
    sockaddr_in four{};
    std::memcpy(&four, answer.addresses[0].bytes, sizeof four);
    EXPECT_EQ(four.sin_addr.s_addr, htonl(0x0a000002));
    EXPECT_EQ(answer.addresses[1].length, sizeof(sockaddr_in6));
    EXPECT_EQ(resolve("10.1.2.3", answer), 0);
    EXPECT_EQ(answer.count, 1U);
    EXPECT_EQ(resolve("localhost", answer), 0);
    EXPECT_EQ(answer.count, 2U);
    EXPECT_EQ(resolve("gamma", answer), -ENOENT);
}

// -- Unix sockets --------------------------------------------------------------------------------------------------

TEST_F(network_names, a_unix_socket_belongs_to_its_host) {
    const std::int32_t at = a.listen("/run/kv", 0);
    EXPECT_EQ(a.listen("/run/kv", 0), -EADDRINUSE);
    EXPECT_EQ(b.connect("/run/kv", 0), -ENOENT);
    const std::int32_t client = a.connect("/run/kv", 0);
    const std::int32_t server = a.accept(at);
    EXPECT_EQ(a.send(client, "local"), 5);
    EXPECT_EQ(a.recv(server), "local");
    sockaddr_un name{};
    EXPECT_EQ(a.run({.op = io_op::remote_address, .fd = client, .data = &name}),
              static_cast<int>(offsetof(sockaddr_un, sun_path) + sizeof "/run/kv"));
    EXPECT_STREQ(name.sun_path, "/run/kv");
    EXPECT_EQ(a.run({.op = io_op::local_address, .fd = client, .data = &name}), static_cast<int>(sizeof(sa_family_t)));
    EXPECT_EQ(a.set(client, IPPROTO_TCP, TCP_NODELAY, 1), -EOPNOTSUPP);
}

TEST_F(network_names, the_file_of_a_unix_socket_stays_until_it_is_unlinked) {
    a.close(a.listen("/run/kv", 0));
    EXPECT_EQ(a.connect("/run/kv", 0), -ECONNREFUSED);
    EXPECT_EQ(a.listen("/run/kv", 0), -EADDRINUSE);
    EXPECT_TRUE(net.unlink(host_a, "/run/kv"));
    EXPECT_FALSE(net.unlink(host_a, "/run/kv"));
    EXPECT_EQ(a.connect("/run/kv", 0), -ENOENT);
    EXPECT_GE(a.listen("/run/kv", 0), 0);
    a.close(a.listen("@abstract", 0));
    EXPECT_GE(a.listen("@abstract", 0), 0) << "abstract names end with their socket";
}

TEST_F(network_names, a_full_unix_backlog_is_told_at_once) {
    a.listen("/run/kv", 0, {.backlog = 0});
    EXPECT_GE(a.connect("/run/kv", 0), 0);
    EXPECT_EQ(a.connect("/run/kv", 0), -EAGAIN);
}

TEST_F(network_names, a_unix_peer_that_reads_no_more_breaks_the_pipe) {
    const std::int32_t at = a.listen("/run/kv", 0);
    const std::int32_t client = a.connect("/run/kv", 0);
    const std::int32_t server = a.accept(at);
    EXPECT_EQ(a.shutdown(server, SHUT_RD), 0);
    EXPECT_EQ(a.send(client, "x"), -EPIPE);
    EXPECT_EQ(a.await(a.start_poll(client, POLLOUT)), POLLOUT);
    EXPECT_EQ(a.shutdown(server, SHUT_WR), 0);
    settle();
    EXPECT_EQ(a.await(a.start_poll(client, 0)), POLLHUP);
    EXPECT_EQ(a.shutdown(at, SHUT_RD), 0);
    EXPECT_EQ(a.await(a.start_poll(at, POLLIN | POLLRDHUP)), POLLIN | POLLRDHUP) << "a Unix listener does not hang up";
}

TEST_F(network_names, a_unix_peer_that_has_left_breaks_the_pipe_at_once) {
    const std::int32_t at = a.listen("/run/kv", 0);
    const std::int32_t client = a.connect("/run/kv", 0);
    const std::int32_t server = a.accept(at);
    a.send(server, "last");
    a.send(client, "never read");
    settle();
    a.close(server);
    EXPECT_EQ(a.send(client, "x"), -EPIPE);
    EXPECT_EQ(a.recv(client), "last");
    EXPECT_EQ(a.recv_error(client), -ECONNRESET);
    EXPECT_EQ(a.recv_error(client), 0);
}

}  // namespace
}  // namespace shale::sim::detail
