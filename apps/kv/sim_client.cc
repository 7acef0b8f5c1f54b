// Coming, working, being cut off and coming back; replies. What it sends is drawn in sim_client_draw.cc.
#include "sim_client.hh"

#include <fmt/format.h>

#include <utility>

#include <shale/core/async/coroutine.hh>
#include <shale/core/shard/sleep.hh>

namespace shale::kv {

namespace {

constexpr std::size_t row_max = 16;
constexpr std::size_t read_together_max = 16;
constexpr std::chrono::milliseconds read_again{50};

std::uint64_t now_ns() {
    return static_cast<std::uint64_t>(clock::now().time_since_epoch().count());
}

[[noreturn]] void unexpected(const key_oracle& key, const reply_value& answer) {
    throw oracle_violation(
        fmt::format("{}: the reply {} is none to what was asked\n{}", key.key(), answer.to_string(), key.story()));
}

std::string run_id_in(std::string_view info) {
    constexpr std::string_view name = "run_id:";
    const std::size_t at = info.find(name);
    if (at == std::string_view::npos) {
        return {};
    }
    const std::string_view rest = info.substr(at + name.size());
    return std::string(rest.substr(0, rest.find('\r')));
}

}  // namespace

sim_client::sim_client(const sim_clients_options& options, unsigned number)
    : options_(options), number_(number), random_(options.seed * 1000 + number), connection_(options.patience) {
    for (std::size_t place = 0; place < options_.keys_per_client; ++place) {
        keys_.push_back(make_key(place));
    }
}

// -- The connection --------------------------------------------------------------------------------------------------

// Connects and learns which process it is. False when that did not come off.
future<bool> sim_client::come_back() {
    const bool there = co_await connection_.connect(options_.address, options_.port);
    if (!there) {
        ++statistics_.connects_failed;
        co_return false;
    }
    ++connections_;
    ++statistics_.connections;
    std::string info;
    append_command(info, {"INFO", "server"});
    std::string run_id;
    const std::function<void(const reply_value&)> replied = [&](const reply_value& answer) {
        run_id = run_id_in(answer.text);
    };
    const bool answered = co_await connection_.exchange(info, 1, replied);
    if (!answered || run_id.empty()) {
        co_await connection_.close();
        co_return false;
    }
    statistics_.restarts_seen += !run_id_.empty() && run_id != run_id_ ? 1 : 0;
    run_id_ = run_id;
    for (auto* const keys : {&keys_, &retired_}) {
        for (held_key& each : *keys) {
            if (each.oracle->undecided() && each.lost_under != run_id_) {
                each.oracle->server_died(now_ns());
            }
        }
    }
    co_return true;
}

void sim_client::lost() {
    ++statistics_.connections_lost;
    wonders_ = true;
    for (std::size_t place = 0; place < keys_.size(); ++place) {
        held_key& each = keys_[place];
        statistics_.lost += each.oracle->unsettled();
        if (each.oracle->connection_lost(now_ns())) {
            each.lost_under = run_id_;
            if (random_.chance(0.3)) {
                fresh(place);
            }
        }
    }
}

future<> sim_client::run_row(row sent) {
    std::size_t next = 0;
    const std::function<void(const reply_value&)> replied = [&](const reply_value& answer) {
        const command& of = sent.commands[next++];
        take(of, answer);
    };
    std::string bytes = std::move(sent.bytes);
    const bool whole = co_await connection_.exchange(std::move(bytes), sent.commands.size(), replied);
    if (!whole) {
        lost();
    }
}

// Goes without waiting for the replies, as a client does that has died. What it sent may be done at any time from now.
future<> sim_client::leave_row(row sent) {
    std::string bytes = std::move(sent.bytes);
    co_await connection_.send_and_leave(std::move(bytes));
    lost();
}

// What a client asks first that has come back: what became of its writes. They may be under way still.
sim_client::row sim_client::ask_after_lost() {
    row asked;
    for (auto* const keys : {&keys_, &retired_}) {
        for (held_key& each : *keys) {
            if (each.oracle->undecided() && asked.commands.size() < row_max) {
                add_read(asked, verb::get, {&each}, false);
            }
        }
    }
    return asked;
}

future<> sim_client::run(abort_source& stop) {
    while (!stop.abort_requested()) {
        if (!connection_.connected()) {
            const bool there = co_await come_back();
            if (!there) {
                const duration pause(static_cast<std::int64_t>(
                    random_.between(1'000'000, static_cast<std::uint64_t>(options_.back_off_max.count()))));
                (void)co_await as_result(sleep_abortable(pause, stop));
                continue;
            }
        }
        row next = std::exchange(wonders_, false) && random_.chance(0.8) ? ask_after_lost() : row();
        if (next.commands.empty()) {
            for (std::uint64_t left = random_.chance(0.3) ? 1 : random_.between(1, row_max); left > 0; --left) {
                draw_command(next);
            }
        }
        if (random_.chance(0.05)) {
            co_await leave_row(std::move(next));
            continue;
        }
        co_await run_row(std::move(next));
        if (random_.chance(0.02)) {
            co_await connection_.close();  // as clients do
        } else if (random_.chance(0.3)) {
            const duration pause(
                static_cast<std::int64_t>(random_.between(0, static_cast<std::uint64_t>(options_.pause_max.count()))));
            (void)co_await as_result(sleep_abortable(pause, stop));
        }
    }
    co_await connection_.close();
}

// Everything that was ever written, keys of one tag in one command.
std::vector<sim_client::row> sim_client::rows_of_everything() {
    std::map<unsigned, std::vector<held_key*>> by_tag;
    for (auto* const keys : {&keys_, &retired_}) {
        for (held_key& each : *keys) {
            by_tag[each.tag].push_back(&each);
        }
    }
    std::vector<row> rows;
    for (const auto& [tag, keys] : by_tag) {
        for (std::size_t at = 0; at < keys.size(); at += read_together_max) {
            const std::size_t count = std::min(read_together_max, keys.size() - at);
            const auto first = keys.begin() + static_cast<std::ptrdiff_t>(at);
            add_read(rows.emplace_back(), verb::mget, {first, first + static_cast<std::ptrdiff_t>(count)}, true);
        }
    }
    return rows;
}

future<> sim_client::read_back() {
    const std::size_t count = rows_of_everything().size();
    for (std::size_t at = 0; at < count;) {
        bool there = connection_.connected();
        if (!there) {
            there = co_await come_back();
        }
        if (there) {
            unread_ = false;
            row next = std::move(rows_of_everything()[at]);
            co_await run_row(std::move(next));
        }
        if (there && connection_.connected() && !unread_) {
            ++at;
        } else {
            co_await sleep(read_again);
        }
    }
    co_await connection_.close();
}

// -- Replies ---------------------------------------------------------------------------------------------------------

void sim_client::refused(const reply_value& answer) {
    ++statistics_.refusals[answer.text.substr(0, 60)];
}

void sim_client::take(const command& of, const reply_value& answer) {
    using type = reply_value::type;
    const key_use& key = of.keys.front();
    const asked when{of.sent_ns, now_ns(), connections_};
    if (of.what == verb::write || of.what == verb::mset) {
        take_write(of, answer);
    } else if (answer.what == type::error) {
        refused(answer);
        unread_ = true;
    } else if (of.what == verb::mget) {
        take_mget(of, answer);
    } else if (of.what == verb::exists && answer.what == type::integer) {
        key.oracle->exists(key.number, when, answer.number == 1);
        ++statistics_.reads;
    } else if (of.what == verb::get && answer.what == type::bulk) {
        key.oracle->read(key.number, when, answer.text);
        ++statistics_.reads;
    } else if (of.what == verb::get && answer.what == type::null) {
        key.oracle->read(key.number, when, std::nullopt);
        ++statistics_.reads;
    } else {
        unexpected(*key.oracle, answer);
    }
}

// A command that is refused has done nothing; of one on several keys some shards may have done their part.
void sim_client::take_write(const command& of, const reply_value& answer) {
    using type = reply_value::type;
    const std::uint64_t now = now_ns();
    if (answer.what == type::error) {
        refused(answer);
    } else if (answer.what != type::integer && (answer.what != type::simple || answer.text != "OK")) {
        unexpected(*of.keys.front().oracle, answer);
    }
    for (const key_use& each : of.keys) {
        if (answer.what == type::integer) {
            each.oracle->acknowledged(each.number, now, answer.number);
        } else if (answer.what == type::simple) {
            each.oracle->acknowledged(each.number, now);
        } else if (of.what == verb::mset) {
            each.oracle->unclear(each.number, now);
        } else {
            each.oracle->refused(each.number, now);
        }
        statistics_.acknowledged += answer.what != type::error ? 1 : 0;
    }
}

void sim_client::take_mget(const command& of, const reply_value& answer) {
    using type = reply_value::type;
    const asked when{of.sent_ns, now_ns(), connections_};
    if (answer.what != type::array || answer.items.size() != of.keys.size()) {
        unexpected(*of.keys.front().oracle, answer);
    }
    std::vector<key_oracle*> read;
    for (std::size_t i = 0; i < of.keys.size(); ++i) {
        const reply_value& item = answer.items[i];
        key_oracle& key = *of.keys[i].oracle;
        if (item.what != type::bulk && item.what != type::null) {
            unexpected(key, item);
        }
        key.read(of.keys[i].number, when,
                 item.what == type::bulk ? std::optional<std::string_view>(item.text) : std::nullopt);
        ++statistics_.reads;
        read.push_back(&key);
    }
    if (of.together) {
        check_whole(read);
    }
}

}  // namespace shale::kv
