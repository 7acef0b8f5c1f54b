// Connections on real threads: bytes both ways, half-close, abort, backpressure, and peers that go away.
#include "net_testing.hh"

#include <netinet/tcp.h>
#include <shale/core/async/loop.hh>
#include <shale/core/async/when_all.hh>
#include <shale/core/shard/sleep.hh>

#include <algorithm>

using namespace shale;
using namespace shale::test;

SHALE_RUNTIME_TEST(socket, carries_bytes_both_ways_over_every_family) {
    temporary_directory directory;
    auto addresses = loopbacks();
    addresses.push_back(unix_domain_addr(directory.file("a.sock")));
    addresses.push_back(unix_domain_addr("@shale-net-test-" + std::to_string(::getpid())));
    for (const auto& address : addresses) {
        SCOPED_TRACE(address.to_string());
        auto [client, server] = co_await connected_pair(address);
        const std::string question = "what is it?";
        co_await client.write_all(question);
        char room[100];
        const std::size_t size = co_await server.read_some(room);
        EXPECT_EQ(std::string_view(room, size), question);
        co_await server.write_all(std::string_view("that"));
        const std::size_t back = co_await client.read_some(room);
        EXPECT_EQ(std::string_view(room, back), "that");
        co_await client.close();
        const std::size_t end = co_await server.read_some(room);
        EXPECT_EQ(end, 0U);
        co_await server.close();
    }
}

SHALE_RUNTIME_TEST(socket, half_close_ends_one_direction_alone) {
    auto [client, server] = co_await connected_pair();
    auto in = server.input();
    auto out = server.output();
    co_await client.write_all(std::string_view("the question"));
    client.shutdown_output();
    const std::string got = co_await read_all(in);
    EXPECT_EQ(got, "the question");
    co_await out.write("the answer");
    co_await out.close();
    auto client_in = client.input();
    const std::string answer = co_await read_all(client_in);
    EXPECT_EQ(answer, "the answer");
    co_await client.close();
    co_await server.close();
}

SHALE_RUNTIME_TEST(socket, shutdown_input_ends_a_read_that_waits) {
    auto [client, server] = co_await connected_pair();
    char room[10];
    auto reading = [](net::connected_socket& from, std::span<char> to) -> future<std::size_t> {
        co_return co_await from.read_some(to);
    }(server, room);
    co_await sleep(1ms);
    server.shutdown_input();
    const std::size_t size = co_await std::move(reading);
    EXPECT_EQ(size, 0U);
    co_await client.close();
    co_await server.close();
}

SHALE_RUNTIME_TEST(socket, abort_resets_the_peer) {
    auto [client, server] = co_await connected_pair();
    client.abort();
    EXPECT_FALSE(client);
    char room[10];
    auto reading = [](net::connected_socket& from, std::span<char> to) -> future<std::size_t> {
        co_return co_await from.read_some(to);
    };
    auto result = co_await as_result(reading(server, room));
    EXPECT_EQ(error_of(result), ECONNRESET);
    co_await server.close();
}

SHALE_RUNTIME_TEST(socket, peer_that_goes_in_the_middle_fails_the_writer) {
    auto [client, server] = co_await connected_pair();
    auto writing = [](net::connected_socket& to) -> future<std::size_t> {
        const std::string data(32 << 20, 'x');
        co_return co_await to.write_all(data);
    }(client);
    char room[1000];
    co_await server.read_some(room);
    co_await server.close();  // with unread bytes: the kernel sends a reset
    auto result = co_await as_result(std::move(writing));
    EXPECT_TRUE(error_of(result) == ECONNRESET || error_of(result) == EPIPE) << error_of(result);
    EXPECT_NE(message_of(result).find("write to a connection"), std::string::npos) << message_of(result);
    co_await client.close();
}

SHALE_RUNTIME_TEST(socket, close_ends_what_waits_on_it) {
    auto [client, server] = co_await connected_pair();
    char room[10];
    auto reading = [](net::connected_socket& from, std::span<char> to) -> future<std::size_t> {
        co_return co_await from.read_some(to);
    };
    auto pending = reading(server, room);
    co_await sleep(1ms);
    EXPECT_FALSE(pending.available());
    co_await server.close();
    auto first = co_await as_result(std::move(pending));
    EXPECT_EQ(error_of(first), ECANCELED);
    auto second = co_await as_result(reading(server, room));
    EXPECT_EQ(error_of(second), ECANCELED);
    co_await server.close();  // again: nothing happens
    co_await client.close();
}

SHALE_RUNTIME_TEST(socket, dropping_a_connection_closes_it_though_a_read_waits) {
    auto [client, server] = co_await connected_pair();
    char room[10];
    auto pending = [](net::connected_socket& from, std::span<char> to) -> future<std::size_t> {
        co_return co_await from.read_some(to);
    }(server, room);
    co_await sleep(1ms);
    { auto gone = std::move(server); }
    auto result = co_await as_result(std::move(pending));
    EXPECT_EQ(error_of(result), ECANCELED);
    const std::size_t end = co_await client.read_some(room);
    EXPECT_EQ(end, 0U);
    co_await client.close();
}

SHALE_RUNTIME_TEST(socket, streams_keep_it_open_when_the_socket_goes) {
    auto [client, server] = co_await connected_pair();
    auto in = server.input();
    {
        auto out = server.output();
        { auto gone = std::move(server); }
        co_await out.write("still here");
        co_await out.close();
    }
    auto client_in = client.input();
    const std::string got = co_await read_all(client_in);
    EXPECT_EQ(got, "still here");
    co_await client.write_all(std::string_view("you too"));
    client.shutdown_output();
    const std::string back = co_await read_all(in);
    EXPECT_EQ(back, "you too");
    co_await client.close();
}

SHALE_RUNTIME_TEST(socket, aborted_read_takes_nothing) {
    auto [client, server] = co_await connected_pair();
    char room[10];
    abort_source abort;
    auto reading = [](net::connected_socket& from, std::span<char> to, abort_source* stop) -> future<std::size_t> {
        co_return co_await from.read_some(to, stop);
    };
    auto pending = reading(server, room, &abort);
    co_await sleep(1ms);
    abort.request_abort_ex(std::make_exception_ptr(std::runtime_error("enough")));
    auto result = co_await as_result(std::move(pending));
    CO_ASSERT(!result);
    EXPECT_EQ(message_of(result), "enough");
    auto again = co_await as_result(reading(server, room, &abort));
    CO_ASSERT(!again);
    EXPECT_EQ(message_of(again), "enough");
    co_await client.write_all(std::string_view("abc"));
    const std::size_t size = co_await server.read_some(room);
    EXPECT_EQ(std::string_view(room, size), "abc");
    co_await client.close();
    co_await server.close();
}

SHALE_RUNTIME_TEST(socket, aborted_write_stops_though_the_peer_never_reads) {
    auto [client, server] = co_await connected_pair();
    abort_source abort;
    const std::string data(64 << 20, 'x');
    auto writing = [](net::connected_socket& to, std::string_view all, abort_source* stop) -> future<std::size_t> {
        co_return co_await to.write_all(all, stop);
    }(client, data, &abort);
    co_await sleep(5ms);
    EXPECT_FALSE(writing.available()) << "backpressure: nobody reads";
    abort.request_abort();
    auto result = co_await as_result(std::move(writing));
    EXPECT_EQ(error_of(result), 0);
    client.abort();
    co_await server.close();
}

SHALE_RUNTIME_TEST(socket, large_transfer_to_a_slow_reader_arrives_whole) {
    auto [client, server] = co_await connected_pair();
    static constexpr std::size_t total = 24 << 20;
    auto send = [](net::connected_socket& to) -> future<void> {
        std::vector<std::string> parts(3000);
        std::vector<iovec> pieces;
        std::size_t at = 0;
        for (std::size_t i = 0; i < parts.size(); ++i) {
            parts[i].resize(std::min<std::size_t>(total - at, i % 7 == 0 ? 0 : 1 + i * 7919 % 25'000));
            for (char& c : parts[i]) {
                c = static_cast<char>(at++ * 31 >> 3);
            }
            pieces.push_back({parts[i].data(), parts[i].size()});
        }
        std::string rest(total - at, 'r');
        for (char& c : rest) {
            c = static_cast<char>(at++ * 31 >> 3);
        }
        pieces.push_back({rest.data(), rest.size()});
        const std::size_t sent = co_await to.write_all(std::span<iovec>(pieces));
        EXPECT_EQ(sent, total);
        to.shutdown_output();
    }(client);
    std::vector<char> room(300'000);
    std::size_t at = 0;
    bool same = true;
    for (int reads = 0;; ++reads) {
        const std::size_t size = co_await server.read_some(room);
        if (size == 0) {
            break;
        }
        for (std::size_t i = 0; i < size; ++i) {
            same = same && room[i] == static_cast<char>(at++ * 31 >> 3);
        }
        if (reads % 20 == 0) {
            co_await sleep(1ms);
        }
    }
    EXPECT_EQ(at, total);
    EXPECT_TRUE(same);
    co_await std::move(send);
    co_await client.close();
    co_await server.close();
}

SHALE_RUNTIME_TEST(socket, streams_carry_a_large_transfer_with_flow_control) {
    auto [client, server] = co_await connected_pair();
    std::string text;
    while (text.size() < (6U << 20)) {
        text += "line " + std::to_string(text.size()) + "\n";
    }
    auto send = [](net::connected_socket& to, const std::string& all) -> future<void> {
        auto out = to.output(16 * 1024);
        for (std::size_t at = 0; at < all.size(); at += 700) {
            co_await out.write(all.data() + at, std::min<std::size_t>(700, all.size() - at));
        }
        co_await out.close();
    }(client, text);
    auto in = server.input({.buffer_size = 1024, .buffer_min = 512, .buffer_max = 64 * 1024});
    const std::string got = co_await read_all(in);
    EXPECT_TRUE(got == text);
    co_await std::move(send);
    co_await client.close();
    co_await server.close();
}

SHALE_RUNTIME_TEST(socket, waits_for_the_peer_without_memory) {
    auto [client, server] = co_await connected_pair();
    auto readable = [](net::connected_socket& on) -> future<void> { co_await on.wait_readable(); }(server);
    auto ended = [](net::connected_socket& on) -> future<void> { co_await on.wait_input_shutdown(); }(server);
    co_await sleep(1ms);
    EXPECT_FALSE(readable.available());
    co_await client.write_all(std::string_view("x"));
    co_await std::move(readable);
    EXPECT_FALSE(ended.available());
    client.shutdown_output();
    co_await std::move(ended);
    co_await client.close();
    co_await server.close();
}

SHALE_RUNTIME_TEST(socket, settings_are_on_by_default_on_both_ends_and_can_be_changed) {
    auto [client, server] = co_await connected_pair();
    for (auto* end : {&client, &server}) {
        const bool nodelay = co_await end->get_nodelay();
        EXPECT_TRUE(nodelay);
        const bool keepalive = co_await end->get_keepalive();
        EXPECT_TRUE(keepalive);
        const int idle = co_await end->get_option(IPPROTO_TCP, TCP_KEEPIDLE);
        EXPECT_EQ(idle, 120);
        co_await end->set_nodelay(false);
        const bool changed = co_await end->get_nodelay();
        EXPECT_FALSE(changed);
        co_await end->set_keepalive(net::keepalive_options{.idle = 10s, .interval = 1s, .probes = 3});
        const int shorter = co_await end->get_option(IPPROTO_TCP, TCP_KEEPIDLE);
        EXPECT_EQ(shorter, 10);
        co_await end->set_keepalive(std::nullopt);
        const bool off = co_await end->get_keepalive();
        EXPECT_FALSE(off);
    }
    const auto local = co_await client.local_address();
    const auto remote = co_await server.remote_address();
    EXPECT_EQ(local, remote);
    auto refused = co_await as_result(client.set_option(IPPROTO_TCP, 9999, 1));
    EXPECT_EQ(error_of(refused), ENOPROTOOPT);
    co_await client.close();
    co_await server.close();
    auto closed = co_await as_result(client.set_nodelay(true));
    EXPECT_EQ(error_of(closed), EBADF);
}

SHALE_RUNTIME_TEST(socket, nothing_to_write_is_written_at_once) {
    auto [client, server] = co_await connected_pair();
    const std::size_t none = co_await client.write_all(std::string_view());
    EXPECT_EQ(none, 0U);
    iovec empty[2] = {{nullptr, 0}, {nullptr, 0}};
    const std::size_t still_none = co_await client.write_all(std::span<iovec>(empty));
    EXPECT_EQ(still_none, 0U);
    client.shutdown_output();
    char room[4];
    const std::size_t end = co_await server.read_some(room);
    EXPECT_EQ(end, 0U);
    co_await client.close();
    co_await server.close();
}

SHALE_RUNTIME_TEST(socket, tries_give_errors_as_values) {
    auto [client, server] = co_await connected_pair();
    char room[10];
    const std::int64_t sent = co_await client.try_write_all(std::string_view("abc"));
    EXPECT_EQ(sent, 3);
    const std::int64_t got = co_await server.try_read_some(room);
    EXPECT_EQ(got, 3);
    abort_source abort;
    abort.request_abort();
    const std::int64_t aborted = co_await server.try_read_some(room, &abort);
    EXPECT_EQ(aborted, -ECANCELED);
    client.abort();
    const std::int64_t reset = co_await server.try_read_some(room);
    EXPECT_EQ(reset, -ECONNRESET);
    iovec piece{room, 3};
    const std::int64_t broken = co_await server.try_write_all(std::span<iovec>(&piece, 1));
    EXPECT_EQ(broken, -EPIPE);
    co_await server.close();
    const std::int64_t closed = co_await server.try_read_some(room);
    EXPECT_EQ(closed, -ECANCELED);
}

SHALE_RUNTIME_TEST(socket, try_write_some_gives_what_the_kernel_took) {
    auto [client, server] = co_await connected_pair();
    std::string text(std::size_t{32} << 20, 'x');  // more than the buffers of both ends take
    const std::int64_t part = co_await client.try_write_some(text);
    EXPECT_GT(part, 0);
    EXPECT_LT(part, static_cast<std::int64_t>(text.size()));
    std::int64_t left = part;
    while (left > 0) {
        const std::int64_t got = co_await server.try_read_some(text);
        CO_ASSERT(got > 0);
        left -= got;
    }
    EXPECT_EQ(left, 0);
    iovec pieces[2] = {{text.data(), 2}, {text.data(), 3}};
    const std::int64_t both = co_await client.try_write_some(std::span<iovec>(pieces));
    EXPECT_EQ(both, 5);
    client.shutdown_output();
    const std::int64_t broken = co_await client.try_write_some(text);
    EXPECT_EQ(broken, -EPIPE);
    co_await client.close();
    co_await server.close();
}
