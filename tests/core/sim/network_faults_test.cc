// What goes wrong in the simulated network: closed links, silence, resets, hosts without power and processes that die.
#include "network_fixture.hh"

namespace shale::sim::detail {
namespace {

class network_faults : public network_test {
protected:
    void keep_alive(program& p, std::int32_t fd) {
        EXPECT_EQ(p.set(fd, SOL_SOCKET, SO_KEEPALIVE, 1), 0);
        EXPECT_EQ(p.set(fd, IPPROTO_TCP, TCP_KEEPIDLE, 10), 0);
        EXPECT_EQ(p.set(fd, IPPROTO_TCP, TCP_KEEPINTVL, 2), 0);
        EXPECT_EQ(p.set(fd, IPPROTO_TCP, TCP_KEEPCNT, 3), 0);
    }
};

// -- Links -----------------------------------------------------------------------------------------------------------

TEST_F(network_faults, a_clogged_link_delays_bytes_and_loses_none) {
    const auto [client, server] = connected();
    net.clog(host_a, host_b, 5 * s);
    const std::uint64_t before = events.now_ns();
    a.send(client, "late");
    EXPECT_EQ(b.recv(server), "late");
    EXPECT_EQ(events.now_ns(), before + 5 * s + net.profile().latency_ns_min);
}

TEST_F(network_faults, the_other_direction_of_a_clogged_link_stays_open) {
    const auto [client, server] = connected();
    net.clog(host_a, host_b, 5 * s);
    const std::uint64_t before = events.now_ns();
    b.send(server, "on time");
    EXPECT_EQ(a.recv(client), "on time");
    EXPECT_EQ(events.now_ns(), before + net.profile().latency_ns_min);
}

TEST_F(network_faults, after_an_outage_bytes_wait_for_the_next_retransmission) {
    net.profile().retransmit_ns_max = 2 * s;
    const auto [client, server] = connected();
    net.clog(host_a, host_b, 5 * s);
    const std::uint64_t before = events.now_ns();
    a.send(client, "later still");
    EXPECT_EQ(b.recv(server), "later still");
    EXPECT_GT(events.now_ns(), before + 5 * s + net.profile().latency_ns_min);
    EXPECT_LE(events.now_ns(), before + 7 * s + net.profile().latency_ns_min);
}

TEST_F(network_faults, an_outage_within_another_does_not_open_the_link) {
    const auto [client, server] = connected();
    net.clog(host_a, host_b, 5 * s);
    net.clog(host_a, host_b, 1 * s);
    const std::uint64_t before = events.now_ns();
    a.send(client, "x");
    EXPECT_EQ(b.recv(server), "x");
    EXPECT_GE(events.now_ns(), before + 5 * s);
}

TEST_F(network_faults, a_sender_that_hears_nothing_gives_up) {
    const auto [client, server] = connected();
    net.profile().silence_ns_min = net.profile().silence_ns_max = 20 * s;
    net.clog(host_a, host_b, no_deadline);
    const std::uint64_t before = events.now_ns();
    a.send(client, "into the void");
    EXPECT_EQ(a.recv_error(client), -ETIMEDOUT);
    EXPECT_EQ(events.now_ns(), before + 20 * s);
    EXPECT_EQ(a.send(client, "x"), -EPIPE);
    net.calm();
    EXPECT_EQ(b.send(server, "anyone there?"), 13);
    EXPECT_EQ(b.recv_error(server), -ECONNRESET) << "its peer has forgotten the connection";
}

TEST_F(network_faults, a_sender_gives_up_too_when_only_the_answers_are_lost) {
    const auto [client, server] = connected();
    net.profile().silence_ns_min = net.profile().silence_ns_max = 20 * s;
    net.clog(host_b, host_a, no_deadline);
    a.send(client, "heard");
    EXPECT_EQ(b.recv(server), "heard");
    EXPECT_EQ(a.recv_error(client), -ETIMEDOUT);
}

TEST_F(network_faults, tcp_user_timeout_shortens_the_wait) {
    const auto [client, server] = connected();
    a.set(client, IPPROTO_TCP, TCP_USER_TIMEOUT, 3'000);
    net.clog(host_a, host_b, no_deadline);
    const std::uint64_t before = events.now_ns();
    a.send(client, "x");
    EXPECT_EQ(a.recv_error(client), -ETIMEDOUT);
    EXPECT_EQ(events.now_ns(), before + 3 * s);
}

TEST_F(network_faults, room_in_the_window_is_heard_of_once_answers_come_again) {
    net.profile().window_bytes_min = net.profile().window_bytes_max = 100;
    const auto [client, server] = connected();
    EXPECT_EQ(a.send(client, std::string(100, 'x')), 100);
    settle();
    std::string more = "more";
    operation& waits = a.start_send(client, more);
    net.clog(host_b, host_a, 5 * s);
    EXPECT_EQ(b.recv(server).size(), 100U);
    pass(4 * s);
    EXPECT_FALSE(waits.done());
    EXPECT_EQ(a.await(waits), 4);
}

TEST_F(network_faults, keep_alive_ends_an_idle_connection_over_a_dead_link) {
    const auto [client, server] = connected();
    keep_alive(a, client);
    net.clog(host_a, host_b, no_deadline);
    const std::uint64_t before = events.now_ns();
    EXPECT_EQ(a.recv_error(client), -ETIMEDOUT);
    EXPECT_EQ(events.now_ns(), before + (10 + 3 * 2) * s);
}

TEST_F(network_faults, keep_alive_leaves_a_connection_alone_whose_link_heals_in_time) {
    const auto [client, server] = connected();
    keep_alive(a, client);
    net.clog(host_a, host_b, 12 * s);
    std::string room(10, ' ');
    operation& waits = a.start_recv(client, room);
    settle();
    EXPECT_FALSE(waits.done());
    b.send(server, "fine");
    EXPECT_EQ(a.await(waits), 4);
}

TEST_F(network_faults, a_partition_of_one_cuts_it_off_from_all) {
    net_host& host_c = net.attach("gamma", {"10.0.0.3"});
    handle_table handles_c;
    program c(net, events, host_c, handles_c);
    c.listen("10.0.0.3", 80);
    b.listen("10.0.0.2", 80);
    net.profile().connect_timeout_ns = 500 * ms;
    net.partition(partition_mode::isolate_one, true, no_deadline);
    const bool ab = a.connect("10.0.0.2", 80) >= 0;
    const bool ac = a.connect("10.0.0.3", 80) >= 0;
    const bool bc = b.connect("10.0.0.3", 80) >= 0;
    EXPECT_EQ(ab + ac + bc, 1);
    net.calm();
    EXPECT_GE(a.connect("10.0.0.2", 80), 0);
    EXPECT_GE(b.connect("10.0.0.3", 80), 0);
}

TEST_F(network_faults, partitions_and_swizzles_end_by_themselves) {
    const auto [client, server] = connected();
    for (const bool symmetric : {true, false}) {
        net.partition(partition_mode::uniform, symmetric, 2 * s);
        net.partition(partition_mode::isolate_one, symmetric, 2 * s);
    }
    net.swizzle(4 * s);
    for (int i = 0; i < 20; ++i) {
        net.disturb();
    }
    a.send(client, "through");
    EXPECT_EQ(b.recv(server), "through");
    EXPECT_EQ(faults.of("net.partition_asymmetric") + faults.of("net.partition_symmetric"),
              faults.of("net.partition_uniform") + faults.of("net.partition_isolate_one"));
    EXPECT_GT(faults.of("net.swizzle"), 0U);
}

TEST_F(network_faults, calm_ends_outages_that_were_to_begin_later) {
    const auto [client, server] = connected();
    for (int i = 0; i < 50; ++i) {
        net.swizzle(1000 * s);
    }
    net.calm();
    const std::uint64_t before = events.now_ns();
    for (int i = 0; i < 100; ++i) {
        pass(10 * s);
        a.send(client, "x");
        EXPECT_EQ(b.recv(server), "x");
    }
    EXPECT_LT(events.now_ns(), before + 1001 * s);
}

// -- Resets and times
// --------------------------------------------------------------------------------------------------

TEST_F(network_faults, something_on_the_way_may_reset_both_ends) {
    const auto [client, server] = connected();
    net.profile().reset = 1;
    EXPECT_EQ(a.send(client, "x"), -ECONNRESET);
    net.profile().reset = 0;
    EXPECT_EQ(a.send(client, "x"), -EPIPE);
    EXPECT_EQ(b.recv_error(server), -ECONNRESET);
    EXPECT_EQ(faults.of("net.reset"), 1U);
}

TEST_F(network_faults, what_was_sent_before_a_reset_arrives_as_a_prefix) {
    net.profile().reset_overtakes = 1;
    const auto [client, server] = connected();
    for (const char* part : {"one", "two", "three"}) {
        a.send(client, part);
    }
    a.set_linger(client, {1, 0});
    a.close(client);
    settle();
    std::string got;
    std::int32_t last = 1;
    while (last > 0) {
        got += b.recv(server, &last);
    }
    EXPECT_TRUE(std::string("onetwothree").starts_with(got)) << got;
    EXPECT_EQ(last, -ECONNRESET);
    EXPECT_EQ(faults.of("net.reset_overtakes"), 1U);
}

TEST_F(network_faults, short_transfers_move_a_part) {
    const auto [client, server] = connected();
    net.profile().short_transfer = 1;
    const std::int32_t sent = a.send(client, "0123456789");
    EXPECT_GE(sent, 1);
    EXPECT_LT(sent, 10);
    settle();
    std::string got;
    while (got.size() < static_cast<std::size_t>(sent)) {
        got += b.recv(server);
    }
    EXPECT_EQ(got, std::string("0123456789").substr(0, static_cast<std::size_t>(sent)));
}

TEST_F(network_faults, bandwidth_and_tails_take_their_time_and_keep_the_order) {
    net.profile().bytes_per_second = 1'000'000;
    const auto [client, server] = connected();
    const std::uint64_t before = events.now_ns();
    a.send(client, std::string(10'000, 'x'));
    EXPECT_EQ(b.recv(server).size(), 10'000U);
    EXPECT_EQ(events.now_ns(), before + 10 * ms + net.profile().latency_ns_min);
    net.profile().latency_tail = 0.5;
    std::string sent;
    for (char c = 'a'; c <= 'z'; ++c) {
        a.send(client, std::string(1, c));
        sent += c;
    }
    settle();
    EXPECT_EQ(b.recv(server), sent);
    EXPECT_GT(faults.of("net.latency_tail"), 0U);
}

// -- Hosts and processes
// -----------------------------------------------------------------------------------------------

TEST_F(network_faults, a_power_loss_leaves_the_peer_with_silence_alone) {
    const auto [client, server] = connected();
    std::string room(10, ' ');
    operation& waits = a.start_recv(client, room);
    b.die();
    net.host_down(host_b);
    settle();
    EXPECT_FALSE(waits.done());
    EXPECT_EQ(faults.of("net.half_open"), 1U);
    net.host_up(host_b);
    settle();
    EXPECT_FALSE(waits.done());
}

TEST_F(network_faults, a_restarted_peer_answers_with_a_reset) {
    const auto [client, server] = connected();
    b.die();
    net.host_down(host_b);
    net.host_up(host_b);
    const std::uint64_t before = events.now_ns();
    EXPECT_EQ(a.send(client, "remember me?"), 12);
    EXPECT_EQ(a.recv_error(client), -ECONNRESET);
    EXPECT_EQ(events.now_ns(), before + 2 * net.profile().latency_ns_min);
}

TEST_F(network_faults, a_send_to_a_host_without_power_waits_for_its_return_or_gives_up) {
    net.profile().silence_ns_min = net.profile().silence_ns_max = 20 * s;
    const auto first = connected();
    const auto second = connected();
    b.die();
    net.host_down(host_b);
    a.send(first.client, "x");
    EXPECT_EQ(a.recv_error(first.client), -ETIMEDOUT);
    a.send(second.client, "x");
    pass(10 * s);
    net.host_up(host_b);
    EXPECT_EQ(a.recv_error(second.client), -ECONNRESET);
}

TEST_F(network_faults, keep_alive_finds_a_peer_that_lost_its_power) {
    const auto [client, server] = connected();
    keep_alive(a, client);
    b.die();
    net.host_down(host_b);
    EXPECT_EQ(a.recv_error(client), -ETIMEDOUT);
}

TEST_F(network_faults, keep_alive_finds_a_peer_that_has_restarted) {
    const auto [client, server] = connected();
    keep_alive(a, client);
    b.die();
    net.host_down(host_b);
    net.host_up(host_b);
    EXPECT_EQ(a.recv_error(client), -ECONNRESET);
}

TEST_F(network_faults, a_restarted_host_can_listen_and_be_connected_to_at_once) {
    connected();
    b.die();
    net.host_down(host_b);
    net.host_up(host_b);
    handle_table handles;
    program again(net, events, host_b, handles);
    const std::int32_t at = again.listen("10.0.0.2", 80);
    EXPECT_GE(at, 0);
    EXPECT_GE(a.connect("10.0.0.2", 80), 0);
    EXPECT_GE(again.accept(at), 0);
}

TEST_F(network_faults, a_power_loss_frees_the_ports_of_the_host_whatever_its_peers_still_hold) {
    net.profile().ephemeral_first = net.profile().ephemeral_last = 40'000;
    connected();
    a.die();
    net.host_down(host_a);
    net.host_up(host_a);
    handle_table handles;
    program again(net, events, host_a, handles);
    const std::int32_t at = again.listen("0.0.0.0", 40'000);
    EXPECT_GE(at, 0);
    again.close(at);
    EXPECT_GE(again.connect("10.0.0.2", 80), 0);
    EXPECT_EQ(again.connect("10.0.0.2", 80), -EADDRNOTAVAIL);
}

TEST_F(network_faults, a_connect_ends_though_its_host_lost_its_power_half_way) {
    b.listen("10.0.0.2", 80);
    net.clog(host_b, host_a, no_deadline);
    operation& connect = a.start_connect("10.0.0.2", 80);
    pass(net.profile().latency_ns_min / 2);
    net.calm();
    pass(net.profile().latency_ns_min);  // it has been answered, and the answer is under way
    net.clog(host_b, host_a, no_deadline);
    b.die();
    net.host_down(host_b);
    EXPECT_EQ(a.await(connect), -ETIMEDOUT);
}

TEST_F(network_faults, a_killed_process_is_closed_by_its_kernel) {
    const auto quiet = connected();
    const auto unread = connected();
    const std::int32_t waiting = a.connect("10.0.0.2", 80);
    a.send(unread.client, "never read");
    b.send(quiet.server, "last words");
    settle();
    std::string room(10, ' ');
    b.start_recv(quiet.server, room);
    b.die();
    net.process_died(handles_b);
    EXPECT_EQ(a.recv(quiet.client), "last words");
    EXPECT_EQ(a.recv_error(quiet.client), 0) << "all read: an ordinary end";
    EXPECT_EQ(a.recv_error(unread.client), -ECONNRESET);
    EXPECT_EQ(a.recv_error(waiting), -ECONNRESET) << "not yet accepted";
    EXPECT_EQ(a.connect("10.0.0.2", 80), -ECONNREFUSED);
}

TEST_F(network_faults, a_power_loss_right_after_the_death_of_the_process_is_silent) {
    const auto [client, server] = connected();
    std::string room(10, ' ');
    operation& waits = a.start_recv(client, room);
    b.die();
    net.process_died(handles_b);
    net.host_down(host_b);
    settle();
    EXPECT_FALSE(waits.done());
}

TEST_F(network_faults, nothing_of_the_dead_is_touched) {
    const auto [client, server] = connected();
    auto room = std::make_unique<std::string>(10, ' ');
    b.start_recv(server, *room);
    b.start_poll(server, POLLIN);
    b.start_accept(listener);
    b.start_connect("10.0.0.1", 99);
    resolve_answer answer;
    char name[] = "alpha";
    b.start({.op = io_op::resolve, .data = name, .extra = &answer});
    b.die();
    net.process_died(handles_b);
    room.reset();
    a.send(client, "too late");
    a.connect("10.0.0.2", 80);
    settle();
    EXPECT_EQ(answer.count, 0U);
}

TEST_F(network_faults, nothing_of_those_who_are_dying_is_touched) {
    const auto [client, server] = connected();
    std::string room(10, ' ');
    b.start_recv(server, room);
    b.start_poll(server, POLLIN);
    b.die();  // and the kernel has not heard of it yet
    a.send(client, "too late");
    settle();
    EXPECT_EQ(room, std::string(10, ' '));
}

TEST_F(network_faults, watchers_are_told_what_happens) {
    std::vector<network_event> seen;
    net.on_event([&](const network_event& e) { seen.push_back(e); });
    const auto [client, server] = connected();
    a.send(client, "abc");
    settle();
    a.close(client);
    settle();
    std::vector<network_event::kind> kinds;
    for (const network_event& e : seen) {
        kinds.push_back(e.what);
    }
    using k = network_event::kind;
    EXPECT_EQ(kinds, (std::vector{k::connected, k::accepted, k::sent, k::arrived, k::finished}));
    EXPECT_EQ(seen[2].bytes, 3U);
    EXPECT_EQ(seen[3].to, host_b.id);
}

}  // namespace
}  // namespace shale::sim::detail
