// kv: a durable key-value server that Redis clients use.
//
// Options, the start-up page, and the order of start and stop; everything else is in the library beside it.
#include <fmt/core.h>

#include <atomic>
#include <cstdio>
#include <exception>
#include <string>
#include <system_error>
#include <utility>

#include <shale/core/app/app_template.hh>
#include <shale/core/async/coroutine.hh>
#include <shale/core/base/error.hh>
#include <shale/core/shard/smp.hh>

#include "data_directory.hh"
#include "server.hh"
#include "simulated.hh"

namespace {

using namespace shale;

constexpr const char* version = "0.1.0";

void print_start_page(const kv::settings& conf, const kv::recovery_summary& found) {
    fmt::print("kv {} is ready on {}:{}, {} shard{}\n", version, conf.bind, conf.port, smp::shard_count(),
               smp::shard_count() == 1 ? "" : "s");
    if (conf.durable) {
        fmt::print("data: {}, {} keys recovered in {:.2f} s{}; appendfsync {}\n", conf.dir, found.keys, found.seconds,
                   found.moved_logs == 0
                       ? std::string()
                       : fmt::format(" ({} logs of another number of shards moved)", found.moved_logs),
                   name_of(conf.appendfsync));
    } else {
        fmt::print("data: in memory alone, as --in-memory asks; nothing survives a stop\n");
    }
    fmt::print("talk to it: redis-cli -h {} -p {}; stop it: Ctrl-C\n", conf.bind, conf.port);
    std::fflush(stdout);
}

/// One line about why the server cannot start; the exit code.
int refuse(const std::exception_ptr& reason) {
    fmt::print(stderr, "kv: {}\n", message_of(reason));
    return exit_code::environment;
}

/// What was acknowledged is on the disk, and nothing more can be: the one thing left is to say so and go. The output
/// may lie on the same disk, so what cannot be said must not keep it (fmt::print would throw). Several logs may fail in
/// one moment, on shards of their own: the first ends the process, `ending` keeps the others silent.
void end_at_once(app_template& app, std::atomic_flag& ending, const std::string& why) noexcept {
    if (ending.test_and_set(std::memory_order_relaxed)) {  // no partner: nothing is handed over
        return;
    }
    if (app.simulated()) {
        app.exit_now(exit_code::io_error);
        return;
    }
    std::fputs(("kv: stopped, because the log cannot be written any more: " + why + "\n").c_str(), stderr);
    app.exit_now(exit_code::io_error);
}

/// From the options to the end, in a directory that is ours.
future<int> serve(app_template& app, kv::settings conf, bool salvage) {
    if (conf.segment_bytes == 0) {
        conf.segment_bytes = co_await kv::fitting_segment_bytes(conf.dir, smp::shard_count());
    }
    constexpr std::uint64_t mib = std::uint64_t{1} << 20;
    if (conf.segment_bytes % mib != 0 || conf.segment_bytes > 64 * mib) {
        fmt::print(stderr, "kv: --segment-size {}: must be whole MiB, 1M to 64M\n", conf.segment_bytes);
        co_return exit_code::usage;
    }
    std::atomic_flag ending;  // of this start: a simulated program has several
    kv::server server(
        std::move(conf), salvage, [&app] { app.request_stop(); },
        [&app, &ending](const std::string& why) { end_at_once(app, ending, why); });
    const auto started = co_await as_result(server.start());
    if (!started) {
        co_return refuse(started.error());
    }
    if (!app.simulated()) {
        print_start_page(server.config(), *started);
    }
    co_await app.stop_signal();
    co_await server.stop();
    co_return exit_code::ok;
}

}  // namespace

int main(int argc, char** argv) {
    kv::settings conf;
    conf.dir = "kv-data";
    conf.segment_bytes = 0;
    bool in_memory = false;
    bool salvage = false;
    app_template app(
        {.name = "kv", .description = "A durable key-value server for Redis clients.", .version = version});
    app.add_option("dir", &conf.dir, "where the data lives; made if it is missing");
    app.add_choice(
        "appendfsync", &conf.appendfsync,
        {{"always", kv::fsync_policy::always}, {"everysec", kv::fsync_policy::everysec}, {"no", kv::fsync_policy::no}},
        "when a write counts as done: on the disk, or handed to it with a flush each second, or without");
    app.add_option("port,p", &conf.port, "TCP port; 0 takes a free one");
    app.add_option("bind", &conf.bind, "address to listen on");
    app.add_size("cache-size", &conf.cache_bytes, "memory for keys and values, of all shards");
    app.add_option("max-clients", &conf.maxclients, "clients at a time");
    app.add_option("timeout", &conf.timeout_s, "seconds until an idle client is closed, 0: never");
    app.add_size("max-value", &conf.value_bytes_max, "longest value");
    app.add_option("requirepass", &conf.requirepass, "password that clients have to give");
    app.add_option("enable-debug-command", &conf.debug_commands, "allow DEBUG");
    app.add_size("segment-size", &conf.segment_bytes, "of the logs, 0: 64 MiB or less, by the size of the disk");
    app.add_option("in-memory", &in_memory, "keep nothing on disk");
    app.add_option("salvage", &salvage, "start in spite of damaged records, and say which were lost");
    app.simulate([&conf](simulation& sim) { return kv::play_clients(sim, conf); }, kv::simulated_storm);
    return app.run(argc, argv, [&]() -> future<int> {
        kv::settings mine = conf;  // of this start: a simulated program has several
        if (app.simulated()) {
            kv::draw_settings(mine, app.simulation_seed());
        } else {  // its numbers would make one seed's runs differ
            mine.process = kv::real_process();
        }
        mine.durable = !in_memory;
        if (const auto at = kv::listen_address(mine); !at) {
            fmt::print(stderr, "kv: {}\n", at.error());
            co_return exit_code::usage;
        }
        file lock;
        if (mine.durable) {
            auto locked = co_await as_result(kv::lock_directory(mine.dir));
            if (!locked) {
                co_return refuse(locked.error());
            }
            lock = std::move(*locked);
        }
        const auto ended = co_await as_result(serve(app, mine, salvage));
        if (lock) {
            co_await lock.close();
        }
        if (!ended) {
            std::rethrow_exception(ended.error());
        }
        co_return *ended;
    });
}
