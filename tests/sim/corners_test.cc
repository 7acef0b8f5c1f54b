// Workloads for the corners of files, logs, sockets and turns that a server in good order never comes to: they check
// what is promised there, and let a campaign meet the points that kv does not.
#include <gtest/gtest.h>

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include <fmt/format.h>

#include <shale/core/async/coroutine.hh>
#include <shale/core/async/loop.hh>
#include <shale/core/base/error.hh>
#include <shale/core/shard/sleep.hh>
#include <shale/core/shard/smp.hh>
#include <shale/core/shard/timer.hh>
#include <shale/core/testing/sim_test.hh>
#include <shale/file/file.hh>
#include <shale/file/record_log.hh>
#include <shale/net/socket.hh>

using namespace shale;
using namespace std::chrono_literals;

namespace {

constexpr std::size_t record_bytes = 1000;

future<log_appended> append(record_log& log, std::uint64_t sequence) {
    const std::vector<std::byte> record(record_bytes, static_cast<std::byte>(sequence));
    const std::span<const std::byte> parts[] = {record};
    auto added = log.append(parts, sequence);
    while (!added && added.error() == append_refusal::busy) {
        co_await log.wait_room(record_bytes);
        added = log.append(parts, sequence);
    }
    if (!added) {
        throw std::runtime_error(to_string(added.error()));
    }
    co_return *added;
}

/// What a program that keeps a log in the manner of `everysec` has promised.
struct promised {
    std::uint64_t synced = 0;  ///< this record and all before it are durable
};

/// Appends records and flushes now and then, for as long as the disk lets it.
future<> fill(record_log& log, std::uint64_t last, promised& kept) {
    while (true) {
        for (int i = 0; i < 20; ++i) {
            const log_appended added = co_await append(log, ++last);
            co_await log.committed(added.batch);
            co_await sleep(3ms);
        }
        co_await log.sync();
        kept.synced = last;
    }
}

/// Keeps a log of records 1, 2 ...: at the start what was flushed must be there, without a hole.
future<int> keep_log(promised& kept) {
    record_log_options options;
    options.mode = sync_mode::everysec;
    options.segment_bytes = 64 * 1024;
    std::uint64_t last = 0;
    const auto log = co_await record_log::open("/log", std::move(options), [&last](const log_record& record) {
        EXPECT_EQ(record.sequence, last + 1) << "a hole";
        last = record.sequence;
    });
    EXPECT_GE(last, kept.synced) << "what was flushed is lost";
    (void)co_await as_result(fill(*log, last, kept));
    (void)co_await as_result(log->close());
    co_return 1;
}

/// A connected pair: [0] connected, [1] accepted.
future<std::array<net::connected_socket, 2>> pair_of(net::server_socket& listener, const net::socket_address& address) {
    auto connecting = net::connect(address);
    auto accepted = co_await listener.accept();
    auto connected = co_await std::move(connecting);
    co_return std::array<net::connected_socket, 2>{std::move(connected), std::move(accepted.connection)};
}

/// Runs `f` with a connected pair, and closes both.
template <class F>
future<> with_pair(std::uint16_t port, F f) {
    const net::socket_address address = net::ipv4_addr("127.0.0.1", port);
    auto listener = co_await net::listen(address);
    auto [client, served] = co_await pair_of(listener, address);
    co_await f(client, served);
    co_await client.close();
    co_await served.close();
    co_await listener.close();
}

future<> write(net::connected_socket& to, std::span<const char> bytes) {
    co_await to.write_all(bytes);
}

future<std::int64_t> read(net::connected_socket& from, std::span<char> room, abort_source& abort) {
    co_return co_await from.try_read_some(room, &abort);
}

}  // namespace

SIM_TEST(corners, a_flush_after_a_failed_one_fails, .seeds = 3) {
    run.calm();
    file f = co_await open_file_dma("/f", open_flags::rw | open_flags::create);
    const auto page = temporary_buffer<char>::aligned(4096, 4096);
    co_await f.dma_write(0, page.get(), page.size());
    auto& disk = *run.world.tester().disk();
    disk.faults().sync_error = 1;
    EXPECT_FALSE(co_await as_result(f.flush()));
    disk.faults().sync_error = 0;
    EXPECT_FALSE(co_await as_result(f.flush())) << "the kernel would say that all is well";
    co_await f.close();
}

SIM_TEST(corners, a_damaged_log_is_refused_and_can_be_salvaged, .seeds = 3) {
    run.calm();
    auto& disk = *run.world.tester().disk();
    std::string path;
    std::uint64_t position = 0;
    {
        const auto log = co_await record_log::open("/log", {}, [](const log_record&) {});
        for (std::uint64_t sequence = 1; sequence <= 5; ++sequence) {
            const log_appended added = co_await append(*log, sequence);
            co_await log->committed(added.batch);
            if (sequence == 3) {
                path = fmt::format("/log/{:016x}.log", added.segment);
                position = added.where.position() + record_bytes / 2;
            }
        }
        co_await log->close();
    }
    disk.damage_byte(path, position, std::byte{1});
    const auto refused = co_await as_result(record_log::open("/log", {}, [](const log_record&) {}));
    EXPECT_FALSE(refused);
    if (!refused) {
        EXPECT_EQ(errno_of(refused.error()), EBADMSG) << message_of(refused.error());
    }
    std::vector<std::uint64_t> found;
    record_log_options options;
    options.salvage = true;
    const auto log = co_await record_log::open(
        "/log", std::move(options), [&found](const log_record& record) { found.push_back(record.sequence); });
    EXPECT_EQ(found, (std::vector<std::uint64_t>{1, 2, 4, 5}));
    EXPECT_EQ(log->recovered().damages.size(), 1U);
    co_await log->close();
}

// A power loss may take a batch and leave one behind it; neither was promised.
SIM_TEST(corners, a_log_flushed_every_second_keeps_what_it_flushed, .seeds = 10,
         .set =
             "chaos_span_ns=5000000000 power_cycles_min=10 power_cycles_max=20 down_max_ns=300000000"
             " disk.sync_error=0 disk.write_error=0") {
    promised kept;
    auto& machine = run.world.add_machine({.name = "log", .entry = [&kept] { return keep_log(kept); }});
    machine.start();
    run.begin_storm();
    co_await sleep(run.storm());
    run.calm();
    const std::uint64_t before = kept.synced;
    co_await run.within(60s, do_until([&] { return kept.synced > before; }, [] { return sleep(10ms); }));
    run.count("records kept", kept.synced);
    machine.kill();
}

SIM_TEST(corners, a_listener_at_its_limit_lets_the_next_one_wait, .seeds = 3) {
    run.calm();
    const net::socket_address address = net::ipv4_addr("127.0.0.1", 7100);
    auto listener = co_await net::listen(address, {.connections_max = 1});
    auto [client, served] = co_await pair_of(listener, address);
    auto second = co_await net::connect(address);
    auto waiting = listener.accept();
    co_await sleep(50ms);
    EXPECT_FALSE(waiting.available());
    co_await served.close();
    auto accepted = co_await std::move(waiting);
    co_await accepted.connection.close();
    co_await client.close();
    co_await second.close();
    co_await listener.close();
}

SIM_TEST(corners, a_write_that_the_peer_breaks_off_fails, .seeds = 3) {
    run.calm();
    co_await with_pair(7101, [](net::connected_socket& client, net::connected_socket& served) -> future<> {
        const std::vector<char> much(std::size_t{8} << 20, 'x');
        auto writing = write(client, much);
        std::vector<char> some(1000);
        (void)co_await served.try_read_some(std::span<char>(some));
        co_await served.close();
        EXPECT_FALSE(co_await as_result(std::move(writing)));
    });
}

// A connection on its way to a shard whose acceptor has just been closed.
SIM_TEST(corners, a_connection_for_an_acceptor_that_is_gone_is_closed, .seeds = 20, .shards = 2) {
    run.calm();
    const net::socket_address address = net::ipv4_addr("127.0.0.1", 7102);
    for (int round = 0; round < 10; ++round) {
        auto here = co_await net::listen(address);
        abort_source over;
        auto accepting = here.accept(&over);
        auto there = smp::submit_to(1, [address]() -> future<> {
            auto listener = co_await net::listen(address);
            auto accepting_there = listener.accept();
            co_await sleep(std::chrono::microseconds(20));
            co_await listener.close();
            auto accepted = co_await as_result(std::move(accepting_there));
            if (accepted) {
                co_await accepted->connection.close();
            }
        });
        std::vector<net::connected_socket> clients;
        for (int i = 0; i < 3; ++i) {
            auto connected = co_await as_result(net::connect(address));
            if (connected) {
                clients.push_back(std::move(*connected));
            }
        }
        co_await std::move(there);
        co_await sleep(1ms);
        over.request_abort();
        auto accepted = co_await as_result(std::move(accepting));
        if (accepted) {
            co_await accepted->connection.close();
        }
        for (auto& client : clients) {
            co_await client.close();
        }
        co_await here.close();
    }
}

SIM_TEST(corners, a_connect_to_a_full_unix_socket_waits_for_room, .seeds = 3) {
    run.calm();
    const net::socket_address address = net::unix_domain_addr("@corner");
    auto listener = co_await net::listen(address, {.backlog = 1});
    std::vector<future<net::connected_socket>> connecting;
    for (int i = 0; i < 5; ++i) {
        connecting.push_back(net::connect(address));
    }
    co_await sleep(50ms);
    for (auto& one : connecting) {
        auto accepted = co_await listener.accept();
        auto client = co_await std::move(one);
        co_await client.close();
        co_await accepted.connection.close();
    }
    co_await listener.close();
}

SIM_TEST(corners, a_request_cancelled_in_its_own_turn_never_leaves, .seeds = 3) {
    run.calm();
    co_await with_pair(7103, [](net::connected_socket& client, net::connected_socket& served) -> future<> {
        std::vector<char> room(10);
        abort_source changed_mind;
        auto reading = read(client, room, changed_mind);
        changed_mind.request_abort();
        EXPECT_EQ(co_await std::move(reading), -ECANCELED);
        co_await served.write_all(std::span<const char>("x", 1));
        EXPECT_EQ(co_await client.try_read_some(std::span<char>(room)), 1) << "the next one is none the worse";
    });
}

SIM_TEST(corners, a_periodic_timer_that_is_too_slow_leaves_periods_out, .seeds = 3) {
    run.calm();
    std::uint64_t fired = 0;
    timer<> often;
    often.set_callback([&fired] { ++fired; });
    often.arm_periodic(std::chrono::nanoseconds(10));
    co_await sleep(1ms);
    often.cancel();
    EXPECT_GT(fired, 0U);
    EXPECT_LT(fired, 100'000U);
}
