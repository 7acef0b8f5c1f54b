// Sockets under their own fault points: bytes arrive whole and in order, and no connection is lost.
#include <gtest/gtest.h>

#include <shale/core/testing/chosen_faults.hh>

#include "net_testing.hh"

namespace shale {
namespace {

using test::chosen_faults;

std::string text_of(std::size_t size) {
    std::string text;
    for (std::size_t i = 0; text.size() < size; ++i) {
        text += std::to_string(i) + ' ';
    }
    text.resize(size);
    return text;
}

/// Sends `pieces` through a stream one way, whole the other, and compares what comes.
future<void> send_both_ways(std::size_t size) {
    const std::string text = text_of(size);
    test::pair ends = co_await test::connected_pair();
    auto in = ends.server.input();
    auto out = ends.client.output();
    auto reading = test::read_all(in);
    for (std::size_t at = 0; at < text.size(); at += 700) {
        const std::string_view piece = std::string_view(text).substr(at, 700);
        co_await out.write(temporary_buffer<char>(piece.data(), piece.size()));  // several go in one call
    }
    co_await out.close();
    const std::string arrived = co_await std::move(reading);
    EXPECT_TRUE(arrived == text) << arrived.size() << " bytes of " << text.size();

    auto back = ends.client.input();
    auto reading_back = test::read_all(back);
    const std::int64_t sent = co_await ends.server.try_write_all(std::span<const char>(text));
    EXPECT_EQ(sent, static_cast<std::int64_t>(text.size()));
    ends.server.shutdown_output();
    const std::string returned = co_await std::move(reading_back);
    EXPECT_TRUE(returned == text) << returned.size() << " bytes of " << text.size();
    co_await ends.client.close();
    co_await ends.server.close();
}

SHALE_RUNTIME_TEST(net_fault, that_cuts_transfers_delivers_all_bytes_in_order) {
    for (const char* name : {"net.read_one_byte", "net.write_in_pieces"}) {
        for (const double chance : {1.0, 0.3}) {
            chosen_faults plan({name}, chance);
            co_await send_both_ways(10'000);
            EXPECT_GT(plan.fired(name), 0U);
            if (std::string_view(name) == "net.write_in_pieces") {
                EXPECT_GT(plan.probed("net.short_write_continued"), 0U);
            }
        }
    }
    chosen_faults all({"net.*", "shard.*", "mailbox.*"}, 0.2);
    co_await send_both_ways(100'000);
}

SHALE_RUNTIME_TEST(net_fault, that_gives_connections_elsewhere_loses_none) {
    for (const double chance : {1.0, 0.5}) {
        chosen_faults plan({"net.connection_goes_elsewhere"}, chance);
        std::vector<net::server_socket> listeners(smp::shard_count());
        net::socket_address at = net::ipv4_addr("127.0.0.1", 0);
        for (unsigned shard = 0; shard < smp::shard_count(); ++shard) {
            at = co_await smp::submit_to(shard, [&]() -> future<net::socket_address> {
                listeners[shard] = co_await net::listen(at);
                co_return listeners[shard].local_address();
            });
        }
        // Each shard accepts until it is told to stop, and says so to its client.
        std::vector<future<void>> serving;
        for (unsigned shard = 0; shard < smp::shard_count(); ++shard) {
            serving.push_back(smp::submit_to(shard, [&listeners, shard]() -> future<void> {
                while (true) {
                    auto next = co_await as_result(listeners[shard].accept());
                    if (!next) {
                        co_return;
                    }
                    static constexpr std::string_view hello = "x";
                    co_await next->connection.try_write_all(std::span<const char>(hello));
                    co_await next->connection.close();
                }
            }));
        }
        for (int i = 0; i < 20; ++i) {
            auto client = co_await net::connect(at);
            char byte = 0;
            const std::int64_t got = co_await client.try_read_some({&byte, 1});
            EXPECT_EQ(got, 1);
            EXPECT_EQ(byte, 'x');
            co_await client.close();
        }
        for (unsigned shard = 0; shard < smp::shard_count(); ++shard) {
            co_await smp::submit_to(shard, [&] { return listeners[shard].close(); });
        }
        for (future<void>& one : serving) {
            co_await std::move(one);
        }
        co_await smp::invoke_on_all([&listeners] { listeners[this_shard_id()] = net::server_socket(); });
        EXPECT_EQ(plan.fired("net.connection_goes_elsewhere") != 0, smp::shard_count() > 1);
    }
}

}  // namespace
}  // namespace shale
