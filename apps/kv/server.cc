// Bringing all shards up or none, and ending them in order. A shard's own part is in shard_server.cc.
#include "server.hh"

#include <fmt/core.h>

#include <algorithm>
#include <chrono>
#include <exception>
#include <utility>

#include <shale/core/async/coroutine.hh>
#include <shale/core/base/bytes.hh>
#include <shale/core/base/error.hh>
#include <shale/core/base/log.hh>
#include <shale/core/shard/smp.hh>

namespace shale::kv {

namespace {

inline constinit logger log{"kv"};

// Records moved to their new shards in one message.
constexpr std::size_t moved_records_max = 512;
constexpr std::size_t moved_bytes_max = std::size_t{4} << 20;

std::string make_run_id() {
    std::byte random[20];
    this_shard().entropy(random);
    return hex(random);
}

void say_what_was_found(const log_storage& store) {
    const log_recovery_report& report = store.recovered();
    if (!report.torn.empty()) {
        log.warn("{}", report.torn);
    }
    for (const std::string& damage : report.damages) {
        log.error("passed over damage, as --salvage asks: {}", damage);
    }
}

// Sets records of an old log anew, each on its shard of today.
class record_mover {
public:
    explicit record_mover(shard_table all) : all_(all), map_(static_cast<unsigned>(all.size())), rows_(all.size()) {}

    future<> add(const record& moved) {
        copies_.push_back({std::string(moved.key), std::string(moved.value), std::to_string(moved.expire_ms)});
        bytes_ += moved.key.size() + moved.value.size();
        if (copies_.size() < moved_records_max && bytes_ < moved_bytes_max) {
            return make_ready_future<>();
        }
        return send();
    }

    future<> send() {
        const command* const set = find_command("set");
        words_.clear();
        for (const copy& one : copies_) {
            words_.push_back({"set", one.key, one.value, "pxat", one.end});
        }
        for (std::size_t i = 0; i < copies_.size(); ++i) {
            const std::size_t count = copies_[i].end == "0" ? 3 : 5;
            rows_[map_.shard_of(copies_[i].key)].commands.push_back({set, arguments(words_[i]).first(count), 1});
        }
        co_await run_rows(all_, rows_, false);
        for (shard_row& row : rows_) {
            while (row.taken < row.commands.size()) {
                const std::string_view answer = row.take();
                if (!answer.starts_with('+')) {
                    throw std::runtime_error("moving keys to their shards: " + std::string(answer.substr(1)));
                }
            }
            row = {};
        }
        copies_.clear();
        bytes_ = 0;
    }

private:
    struct copy {
        std::string key;
        std::string value;
        std::string end;
    };

    shard_table all_;
    slot_map map_;
    shard_rows rows_;
    std::vector<copy> copies_;
    std::vector<std::array<std::string_view, 5>> words_;
    std::size_t bytes_ = 0;
};

// On any shard: reads an old log through an engine of its own, which knows what is live in it.
future<> move_log(old_log from, shard_table all, std::int64_t now_ms, bool salvage) {
    log_storage store({.directory = from.path,
                       .owner = {.shard = from.shard, .shards = from.shards},
                       .salvage = salvage,
                       .read_only = true});
    engine keys(store, {.cache_bytes = 0});
    record_mover mover(all);
    co_await store.open(keys, now_ms);
    say_what_was_found(store);
    std::function<future<>(const record&)> visit = [&mover](const record& found) { return mover.add(found); };
    const auto moved = co_await as_result(store.for_each_live(std::move(visit)));
    const auto sent = co_await as_result(mover.send());
    co_await store.close();
    if (!moved) {
        std::rethrow_exception(moved.error());
    }
    if (!sent) {
        std::rethrow_exception(sent.error());
    }
}

}  // namespace

std::expected<net::socket_address, std::string> listen_address(const settings& conf) {
    // What else net takes is not meant here: a Unix socket's path, and "*" and "" for all addresses.
    const auto at = net::socket_address::parse(conf.bind, conf.port);
    if (!at || !at->is_ip() || conf.bind.find_first_of("0123456789abcdefABCDEF:") != 0) {
        return std::unexpected(
            fmt::format("--bind {}: not an IPv4 or IPv6 address; 0.0.0.0 and :: stand for all addresses", conf.bind));
    }
    return *at;
}

server::server(settings conf, bool salvage, std::function<void()> stop, std::function<void(std::string)> failed)
    : conf_(std::move(conf)), salvage_(salvage), stop_(std::move(stop)), failed_(std::move(failed)) {}

future<recovery_summary> server::start() {
    recovery_summary found;
    const clock::time_point begin = clock::now();
    std::exception_ptr failure;
    try {
        compaction_ = co_await create_scheduling_group("compaction", 100);
        co_await start_all();
        if (conf_.durable) {
            co_await recover(found);
        }
        co_await listen();
    } catch (...) {
        failure = std::current_exception();
    }
    if (failure) {
        co_await stop();
        std::rethrow_exception(failure);
    }
    found.seconds = std::chrono::duration<double>(clock::now() - begin).count();
    co_return found;
}

future<> server::start_all() {
    shard_options options{.conf = conf_,
                          .identity = {.run_id = make_run_id(),
                                       .started_ms = this_shard().wall_ns() / 1'000'000,
                                       .process = conf_.process,
                                       .announce_host = conf_.bind},
                          .salvage = salvage_,
                          .compaction = compaction_,
                          .stop = stop_,
                          .failed = failed_};
    this_shard().entropy(std::as_writable_bytes(std::span(&options.hash_seed, 1)));
    shards_.resize(smp::shard_count());
    states_.resize(smp::shard_count());
    co_await smp::invoke_on_all([this, &options] {
        auto& own = shards_[this_shard_id()];
        own = std::make_unique<shard_server>(options);
        states_[this_shard_id()] = &own->state();
    });
}

future<> server::recover(recovery_summary& found) {
    co_await empty_trash(conf_.dir);
    co_await smp::invoke_on_all([this] { return shards_[this_shard_id()]->recover(); });
    for (const auto& shard : shards_) {
        say_what_was_found(*shard->log());
        found.bytes += shard->log()->recovered().bytes;
    }
    co_await move_old_logs(found);
    for (unsigned shard = 0; shard < shards_.size(); ++shard) {
        found.keys += co_await smp::submit_to(shard, [&, this] { return shards_[shard]->state().db.size(); });
    }
}

future<> server::move_old_logs(recovery_summary& found) {
    const std::vector<old_log> logs = co_await find_old_logs(conf_.dir, smp::shard_count());
    if (logs.empty()) {
        co_return;
    }
    log.info("{} was written by another number of shards: moving the keys of {} logs to {} shards", conf_.dir,
             logs.size(), smp::shard_count());
    const std::int64_t now_ms = this_shard().wall_ns() / 1'000'000;
    for (std::size_t i = 0; i < logs.size(); ++i) {
        const auto reader = static_cast<unsigned>(i) % smp::shard_count();
        co_await smp::submit_to(reader, [&, this] { return move_log(logs[i], states_, now_ms, salvage_); });
    }
    // Acknowledged is not on the disk in every mode; here it has to be.
    co_await smp::invoke_on_all([this] { return shards_[this_shard_id()]->log()->sync(); });
    for (const old_log& one : logs) {
        co_await put_away(conf_.dir, one);
    }
    co_await empty_trash(conf_.dir);
    found.moved_logs = logs.size();
}

future<> server::listen() {
    net::socket_address at = listen_address(conf_).value();
    // One after the other: the first may be given its port by the kernel.
    try {
        for (unsigned shard = 0; shard < shards_.size(); ++shard) {
            shard_server& part = *shards_[shard];
            at = co_await smp::submit_to(shard, [&] { return part.listen(at); });
        }
    } catch (const system_failure& refused) {
        throw refused.advise("Another place is chosen with --port and --bind.");
    }
    conf_.port = at.port();
    co_await smp::invoke_on_all([this] {
        shard_server& own = *shards_[this_shard_id()];
        own.state().conf.port = conf_.port;
        own.open(states_);
    });
}

future<> server::stop() {
    if (shards_.empty()) {
        co_return;
    }
    // All clients first: the last turn of one may need any shard.
    co_await smp::invoke_on_all([this] {
        auto& own = shards_[this_shard_id()];
        return own ? own->stop_clients() : make_ready_future<>();
    });
    const auto closed = co_await as_result(smp::invoke_on_all([this] {
        auto& own = shards_[this_shard_id()];
        return own ? own->stop_log() : make_ready_future<>();
    }));
    co_await smp::invoke_on_all([this] { shards_[this_shard_id()].reset(); });
    shards_.clear();
    states_.clear();
    if (!closed) {
        std::rethrow_exception(closed.error());
    }
}

}  // namespace shale::kv
