// One shard's listener, clients and keys: accepting, serving, expiring, stopping.
#include "shard_server.hh"

#include <algorithm>
#include <chrono>
#include <limits>
#include <utility>

#include <shale/core/async/coroutine.hh>
#include <shale/core/base/error.hh>
#include <shale/core/base/fault_point.hh>
#include <shale/core/base/log.hh>
#include <shale/core/shard/sleep.hh>
#include <shale/core/shard/smp.hh>

#include "data_directory.hh"
#include "memory_storage.hh"

namespace shale::kv {

namespace {

inline constinit logger report{"kv"};

constexpr unsigned expire_batch = 64;
// Expired keys are hidden at once; their memory may wait a little, so that one wake-up serves many.
constexpr std::int64_t expire_delay_ms = 100;

constexpr std::chrono::milliseconds accept_pause{100};

engine_options options_of(const settings& conf, std::uint64_t seed) {
    const std::size_t share = conf.durable ? conf.cache_bytes / smp::shard_count() : std::size_t(-1);
    return {.cache_bytes = share, .hash_seed = seed};
}

sync_mode mode_of(fsync_policy policy) noexcept {
    switch (policy) {
        case fsync_policy::always:
            return sync_mode::always;
        case fsync_policy::everysec:
            return sync_mode::everysec;
        case fsync_policy::no:
            return sync_mode::no;
    }
    SHALE_UNREACHABLE("policy {}", static_cast<unsigned>(policy));
}

std::unique_ptr<storage> make_storage(const shard_options& options) {
    if (!options.conf.durable) {
        return std::make_unique<memory_storage>();
    }
    const unsigned shard = this_shard_id();
    const unsigned shards = smp::shard_count();
    return std::make_unique<log_storage>(log_storage_options{
        .directory = log_path(options.conf.dir, shard, shards),
        .owner = {.shard = shard, .shards = shards, .epoch = static_cast<std::uint64_t>(options.identity.started_ms)},
        .mode = mode_of(options.conf.appendfsync),
        .segment_bytes = options.conf.segment_bytes,
        .salvage = options.salvage,
        .compaction = options.compaction,
        .failed = options.failed});
}

}  // namespace

shard_server::shard_server(const shard_options& options)
    : store_(make_storage(options)),
      log_(dynamic_cast<log_storage*>(store_.get())),
      state_(this_shard_id(), smp::shard_count(), *store_, options_of(options.conf, options.hash_seed), options.conf,
             options.identity),
      stop_(options.stop) {
    this_shard().entropy(std::as_writable_bytes(std::span(&state_.random, 1)));
    state_.random |= 1;
    state_.server = this;
    state_.shut_down = [](void* self) noexcept { static_cast<shard_server*>(self)->stop_(); };
    state_.turn_ended = [](void* self) noexcept {
        auto& here = *static_cast<shard_server*>(self);
        if (FAULT("kv.expiry_looks_now") && !here.expiring_) {
            here.expiry_.rearm(lowres_clock::now());
        } else {
            here.watch_expiry();
        }
    };
    expiry_.set_callback([this] {
        if (!expiring_ && !working_.is_closed()) {
            expiring_ = true;
            (void)with_gate(working_, [this] { return expire_keys(); }).finally([this] { expiring_ = false; });
        }
    });
    begin_turn(state_);
}

shard_server::~shard_server() = default;

// Sees to it that somebody looks when the next key has expired.
void shard_server::watch_expiry() noexcept {
    if (state_.db.expiring() == 0 || expiring_) {
        return;
    }
    const std::int64_t wait_ms = std::max<std::int64_t>(*state_.db.next_expiry_ms() - state_.db.now_ms(), 0);
    const auto due = lowres_clock::now() + std::chrono::milliseconds(std::min<std::int64_t>(wait_ms, 3'600'000)) +
                     std::chrono::milliseconds(expire_delay_ms);
    if (!expiry_.armed() || due < expiry_.get_timeout() - std::chrono::milliseconds(expire_delay_ms)) {
        expiry_.rearm(due);
    }
}

future<> shard_server::expire_keys() {
    while (!stopping_.abort_requested()) {
        begin_turn(state_);
        struct awaited : load_set {
            awaited() : load_set([](load_set& set) noexcept { static_cast<awaited&>(set).arrived.set_value(); }) {}
            promise<> arrived;
        } loads;
        loads.hold();
        const unsigned looked = state_.db.expire_some(expire_batch, loads);
        const bool loading = !loads.release();
        if (loading) {
            PROBE("kv.expiry_loads_records");
            co_await loads.arrived.get_future();
        }
        if (looked == 0 && !loading) {
            break;
        }
        co_await yield();
    }
    expiring_ = false;
    watch_expiry();
}

future<net::socket_address> shard_server::listen(net::socket_address at) {
    // One client too many is told so, as Redis does, instead of being left to wait.
    const net::listen_options options{.connections_max = std::numeric_limits<std::size_t>::max(), .ipv6_only = false};
    listener_ = co_await net::listen(at, options);
    const net::socket_address bound = listener_.local_address();
    state_.conf.port = bound.port();
    state_.local_address = bound.to_string();
    co_return bound;
}

void shard_server::open(shard_table all) {
    all_ = all;
    (void)with_gate(working_, [this] { return accept_clients(); });
}

future<> shard_server::accept_clients() {
    while (true) {
        auto next = co_await as_result(listener_.accept(&stopping_));
        if (stopping_.abort_requested()) {
            co_return;
        }
        if (next) {
            // Each shard has its even part of the connections, so it can look after its even part of the limit.
            const std::uint64_t most = (state_.conf.maxclients + state_.map.shards() - 1) / state_.map.shards();
            if (state_.clients.size() >= most) {
                (void)turn_away(std::move(next->connection));
            } else {
                (void)serve(std::move(*next));
            }
        } else {
            PROBE("kv.accept_failed");
            // Out of memory, as a rule: those that are there go on being served.
            report.warn("cannot accept a client: {}", message_of(next.error()));
            (void)co_await as_result(sleep_abortable(accept_pause, stopping_));
        }
    }
}

future<> shard_server::serve(net::accept_result accepted) {
    const gate::holder held = working_.hold();
    ++state_.counters.connections;
    begin_turn(state_);
    connection client(state_, all_, std::move(accepted));
    const auto ended = co_await as_result(client.serve());
    if (!ended) {
        PROBE("kv.client_cut_off");
        // Memory or the log has run out in the middle of a turn; what it had not acknowledged is not promised.
        report.warn("client {} was cut off: {}", client.client().address, message_of(ended.error()));
    }
    co_await client.close();
}

future<> shard_server::turn_away(net::connected_socket client) {
    const gate::holder held = working_.hold();
    ++state_.counters.rejected;
    PROBE("kv.client_turned_away");
    static constexpr std::string_view text = "-ERR max number of clients reached\r\n";
    co_await client.try_write_all(text);
    co_await client.close();
}

future<> shard_server::recover() {
    if (log_ != nullptr) {
        co_await log_->open(state_.db, state_.db.now_ms());
        recovered_ = true;
        watch_expiry();
    }
}

future<> shard_server::stop_clients() {
    stopping_.request_abort();
    expiry_.cancel();
    for (session& one : state_.clients) {
        one.kill(one);
    }
    co_await working_.close();
    co_await listener_.close();
}

future<> shard_server::stop_log() {
    if (std::exchange(recovered_, false)) {
        co_await log_->close();
    }
}

}  // namespace shale::kv
