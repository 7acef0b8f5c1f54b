// Rows of commands: each runs as soon as all it needs is in memory, in order; the reads of those behind go out early.
#include "executor.hh"

#include <fmt/core.h>

#include <algorithm>
#include <array>
#include <memory>
#include <stdexcept>

#include <shale/core/async/loop.hh>
#include <shale/core/base/fault_point.hh>
#include <shale/core/shard/shard.hh>

#include "look_ahead.hh"

namespace shale::kv {

namespace {

// Records read ahead for the commands behind one that waits.
constexpr std::size_t ahead_max = 128;

struct awaited_loads : load_set {
    awaited_loads() : load_set([](load_set& set) noexcept { static_cast<awaited_loads&>(set).arrived.set_value(); }) {}

    promise<> arrived;
};

struct awaited_commit : commit_waiter {
    awaited_commit() {
        ready = [](commit_waiter& waiter) noexcept { static_cast<awaited_commit&>(waiter).done.set_value(); };
    }
    promise<> done;
};

void load(shard_state& on, const wanted& wants, load_set& into) {
    into.hold();
    for (const key_ref& key : wants.keys) {
        on.db.load(key, into);
    }
    for (const index_entry place : wants.places) {
        on.db.load_at(place, into);
    }
}

// Asks for the keys of the commands behind the one that waits.
void read_ahead(shard_state& on, std::span<const row_command> rest, load_set& into) {
    std::size_t asked = 0;
    for (const row_command& one : rest) {
        if (one.key == 0 || asked == ahead_max) {
            continue;
        }
        const int last =
            one.of->last_key < 0 ? static_cast<int>(one.args.size()) + one.of->last_key : static_cast<int>(one.key);
        for (auto i = static_cast<int>(one.key); i <= last && asked < ahead_max; i += std::max(one.of->key_step, 1)) {
            const key_ref key = on.db.key(one.args[static_cast<std::size_t>(i)]);
            if (on.db.find(key, true).state == engine::presence::unknown) {
                on.db.load(key, into);
                ++asked;
            }
        }
    }
}

// Has what the next commands look at brought to the processor.
void expect(const shard_state& on, std::span<const row_command> row) noexcept {
    std::array<std::string_view, glance_max> keys;
    std::size_t count = 0;
    for (const row_command& one : row.first(std::min(row.size(), keys.size()))) {
        if (one.key != 0) {
            keys[count++] = one.args[one.key];
        }
    }
    on.db.prefetch(std::span(keys).first(count));
}

}  // namespace

void begin_turn(shard_state& on) {
    on.now_us = this_shard().wall_ns() / 1000;
    on.db.set_now_ms(on.now_us / 1000);
}

outcome run_command(shard_state& on, const row_command& what, reply& out, session* client, wanted& wants) {
    call in{on, on.db, what.args, out, wants, client};
    const outcome ended = what.of->run(in);
    on.counters.commands += ended == outcome::done ? 1 : 0;
    return ended;
}

future<std::uint64_t> run_row(shard_state& on, std::span<const row_command> row, reply& out, session* client,
                              std::vector<std::size_t>* ends) {
    wanted wants;
    std::uint64_t sequence = 0;
    awaited_loads ahead;  // holds what was read early until the row is through
    bool reading_ahead = false;
    for (std::size_t i = 0; i < row.size(); ++i) {
        if (i % glance_max == 0) {
            expect(on, row.subspan(i));
        }
        // What each attempt was missing stays in memory until the command has run.
        std::vector<std::unique_ptr<awaited_loads>> held;
        while (true) {
            on.db.reset_sequence();
            const outcome ended = run_command(on, row[i], out, client, wants);
            sequence = std::max(sequence, on.db.sequence());
            if (ended == outcome::done) {
                break;
            }
            if (!held.empty()) {
                PROBE("kv.command_waits_again");
            }
            held.push_back(std::make_unique<awaited_loads>());
            awaited_loads& missing = *held.back();
            load(on, wants, missing);
            wants.clear();
            if (!reading_ahead && !FAULT("kv.no_read_ahead")) {
                reading_ahead = true;
                ahead.hold();
                read_ahead(on, row.subspan(i + 1), ahead);
            }
            if (!missing.release()) {
                co_await missing.arrived.get_future();
                begin_turn(on);
            }
            if (!missing.failure().empty()) {
                PROBE("kv.record_could_not_be_read");
                out.error_format("ERR {}", missing.failure());
                break;
            }
        }
        if (ends != nullptr) {
            ends->push_back(out.out().size());
        }
    }
    if (reading_ahead && !ahead.release()) {
        co_await ahead.arrived.get_future();
    }
    on.end_turn();
    co_return sequence;
}

future<> committed(engine& db, std::uint64_t sequence) {
    if (db.is_committed(sequence)) {
        co_return;
    }
    awaited_commit waiter;
    if (db.wait_committed(waiter, sequence)) {
        co_await waiter.done.get_future();
    } else {
        waiter.failed = true;
    }
    if (waiter.failed) {
        throw std::runtime_error("the log has failed: what was not acknowledged is not durable");
    }
}

}  // namespace shale::kv
