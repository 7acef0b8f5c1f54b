// Machines with disks on one network, through the code that programs use: files, sockets, power cycles.
#include <gtest/gtest.h>

#include <shale/core/shard/sleep.hh>
#include <shale/core/sim/sim.hh>
#include <shale/core/testing/testing.hh>
#include <shale/file/directory.hh>
#include <shale/file/file.hh>
#include <shale/net/socket.hh>

using namespace shale;
using namespace std::chrono_literals;

namespace {

constexpr std::size_t block = 4096;
constexpr std::uint16_t port = 7000;

/// Keeps what it is sent, a byte a client, and answers with it once it is durable.
future<> keep(net::connected_socket client, file& kept) {
    char byte = 0;
    std::vector<char> memory(2 * block);
    void* start = memory.data();
    std::size_t room = memory.size();
    auto* const aligned = static_cast<char*>(std::align(block, block, start, room));
    while (co_await client.try_read_some({&byte, 1}) == 1) {
        std::memset(aligned, byte, block);
        co_await kept.dma_write(0, aligned, block);
        co_await kept.flush();
        if (co_await client.try_write_all(std::span<const char>{&byte, 1}) != 1) {
            break;
        }
    }
    co_await client.close();
}

future<int> serve() {
    file kept = co_await open_file_dma("/kept", open_flags::rw | open_flags::create);
    co_await sync_directory("/");
    auto listener = co_await net::listen(net::ipv4_addr("0.0.0.0", port));
    while (true) {
        auto [client, from] = co_await listener.accept();
        (void)keep(std::move(client), kept);
    }
}

/// What the server answers to `byte`; nothing when it cannot be reached.
future<std::optional<char>> ask(std::string address, char byte) {
    auto connected = co_await as_result(net::connect(net::ipv4_addr(address, port)));
    if (!connected) {
        co_return std::nullopt;
    }
    net::connected_socket there = std::move(*connected);
    char answer = 0;
    auto moved = co_await there.try_write_all(std::span<const char>(&byte, 1));
    if (moved == 1) {
        moved = co_await there.try_read_some(std::span<char>(&answer, 1));
    }
    co_await there.close();
    co_return moved == 1 ? std::optional(answer) : std::nullopt;
}

struct fixture : ::testing::Test {
    sim::world world{{.seed = 7, .disk = sim::disk_profile{}, .network = sim::net_profile{}}};
    sim::machine& server = world.add_machine({.name = "server", .shards = 2, .entry = serve});

    void SetUp() override { server.start(); }

    /// Runs `test` on the tester's shard to its end.
    void run(std::function<future<>()> test) {
        auto done = world.on(0, test);
        ASSERT_TRUE(world.run_until([&] { return done.available(); })) << "nothing happens any more";
        world.on(0, [&] { done.get(); });
    }

    future<> wait_until_it_answers(char byte) {
        std::optional<char> answer;
        while (answer != byte) {
            co_await sleep(10ms);
            answer = co_await ask(server.address(), byte);
        }
    }

    char on_disk() {
        const auto content = server.disk()->content("/kept");
        return content && !content->empty() ? static_cast<char>(content->front()) : '-';
    }
};

}  // namespace

using sim_machines = fixture;

TEST_F(sim_machines, serve_each_other_over_the_network) {
    run([&]() -> future<> { co_await wait_until_it_answers('a'); });
    EXPECT_EQ(on_disk(), 'a');
}

TEST_F(sim_machines, keep_what_was_acknowledged_through_power_losses) {
    run([&]() -> future<> {
        for (const char each : {'a', 'b', 'c'}) {
            co_await wait_until_it_answers(each);
            server.power_loss();
            co_await sleep(1ms);
            EXPECT_EQ(on_disk(), each);
            EXPECT_EQ(co_await ask(server.address(), 'x'), std::nullopt) << "it is down";
            server.start();
        }
        co_await wait_until_it_answers('d');
    });
    EXPECT_EQ(server.incarnation(), 4U);
}

TEST_F(sim_machines, that_are_killed_refuse_connections_until_they_are_back) {
    run([&]() -> future<> {
        co_await wait_until_it_answers('a');
        server.kill();
        co_await sleep(1ms);
        const auto refused = co_await as_result(net::connect(net::ipv4_addr(server.address(), port)));
        EXPECT_FALSE(refused);
        server.start();
        co_await wait_until_it_answers('b');
    });
}

TEST_F(sim_machines, lose_their_power_at_a_planned_request) {
    run([&]() -> future<> {
        co_await wait_until_it_answers('a');
        server.disk()->plan.power_loss_after_io = server.disk()->io_count() + 1;
        const auto answer = co_await ask(server.address(), 'b');
        EXPECT_EQ(answer, std::nullopt);
        EXPECT_FALSE(server.running());
        server.start();
        co_await wait_until_it_answers('d');
    });
    EXPECT_EQ(world.faults().of("disk.planned_power_loss"), 1U);
}

TEST_F(sim_machines, are_calm_when_told) {
    server.disk()->faults().write_error = 1;
    world.network().disturb();
    world.calm();
    run([&]() -> future<> { co_await wait_until_it_answers('a'); });
}

// The process that made a directory is killed before it has synced the name; the next one finds it there.
TEST(sim_machines_directories, are_durable_once_a_later_start_has_found_them) {
    sim::disk_profile drops_all;
    drops_all.crash.drop_all = 1;
    sim::world world({.disk = drops_all});
    bool looking = false;
    bool there = false;
    const auto entry = [&]() -> future<int> {
        if (looking) {
            there = co_await file_exists("/data/part");
        } else {
            co_await recursive_touch_directory("/data/part");
        }
        co_return 0;
    };
    sim::machine& maker = world.add_machine({.name = "maker", .entry = entry});
    const auto made = [](const sim::world_event& e) {
        return e.what == sim::world_event::kind::completed && e.op == io_op::mkdir;
    };
    world.at_event(made, 2, [&](const sim::world_event&) { maker.kill(); });
    const auto run_to_its_end = [&] { return world.run_until([&] { return !maker.running(); }); };
    maker.start();
    EXPECT_TRUE(run_to_its_end());
    EXPECT_EQ(maker.exit_code(), std::nullopt) << "it was to be killed";
    maker.start();
    EXPECT_TRUE(run_to_its_end());
    EXPECT_EQ(maker.exit_code(), 0);
    maker.power_loss();
    looking = true;
    maker.start();
    EXPECT_TRUE(run_to_its_end());
    EXPECT_TRUE(there);
}
