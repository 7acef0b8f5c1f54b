// Listening and accepting on real threads, 1, 2 and 4 shards: balance, limits, cancelling, and the end.
#include "net_testing.hh"

#include <fcntl.h>
#include <sys/resource.h>
#include <shale/core/async/loop.hh>
#include <shale/core/async/when_all.hh>
#include <shale/core/shard/sleep.hh>
#include <shale/core/sync/gate.hh>
#include <shale/core/sync/sharded.hh>

#include <algorithm>

using namespace shale;
using namespace shale::test;

namespace {

/// Echoes on every shard and counts what each was given.
class echo_service {
public:
    future<void> start(net::socket_address address, net::listen_options options) {
        listener_ = co_await net::listen(address, options);
        running_ = run();
    }
    net::socket_address address() const { return listener_.local_address(); }
    int accepted() const { return accepted_; }
    std::size_t open() const { return connections_.get_count(); }

    future<void> stop() {
        if (listener_) {
            co_await listener_.close();
            co_await std::move(*running_);
        }
        co_await connections_.close();
    }

private:
    future<void> run() {
        while (true) {
            auto next = co_await as_result(listener_.accept());
            if (!next) {
                EXPECT_EQ(error_of(next), ECONNABORTED);
                co_return;
            }
            ++accepted_;
            (void)with_gate(connections_, [connection = std::move(next->connection)]() mutable -> future<void> {
                char room[4096];
                while (true) {
                    const std::size_t size = co_await connection.read_some(room);
                    if (size == 0) {
                        co_await connection.close();
                        co_return;
                    }
                    co_await connection.write_all(std::span<const char>(room, size));
                }
            });
        }
    }

    net::server_socket listener_;
    std::optional<future<void>> running_;
    gate connections_;
    int accepted_ = 0;
};

/// Starts it on shard 0 with a port of the kernel's choice, then on the others with that one.
future<net::socket_address> start_everywhere(sharded<echo_service>& servers, net::socket_address at,
                                             net::listen_options options) {
    co_await servers.start();
    co_await servers.local().start(at, options);
    const auto address = servers.local().address();
    co_await smp::invoke_on_others([&] { return servers.local().start(address, options); });
    co_return address;
}

future<void> ask(net::connected_socket& client, std::string question) {
    co_await client.write_all(question);
    std::string room(question.size(), '\0');
    std::size_t have = 0;
    while (have < room.size()) {
        const std::size_t size = co_await client.read_some(std::span<char>(room).subspan(have));
        CO_ASSERT(size != 0);
        have += size;
    }
    EXPECT_EQ(room, question);
}

/// One byte from one end to the other, and the end.
future<void> ask_nothing(net::connected_socket& client, net::connected_socket& server) {
    co_await client.write_all(std::string_view("x"));
    char room[2];
    const std::size_t size = co_await server.read_some(room);
    EXPECT_EQ(size, 1U);
    co_await client.close();
    co_await server.close();
}

}  // namespace

SHALE_RUNTIME_TEST(listen, hand_over_gives_every_shard_its_even_share) {
    sharded<echo_service> servers;
    const auto address = co_await start_everywhere(servers, net::ipv4_addr("127.0.0.1", 0), {});
    std::vector<net::connected_socket> clients(48);
    co_await parallel_for_each(clients, [&](net::connected_socket& client) -> future<void> {
        client = co_await net::connect(address);
        co_await ask(client, "hello");
    });
    const auto counts = co_await servers.map([](echo_service& s) { return s.accepted(); });
    for (const int count : counts) {
        EXPECT_EQ(count, 48 / static_cast<int>(smp::shard_count()));
    }
    clients.clear();
    co_await servers.stop();
}

SHALE_RUNTIME_TEST(listen, hand_over_prefers_the_shard_that_lost_its_connections) {
    sharded<echo_service> servers;
    const auto address = co_await start_everywhere(servers, net::ipv4_addr("127.0.0.1", 0), {});
    const unsigned shards = smp::shard_count();
    const std::size_t per_shard = 6;
    std::vector<net::connected_socket> clients;
    for (std::size_t i = 0; i < per_shard * shards; ++i) {
        auto client = co_await net::connect(address);
        co_await ask(client, "x");
        clients.push_back(std::move(client));
    }
    // One after the other they went round, so those of the last shard are every shards-th.
    for (std::size_t i = 0; i < per_shard; ++i) {
        co_await clients[i * shards].close();
    }
    auto before = co_await servers.map([](echo_service& s) { return s.accepted(); });
    // The ends are counted when the other side has seen them.
    std::size_t open = 0;
    do {
        co_await sleep(1ms);
        open = co_await servers.map_reduce0([](echo_service& service) { return service.open(); }, std::size_t{0},
                                            std::plus<std::size_t>());
    } while (open != per_shard * (shards - 1));
    for (std::size_t i = 0; i < per_shard; ++i) {
        auto client = co_await net::connect(address);
        co_await ask(client, "y");
        clients.push_back(std::move(client));
    }
    auto after = co_await servers.map([](echo_service& s) { return s.accepted(); });
    int most = 0;
    for (std::size_t i = 0; i < after.size(); ++i) {
        most = std::max(most, after[i] - before[i]);
    }
    EXPECT_EQ(most, static_cast<int>(per_shard)) << "all new ones went where the old ones had gone";
    clients.clear();
    co_await servers.stop();
}

SHALE_RUNTIME_TEST(listen, reuse_port_serves_on_every_shard_too) {
    sharded<echo_service> servers;
    const auto address = co_await start_everywhere(servers, net::ipv4_addr("127.0.0.1", 0),
                                                   {.balance = net::accept_balance::reuse_port});
    std::vector<net::connected_socket> clients(64);
    co_await parallel_for_each(clients, [&](net::connected_socket& client) -> future<void> {
        client = co_await net::connect(address);
        co_await ask(client, "hello");
    });
    const int sum = co_await servers.map_reduce0([](echo_service& s) { return s.accepted(); }, 0, std::plus<int>());
    EXPECT_EQ(sum, 64);
    clients.clear();
    co_await servers.stop();
}

SHALE_RUNTIME_TEST(listen, serves_a_thousand_connections_at_once) {
    sharded<echo_service> servers;
    const auto address = co_await start_everywhere(servers, net::ipv4_addr("127.0.0.1", 0), {});
    std::vector<net::connected_socket> clients(450);  // two descriptors each, and the usual limit is 1024
    rlimit limit{};
    ::getrlimit(RLIMIT_NOFILE, &limit);
    if (limit.rlim_max >= 4096) {
        limit.rlim_cur = std::max<rlim_t>(limit.rlim_cur, 4096);
        ::setrlimit(RLIMIT_NOFILE, &limit);
        clients.resize(1000);
    }
    co_await parallel_for_each(
        clients, [&](net::connected_socket& client) -> future<void> { client = co_await net::connect(address); });
    for (int round = 0; round < 3; ++round) {
        co_await parallel_for_each(clients,
                                   [](net::connected_socket& client) { return ask(client, std::string(300, 'q')); });
    }
    const int sum = co_await servers.map_reduce0([](echo_service& s) { return s.accepted(); }, 0, std::plus<int>());
    EXPECT_EQ(sum, static_cast<int>(clients.size()));
    clients.clear();
    co_await servers.stop();
}

SHALE_RUNTIME_TEST(listen, serves_unix_sockets_on_every_shard) {
    temporary_directory directory;
    const net::socket_address at = unix_domain_addr(directory.file("kv.sock"));
    for (int round = 0; round < 2; ++round) {
        sharded<echo_service> servers;
        const auto address = co_await start_everywhere(servers, at, {});
        EXPECT_EQ(address, at);
        std::vector<net::connected_socket> clients(8);
        co_await parallel_for_each(clients, [&](net::connected_socket& client) -> future<void> {
            client = co_await net::connect(address);
            co_await ask(client, "hello");
        });
        clients.clear();
        co_await servers.stop();
        EXPECT_NE(::access(at.path().c_str(), F_OK), 0) << "the path was not removed";
    }
}

SHALE_RUNTIME_TEST(listen, unix_path_left_behind_is_taken_over_and_one_in_use_is_not) {
    temporary_directory directory;
    const net::socket_address at = unix_domain_addr(directory.file("stale.sock"));
    const int dead = ::socket(AF_UNIX, SOCK_STREAM, 0);
    EXPECT_EQ(::bind(dead, at.data(), at.length()), 0);
    ::close(dead);
    auto listener = co_await net::listen(at);
    const int alive = ::socket(AF_UNIX, SOCK_STREAM, 0);
    EXPECT_NE(::bind(alive, at.data(), at.length()), 0);
    ::close(alive);
    auto second = co_await as_result(net::listen(at, {.balance = net::accept_balance::reuse_port}));
    EXPECT_EQ(error_of(second), EADDRINUSE);
    co_await listener.close();
}

SHALE_RUNTIME_TEST(listen, address_in_use_is_its_own_error_in_words) {
    auto listener = co_await net::listen(net::ipv4_addr("127.0.0.1", 0));
    auto again = co_await as_result(net::listen(listener.local_address()));
    EXPECT_EQ(error_of(again), EADDRINUSE);
    EXPECT_NE(message_of(again).find("listen at " + listener.local_address().to_string()), std::string::npos)
        << message_of(again);
    auto foreign = co_await as_result(net::listen(net::ipv4_addr("192.0.2.1", 0)));
    EXPECT_EQ(error_of(foreign), EADDRNOTAVAIL);
    EXPECT_NE(message_of(foreign).find("ip addr"), std::string::npos) << message_of(foreign);
    const auto address = listener.local_address();
    co_await listener.close();
    auto free_again = co_await net::listen(address);
    co_await free_again.close();
}

SHALE_RUNTIME_TEST(listen, abort_accept_ends_accepts_of_now_and_later) {
    for (const auto balance : {net::accept_balance::hand_over, net::accept_balance::reuse_port}) {
        const net::listen_options options{.balance = balance};
        auto listener = co_await net::listen(net::ipv4_addr("127.0.0.1", 0), options);
        auto pending = listener.accept();
        co_await sleep(1ms);
        EXPECT_FALSE(pending.available());
        listener.abort_accept();
        auto now = co_await as_result(std::move(pending));
        EXPECT_EQ(error_of(now), ECONNABORTED);
        auto later = co_await as_result(listener.accept());
        EXPECT_EQ(error_of(later), ECONNABORTED);
        co_await listener.close();
    }
}

// A loop that accepts is busy with a connection while another fiber closes the listener.
SHALE_RUNTIME_TEST(listen, accept_after_close_fails_like_one_that_was_aborted) {
    for (const auto balance : {net::accept_balance::hand_over, net::accept_balance::reuse_port}) {
        const net::listen_options options{.balance = balance};
        auto listener = co_await net::listen(net::ipv4_addr("127.0.0.1", 0), options);
        co_await listener.close();
        EXPECT_FALSE(listener);
        auto late = co_await as_result(listener.accept());
        EXPECT_EQ(error_of(late), ECONNABORTED);
    }
}

SHALE_RUNTIME_TEST(listen, aborted_accept_loses_no_connection) {
    for (const auto balance : {net::accept_balance::hand_over, net::accept_balance::reuse_port}) {
        const net::listen_options options{.balance = balance};
        auto listener = co_await net::listen(net::ipv4_addr("127.0.0.1", 0), options);
        abort_source abort;
        auto pending = listener.accept(&abort);
        co_await sleep(1ms);
        abort.request_abort();
        auto result = co_await as_result(std::move(pending));
        EXPECT_EQ(error_of(result), 0);
        auto connecting = net::connect(listener.local_address());
        auto accepted = co_await listener.accept();
        auto client = co_await std::move(connecting);
        co_await ask_nothing(client, accepted.connection);
        co_await listener.close();
    }
}

SHALE_RUNTIME_TEST(listen, dropping_the_listener_ends_a_waiting_accept_and_frees_the_address) {
    auto listener = co_await net::listen(net::ipv4_addr("127.0.0.1", 0));
    const auto address = listener.local_address();
    auto pending = listener.accept();
    co_await sleep(1ms);
    { auto gone = std::move(listener); }
    auto result = co_await as_result(std::move(pending));
    EXPECT_EQ(error_of(result), ECONNABORTED);
    for (int tries = 0; tries < 1000; ++tries) {
        auto again = co_await as_result(net::listen(address));
        if (again) {
            co_await again->close();
            co_return;
        }
        co_await sleep(1ms);
    }
    ADD_FAILURE() << "the address was never free again";
}

SHALE_RUNTIME_TEST(listen, connections_over_the_limit_wait_until_one_ends) {
    for (const auto balance : {net::accept_balance::hand_over, net::accept_balance::reuse_port}) {
        const std::size_t limit = balance == net::accept_balance::hand_over ? 2 : 2 * smp::shard_count();
        const net::listen_options options{.balance = balance, .connections_max = limit};
        auto listener = co_await net::listen(net::ipv4_addr("127.0.0.1", 0), options);
        std::vector<net::connected_socket> clients(3);
        for (auto& client : clients) {
            client = co_await net::connect(listener.local_address());  // the kernel takes it into the backlog
        }
        auto first = co_await listener.accept();
        auto second = co_await listener.accept();
        auto third = listener.accept();
        co_await sleep(30ms);
        EXPECT_FALSE(third.available());
        co_await first.connection.close();
        auto late = co_await std::move(third);
        EXPECT_TRUE(static_cast<bool>(late.connection));
        co_await late.connection.close();
        co_await second.connection.close();
        co_await listener.close();
    }
}

SHALE_RUNTIME_TEST(listen, survives_running_out_of_descriptors) {
    auto listener = co_await net::listen(net::ipv4_addr("127.0.0.1", 0));
    auto client = co_await net::connect(listener.local_address());
    auto first = co_await listener.accept();
    rlimit before{};
    ::getrlimit(RLIMIT_NOFILE, &before);
    auto second_client = net::connect(listener.local_address());
    // None is left to accept with.
    const int lowest_free = ::dup(0);
    ::close(lowest_free);
    auto connected = co_await std::move(second_client);
    const rlimit none{static_cast<rlim_t>(lowest_free), before.rlim_max};
    ::setrlimit(RLIMIT_NOFILE, &none);
    auto pending = listener.accept();
    co_await sleep(50ms);
    ::setrlimit(RLIMIT_NOFILE, &before);
    auto accepted = co_await std::move(pending);
    co_await ask_nothing(connected, accepted.connection);
    co_await ask_nothing(client, first.connection);
    co_await listener.close();
}

SHALE_RUNTIME_TEST(listen, survives_what_accept_says_of_one_connection_or_the_network) {
    // The listener gets the lowest free number.
    const int number = ::dup(0);
    ::close(number);
    auto listener = co_await net::listen(net::ipv4_addr("127.0.0.1", 0), {.balance = net::accept_balance::reuse_port});
    int listens = 0;
    socklen_t size = sizeof listens;
    CO_ASSERT(::getsockopt(number, SOL_SOCKET, SO_ACCEPTCONN, &listens, &size) == 0 && listens == 1);
    // As long as its number stands for a datagram socket, accepting gives EOPNOTSUPP.
    const int aside = ::dup(number);
    const int datagrams = ::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    CO_ASSERT(::dup3(datagrams, number, O_CLOEXEC) == number);
    auto pending = listener.accept();
    co_await sleep(10ms);
    EXPECT_FALSE(pending.available());
    CO_ASSERT(::dup3(aside, number, O_CLOEXEC) == number);
    ::close(aside);
    ::close(datagrams);
    auto client = co_await net::connect(listener.local_address());
    auto accepted = co_await std::move(pending);
    co_await ask_nothing(client, accepted.connection);
    co_await listener.close();
}

SHALE_RUNTIME_TEST(listen, ipv6_only_or_both_as_asked) {
    if (!has_ipv6()) {
        std::puts("this machine has no IPv6 loopback: left out");
        co_return;
    }
    for (const bool only : {true, false}) {
        const net::listen_options options{.ipv6_only = only};
        auto listener = co_await net::listen(net::ipv6_addr("::", 0), options);
        auto through_v4 =
            co_await as_result(net::connect(net::ipv4_addr("127.0.0.1", listener.local_address().port())));
        EXPECT_EQ(through_v4.has_value(), !only);
        if (!through_v4) {
            EXPECT_EQ(error_of(through_v4), ECONNREFUSED);
        }
        co_await listener.close();
    }
}
