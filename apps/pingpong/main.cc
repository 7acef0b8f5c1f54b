// What a call to another core costs, for every ordered pair of shards.
//
// Two figures a pair: the round trip of one call at a time, which is latency, and the cost of a call with many in
// flight, which is what batching leaves of it. One pair is measured at a time while the others idle, so the matrix
// shows the machine (shared cores, caches, packages) and not the load.
#include <fmt/core.h>

#include <algorithm>

#include <shale/core/app/app_template.hh>
#include <shale/core/shard/smp.hh>

namespace {

using shale::future;

struct settings {
    std::uint64_t calls = 200'000;
    unsigned in_flight = 64;
};

// Nanoseconds a call from this shard to `to`, `width` calls being in flight at all times.
future<double> measure(unsigned to, std::uint64_t calls, unsigned width) {
    const std::uint64_t each = std::max<std::uint64_t>(1, calls / width);
    const auto lane = [to](std::uint64_t left) -> future<> {
        while (left-- > 0) {
            co_await shale::smp::submit_to(to, [] {});
        }
    };
    co_await lane(each / 10 + 1);  // warm up: wake the other side, fill the pools
    std::vector<future<>> lanes;
    const auto begin = shale::clock::now();
    for (unsigned i = 0; i < width; ++i) {
        lanes.push_back(lane(each));
    }
    for (future<>& one : lanes) {
        co_await std::move(one);
    }
    const auto spent = shale::clock::now() - begin;
    co_return static_cast<double>(spent.count()) / static_cast<double>(each * width);
}

future<> print_matrix(std::string_view title, std::uint64_t calls, unsigned width) {
    fmt::print("{}\n\n  from\\to", title);
    for (const unsigned to : shale::smp::all_shards()) {
        fmt::print("{:>9}", to);
    }
    fmt::print("\n");
    for (const unsigned from : shale::smp::all_shards()) {
        fmt::print("  {:>7}", from);
        for (const unsigned to : shale::smp::all_shards()) {
            if (from == to) {
                fmt::print("{:>9}", "-");
                continue;
            }
            const double ns = co_await shale::smp::submit_to(from, [&] { return measure(to, calls, width); });
            fmt::print("{:>9.0f}", ns);
        }
        fmt::print("\n");
    }
    fmt::print("\n");
}

future<int> compare_pairs(settings config) {
    if (shale::smp::shard_count() < 2) {
        fmt::print(stderr, "pingpong: there is one shard, and nobody to call; give --smp 2 or more\n");
        co_return shale::exit_code::usage;
    }
    co_await print_matrix("Round trip of one call at a time, ns:", config.calls, 1);
    co_await print_matrix(fmt::format("A call with {} in flight, ns:", config.in_flight), config.calls * 4,
                          config.in_flight);
    co_return 0;
}

}  // namespace

int main(int argc, char** argv) {
    settings config;
    shale::app_template app({.name = "pingpong", .description = "measures calls between cores", .version = "0.1.0"});
    app.add_option("calls,n", &config.calls, "calls a pair", {1, 1'000'000'000});
    app.add_option("in-flight,w", &config.in_flight, "calls under way in the second matrix", {1, 10'000});
    return app.run(argc, argv, [&] { return compare_pairs(config); });
}
