// How evenly connections fall on shards, and what accepting one costs: hand-over from shard 0 beside SO_REUSEPORT.
//
// Each round opens 50 connections at once, as redis-benchmark -c 50 and wrk do, and looks at what each shard got.
// The counters: `busiest` is the busiest shard's share, 1 being its fair one, on average over the rounds, `worst` the
// same in the worst round. The time is that of one connection, opened, accepted and closed again. The clients run on
// shard 0, in the same process.
#include <benchmark/benchmark.h>

#include <algorithm>
#include <shale/core/app/runtime.hh>
#include <shale/core/async/loop.hh>
#include <shale/core/sync/gate.hh>
#include <shale/core/sync/sharded.hh>
#include <shale/net/socket.hh>

using namespace shale;

namespace {

/// Accepts and waits for the end of each connection.
class counting_server {
public:
    future<> listen(net::socket_address address, net::listen_options options) {
        listener_ = co_await net::listen(address, options);
        (void)accept_connections(open_.hold());
    }
    net::socket_address address() const { return listener_.local_address(); }
    int take_count() { return std::exchange(count_, 0); }
    std::size_t open_connections() const { return open_.get_count() - 1; }

    future<> stop() {
        listener_.abort_accept();
        co_await open_.close();
        co_await listener_.close();
    }

private:
    future<> accept_connections(gate::holder) {
        while (true) {
            auto accepted = co_await as_result(listener_.accept());
            if (!accepted) {
                co_return;
            }
            ++count_;
            (void)serve(std::move(accepted->connection), open_.hold());
        }
    }
    future<> serve(net::connected_socket connection, gate::holder) {
        char room[16];
        const std::size_t size = co_await connection.read_some(room);
        co_await connection.write_all(std::span<const char>(room, size));
        co_await connection.read_some(room);
        co_await connection.close();
    }

    net::server_socket listener_;
    gate open_;
    int count_ = 0;
};

struct skew {
    double sum = 0;
    double worst = 0;
    int rounds = 0;
};

future<> one_round(sharded<counting_server>& servers, net::socket_address address, skew& seen) {
    constexpr int connections = 50;
    std::vector<net::connected_socket> clients(connections);
    auto open = [address](net::connected_socket& client) -> future<> {
        client = co_await net::connect(address);
        co_await client.write_all(std::string_view("x"));
        char room[1];
        co_await client.read_some(room);
    };
    co_await parallel_for_each(clients, open);
    auto counts = co_await servers.map([](counting_server& s) { return s.take_count(); });
    const double busiest = *std::ranges::max_element(counts) * static_cast<double>(counts.size()) / connections;
    seen.sum += busiest;
    seen.worst = std::max(seen.worst, busiest);
    ++seen.rounds;
    auto close = [](net::connected_socket& client) { return client.close(); };
    co_await parallel_for_each(clients, close);
    std::size_t open_still = 1;
    while (open_still != 0) {
        open_still = co_await servers.map_reduce0([](counting_server& s) { return s.open_connections(); },
                                                  std::size_t{0}, std::plus<std::size_t>());
    }
}

future<int> measure(benchmark::State& state, net::accept_balance balance) {
    sharded<counting_server> servers;
    co_await servers.start();
    const net::listen_options options{.balance = balance};
    co_await servers.local().listen(net::ipv4_addr("127.0.0.1", 0), options);
    const auto address = servers.local().address();
    auto join = [&servers, address, options] { return servers.local().listen(address, options); };
    co_await smp::invoke_on_others(join);
    skew seen;
    while (state.KeepRunningBatch(50)) {
        co_await one_round(servers, address, seen);
    }
    state.counters["busiest"] = seen.sum / seen.rounds;
    state.counters["worst"] = seen.worst;
    co_await servers.stop();
    co_return 0;
}

void accept_connections(benchmark::State& state, net::accept_balance balance) {
    runtime machine({.placement = {.shards = static_cast<unsigned>(state.range(0))}}, "bench");
    machine.run([&state, balance] { return measure(state, balance); });
}

BENCHMARK_CAPTURE(accept_connections, hand_over, net::accept_balance::hand_over)->Arg(2)->Arg(4)->UseRealTime();
BENCHMARK_CAPTURE(accept_connections, reuse_port, net::accept_balance::reuse_port)->Arg(2)->Arg(4)->UseRealTime();

}  // namespace

BENCHMARK_MAIN();
