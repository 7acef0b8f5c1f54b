// Unix sockets, IPv6, and names: what is behind an address that is not plain IPv4.
#include <fcntl.h>
#include <sys/stat.h>

#include "sockets.hh"

namespace shale::contract {
namespace {

class names_contract : public socket_case {
protected:
    struct unix_name {
        sockaddr_un address{};
        std::size_t size = 0;
    };
    unix_name unix_path(std::string_view name) {
        const std::string where = relative(name);  // short enough wherever the case runs
        unix_name to;
        to.address.sun_family = AF_UNIX;
        std::memcpy(to.address.sun_path, where.c_str(), where.size() + 1);
        to.size = offsetof(sockaddr_un, sun_path) + where.size() + 1;
        return to;
    }
    unix_name unix_abstract(std::string_view name) {
        const std::string unique = outside().scratch() + std::string(name);
        unix_name to;
        to.address.sun_family = AF_UNIX;
        std::memcpy(to.address.sun_path + 1, unique.data(), unique.size());
        to.size = offsetof(sockaddr_un, sun_path) + 1 + unique.size();
        return to;
    }
    int listen_at(unix_name at) {
        listen_parameters parameters;
        return run(io_op::listen, -1, &at.address, at.size, 0, &parameters);
    }
    int connect_at(unix_name at) { return run(io_op::connect, -1, &at.address, at.size); }

    std::array<int, 2> unix_pair() {
        const unix_name at = unix_abstract("pair");
        const int listener = keep(listen_at(at));
        const int connected = keep(connect_at(at));
        const int accepted = keep(run(io_op::accept, listener));
        EXPECT_EQ(close(listener), 0);
        return {connected, accepted};
    }

    int resolve(const char* name) {
        answer.count = 12345;
        return run(io_op::resolve, -1, const_cast<char*>(name), 0, 0, &answer);
    }
    int family(unsigned i) { return reinterpret_cast<const sockaddr*>(answer.addresses[i].bytes)->sa_family; }

    resolve_answer answer;
};
INSTANTIATE_TEST_SUITE_P(, names_contract, all_sides(), name_of);

class socket_file_contract : public names_contract {};
INSTANTIATE_TEST_SUITE_P(, socket_file_contract, sides_with_socket_files(), name_of);

TEST_P(names_contract, unix_connections_carry_data_both_ways) {
    const auto [a, b] = unix_pair();
    EXPECT_EQ(send(a, "ping"), 4);
    EXPECT_EQ(receive(b), "ping");
    EXPECT_EQ(send(b, "pong"), 4);
    EXPECT_EQ(receive(a), "pong");
    EXPECT_EQ(close(a), 0);
    EXPECT_EQ(receive(b), "");
}

TEST_P(socket_file_contract, a_unix_listener_makes_a_socket_in_the_file_system) {
    const int listener = keep(listen_at(unix_path("socket")));
    struct statx about {};
    ASSERT_EQ(run(io_op::stat, -1, text(path("socket")), 0, 0, &about), 0);
    EXPECT_TRUE(S_ISSOCK(about.stx_mode));
    EXPECT_EQ(listen_at(unix_path("socket")), -EADDRINUSE);
    EXPECT_EQ(close(listener), 0);
    EXPECT_EQ(connect_at(unix_path("socket")), -ECONNREFUSED) << "the name outlives its listener";
    EXPECT_EQ(listen_at(unix_path("socket")), -EADDRINUSE);
    EXPECT_EQ(unlink(path("socket")), 0);
    keep(listen_at(unix_path("socket")));
}

TEST_P(socket_file_contract, unix_connects_to_nothing_fail) {
    EXPECT_EQ(connect_at(unix_path("missing")), -ENOENT);
    put("file", "");
    EXPECT_EQ(connect_at(unix_path("file")), -ECONNREFUSED);
    EXPECT_EQ(connect_at(unix_abstract("missing")), -ECONNREFUSED);
}

TEST_P(socket_file_contract, unix_listeners_need_a_directory) {
    EXPECT_EQ(listen_at(unix_path("missing/socket")), -ENOENT);
}

TEST_P(names_contract, abstract_names_need_no_file_and_go_with_their_listener) {
    const int listener = keep(listen_at(unix_abstract("name")));
    EXPECT_EQ(listen_at(unix_abstract("name")), -EADDRINUSE);
    const int connected = keep(connect_at(unix_abstract("name")));
    const int accepted = keep(run(io_op::accept, listener));
    EXPECT_EQ(send(connected, "x"), 1);
    EXPECT_EQ(receive(accepted), "x");
    EXPECT_EQ(close(listener), 0);
    EXPECT_EQ(connect_at(unix_abstract("name")), -ECONNREFUSED);
    keep(listen_at(unix_abstract("name")));
}

TEST_P(names_contract, unix_addresses_are_those_of_the_listener) {
    const unix_name at = unix_path("socket");
    const int listener = keep(listen_at(at));
    const int connected = keep(connect_at(at));
    const int accepted = keep(run(io_op::accept, listener));
    sockaddr_storage name{};
    for (const auto& [op, fd] : {std::pair{io_op::local_address, listener},
                                 {io_op::local_address, accepted},
                                 {io_op::remote_address, connected}}) {
        EXPECT_EQ(run(op, fd, &name), static_cast<int>(at.size));
        EXPECT_EQ(std::memcmp(&name, &at.address, at.size), 0);
    }
    EXPECT_EQ(run(io_op::remote_address, accepted, &name), static_cast<int>(sizeof(sa_family_t))) << "it has no name";
    EXPECT_EQ(name.ss_family, AF_UNIX);
}

TEST_P(names_contract, sending_to_a_closed_unix_peer_is_epipe) {
    const auto [a, b] = unix_pair();
    EXPECT_EQ(close(b), 0);
    EXPECT_EQ(send(a, "x"), -EPIPE);
    EXPECT_EQ(receive(a), "");
}

TEST_P(names_contract, a_unix_close_with_unread_data_resets_the_peer) {
    const auto [a, b] = unix_pair();
    EXPECT_EQ(send(a, "unread"), 6);
    EXPECT_EQ(close(b), 0);
    EXPECT_EQ(receive(a), error(ECONNRESET));
}

TEST_P(names_contract, a_unix_recv_waits_and_is_withdrawn) {
    const auto [a, b] = unix_pair();
    char into[10];
    operation recv(io_op::recv, b, into, sizeof into);
    submit(recv);
    settle();
    EXPECT_FALSE(recv.done());
    EXPECT_EQ(cancel(recv), 0);
    EXPECT_EQ(finish(recv), -ECANCELED);
    EXPECT_EQ(send(a, "x"), 1);
    EXPECT_EQ(receive(b), "x");
}

TEST_P(names_contract, a_unix_half_close_is_seen) {
    const auto [a, b] = unix_pair();
    EXPECT_EQ(send(a, "last"), 4);
    EXPECT_EQ(shutdown(a, SHUT_WR), 0);
    EXPECT_EQ(receive(b), "last");
    EXPECT_EQ(receive(b), "");
    EXPECT_EQ(send(b, "answer"), 6);
    EXPECT_EQ(receive(a), "answer");
    EXPECT_EQ(send(a, "x"), -EPIPE);
}

TEST_P(names_contract, ipv6_connections_carry_data) {
    sockaddr_in6 any{};
    any.sin6_family = AF_INET6;
    any.sin6_addr = in6addr_loopback;
    listen_parameters parameters;
    const int listener = run(io_op::listen, -1, &any, sizeof any, 0, &parameters);
    if (listener == -EADDRNOTAVAIL || listener == -EAFNOSUPPORT) {
        GTEST_SKIP() << "there is no IPv6 here";
    }
    keep(listener);
    sockaddr_storage there{};
    ASSERT_EQ(run(io_op::local_address, listener, &there), static_cast<int>(sizeof(sockaddr_in6)));
    const int connected = keep(run(io_op::connect, -1, &there, sizeof(sockaddr_in6)));
    sockaddr_storage peer{};
    const int accepted = keep(run(io_op::accept, listener, &peer));
    EXPECT_EQ(peer.ss_family, AF_INET6);
    EXPECT_EQ(send(connected, "six"), 3);
    EXPECT_EQ(receive(accepted), "six");
}

TEST_P(names_contract, a_listener_for_both_families_takes_ipv4_too) {
    sockaddr_in6 any{};
    any.sin6_family = AF_INET6;
    listen_parameters parameters{.ipv6_only = false};
    const int listener = run(io_op::listen, -1, &any, sizeof any, 0, &parameters);
    if (listener == -EADDRNOTAVAIL || listener == -EAFNOSUPPORT) {
        GTEST_SKIP() << "there is no IPv6 here";
    }
    keep(listener);
    sockaddr_storage there{};
    run(io_op::local_address, listener, &there);
    const auto port = ntohs(reinterpret_cast<sockaddr_in6&>(there).sin6_port);
    keep(connect_to(loopback(port)));
    sockaddr_storage peer{};
    keep(run(io_op::accept, listener, &peer));
    EXPECT_EQ(peer.ss_family, AF_INET6) << "an IPv4 peer shows as a mapped address";
    EXPECT_TRUE(IN6_IS_ADDR_V4MAPPED(&reinterpret_cast<sockaddr_in6&>(peer).sin6_addr));
}

TEST_P(names_contract, an_ipv6_listener_alone_leaves_the_port_to_ipv4) {
    sockaddr_in6 any{};
    any.sin6_family = AF_INET6;
    listen_parameters parameters;
    const int listener = run(io_op::listen, -1, &any, sizeof any, 0, &parameters);
    if (listener == -EADDRNOTAVAIL || listener == -EAFNOSUPPORT) {
        GTEST_SKIP() << "there is no IPv6 here";
    }
    keep(listener);
    sockaddr_storage there{};
    run(io_op::local_address, listener, &there);
    const auto port = ntohs(reinterpret_cast<sockaddr_in6&>(there).sin6_port);
    EXPECT_EQ(connect_to(loopback(port)), -ECONNREFUSED);
}

TEST_P(names_contract, addresses_resolve_to_themselves) {
    ASSERT_EQ(resolve("127.0.0.1"), 0);
    ASSERT_EQ(answer.count, 1u);
    ASSERT_EQ(family(0), AF_INET);
    EXPECT_EQ(answer.addresses[0].length, sizeof(sockaddr_in));
    const auto* four = reinterpret_cast<const sockaddr_in*>(answer.addresses[0].bytes);
    EXPECT_EQ(ntohl(four->sin_addr.s_addr), INADDR_LOOPBACK);
    EXPECT_EQ(four->sin_port, 0);
    ASSERT_EQ(resolve("2001:db8::1"), 0);
    ASSERT_EQ(answer.count, 1u);
    EXPECT_EQ(family(0), AF_INET6);
    EXPECT_EQ(answer.addresses[0].length, sizeof(sockaddr_in6));
}

TEST_P(names_contract, localhost_is_here) {
    ASSERT_EQ(resolve("localhost"), 0);
    ASSERT_GE(answer.count, 1u);
    ASSERT_LE(answer.count, resolve_answer::capacity);
    for (unsigned i = 0; i < answer.count; ++i) {
        if (family(i) == AF_INET) {
            const auto* found = reinterpret_cast<const sockaddr_in*>(answer.addresses[i].bytes);
            EXPECT_EQ(ntohl(found->sin_addr.s_addr) >> 24, 127u);
        } else {
            ASSERT_EQ(family(i), AF_INET6);
            const auto* found = reinterpret_cast<const sockaddr_in6*>(answer.addresses[i].bytes);
            EXPECT_TRUE(IN6_IS_ADDR_LOOPBACK(&found->sin6_addr));
        }
    }
}

TEST_P(names_contract, a_name_that_cannot_be_is_not_found) {
    EXPECT_LT(resolve("no such name."), 0);
    EXPECT_LT(resolve("300.300.300.300."), 0);
}

}  // namespace
}  // namespace shale::contract
