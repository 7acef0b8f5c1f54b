// The server under its own fault points and those of all below it, on a simulated machine: each reply is the right one,
// and after a power loss everything acknowledged is there.
#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <string>

#include <shale/apps/kv/server.hh>
#include <shale/core/base/random.hh>
#include <shale/core/shard/sleep.hh>
#include <shale/core/sim/sim.hh>
#include <shale/core/testing/testing.hh>
#include <shale/file/directory.hh>
#include <shale/net/socket.hh>

using namespace shale;
using namespace std::chrono_literals;

namespace {

constexpr std::uint16_t port = 6379;

kv::settings small_server() {
    kv::settings conf;
    conf.dir = "/data";
    conf.bind = "0.0.0.0";
    conf.port = port;
    conf.segment_bytes = 128 * 1024;
    conf.cache_bytes = 64 * 1024;
    return conf;
}

future<int> serve() {
    co_await recursive_touch_directory("/data");
    kv::server server(
        small_server(), false, [] {}, [](const std::string& why) { ADD_FAILURE() << why; });
    co_await server.start();
    while (true) {
        co_await sleep(1h);
    }
}

std::string bulk(std::string_view text) {
    return "$" + std::to_string(text.size()) + "\r\n" + std::string(text) + "\r\n";
}

std::string command(std::initializer_list<std::string_view> words) {
    std::string text = "*" + std::to_string(words.size()) + "\r\n";
    for (const std::string_view word : words) {
        text += bulk(word);
    }
    return text;
}

/// The keys as they should be, and what a server with them answers.
struct model {
    std::map<std::string, std::string> keys;
    random_engine random;

    std::string get(const std::string& key) const {
        const auto at = keys.find(key);
        return at == keys.end() ? "$-1\r\n" : bulk(at->second);
    }

    /// Adds a command to `asked` and its reply to `wanted`.
    void add_command(std::string& asked, std::string& wanted) {
        const std::string key = "key" + std::to_string(random.below(60));
        const std::string other = "key" + std::to_string(60 + random.below(60));
        const std::string value(random.below(random.chance(0.1) ? 8000 : 300),
                                static_cast<char>(random.between('a', 'z')));
        switch (random.below(8)) {
            case 0:
            case 1:
                asked += command({"set", key, value});
                wanted += "+OK\r\n";
                keys[key] = value;
                break;
            case 2:
            case 3:
                asked += command({"get", key});
                wanted += get(key);
                break;
            case 4:
                asked += command({"del", key, other});
                wanted += ":" + std::to_string(keys.erase(key) + keys.erase(other)) + "\r\n";
                break;
            case 5:
                asked += command({"mset", key, value, other, "2" + value});
                wanted += "+OK\r\n";
                keys[key] = value;
                keys[other] = "2" + value;
                break;
            case 6:
                asked += command({"mget", other, key});
                wanted += "*2\r\n" + get(other) + get(key);
                break;
            default:
                asked += command({"set", "passing" + key, value, "px", "20"});
                wanted += "+OK\r\n";
        }
    }

    void add_all_keys(std::string& asked, std::string& wanted) const {
        for (int i = 0; i < 120; ++i) {
            const std::string key = "key" + std::to_string(i);
            asked += command({"get", key});
            wanted += get(key);
            asked += command({"exists", "passing" + key});
            wanted += ":0\r\n";
        }
    }
};

future<> send(net::connected_socket& to, const std::string& text) {
    const std::int64_t sent = co_await to.try_write_all(std::span<const char>(text));
    EXPECT_EQ(sent, static_cast<std::int64_t>(text.size()));
}

/// Sends `asked` on a new connection, waiting for the server if it is not there yet, and expects `wanted`.
future<> ask(std::string address, std::string asked, std::string wanted) {
    net::connected_socket socket;
    while (!socket) {
        auto connected = co_await as_result(net::connect(net::ipv4_addr(address, port)));
        if (connected) {
            socket = std::move(*connected);
        } else {
            co_await sleep(10ms);
        }
    }
    auto sending = send(socket, asked);
    std::string found(wanted.size(), '\0');
    std::size_t have = 0;
    while (have < found.size()) {
        const std::int64_t got = co_await socket.try_read_some(std::span(found).subspan(have));
        if (got <= 0) {
            ADD_FAILURE() << "the connection ended: " << got;
            break;
        }
        have += static_cast<std::size_t>(got);
    }
    const auto [here, there] = std::ranges::mismatch(found, wanted);
    EXPECT_TRUE(here == found.end()) << "at byte " << here - found.begin() << ": "
                                     << found.substr(static_cast<std::size_t>(here - found.begin()), 60);
    co_await std::move(sending);
    co_await socket.close();
}

/// How often `name` fired, and the probes that were reached in `probes`.
std::uint64_t run_under(const sim::fault_options& faults, const std::string& name, std::uint64_t seed,
                        std::map<std::string, std::uint64_t>& probes) {
    sim::world world({.seed = seed, .faults = faults, .disk = sim::disk_profile{}, .network = sim::net_profile{}});
    sim::machine& server = world.add_machine({.name = "kv", .shards = 2, .entry = serve});
    server.start();
    auto test = world.on(0, [&]() -> future<> {
        model keys{{}, random_engine(seed)};
        for (int life = 0; life < 3; ++life) {
            for (int row = 0; row < 12; ++row) {
                std::string asked;
                std::string wanted;
                for (int i = 0; i < 40; ++i) {
                    keys.add_command(asked, wanted);
                }
                co_await ask(server.address(), std::move(asked), std::move(wanted));
            }
            server.power_loss();
            co_await sleep(1s);
            server.start();
            std::string asked;
            std::string wanted;
            keys.add_all_keys(asked, wanted);
            co_await ask(server.address(), std::move(asked), std::move(wanted));
        }
    });
    EXPECT_TRUE(world.run_until([&] { return test.available(); })) << "nothing happens any more";
    if (test.available()) {
        world.on(0, [&] { test.get(); });
    }
    for (const auto& [probe, count] : world.probes().by_name) {
        probes[probe] += count;
    }
    return world.faults().of(name);
}

class kv_fault : public testing::TestWithParam<const char*> {};

TEST_P(kv_fault, that_fires_always_or_at_random_answers_rightly_and_loses_nothing) {
    const std::string name = GetParam();
    std::map<std::string, std::uint64_t> probes;
    for (const double chance : {1.0, 0.3}) {
        const sim::fault_options faults{.enabled = true, .activate = 0, .overrides = {{name, 1, chance}}};
        for (std::uint64_t seed = 1; seed <= 2 && !HasFailure(); ++seed) {
            SCOPED_TRACE(testing::Message() << "seed " << seed << ", chance " << chance);
            EXPECT_GT(run_under(faults, name, seed, probes), 0U);
        }
    }
}

INSTANTIATE_TEST_SUITE_P(each, kv_fault,
                         testing::Values("kv.cache_evicts", "kv.command_is_planned", "kv.lack_of_a_key_is_looked_up",
                                         "kv.pipeline_cut", "kv.reply_sent_early", "kv.expiry_looks_now",
                                         "kv.reclaim_early", "kv.no_read_ahead", "log.seems_busy", "net.read_one_byte",
                                         "net.write_in_pieces"),
                         [](const auto& which) {
                             std::string name = which.param;
                             std::ranges::replace(name, '.', '_');
                             return name;
                         });

TEST(kv_faults, that_fire_together_at_random_answer_rightly_and_lose_nothing) {
    std::map<std::string, std::uint64_t> probes;
    for (std::uint64_t seed = 1; seed <= 15 && !HasFailure(); ++seed) {
        SCOPED_TRACE(seed);
        run_under({.enabled = true, .activate = 0.5, .fire = 0.1}, "", seed, probes);
    }
    for (const char* rare : {"log.segment_rolled", "log.segment_recycled", "log.recovered_after_a_crash",
                             "kv.record_waits_for_room", "kv.reclaim_moved_a_live_record", "kv.group_waited_for_room",
                             "kv.command_waits_again", "net.short_write_continued", "shard.preempted_a_group"}) {
        EXPECT_GT(probes[rare], 0U) << rare << " was never reached";
    }
}

}  // namespace
