// See exhaustive.hh.
#include "exhaustive.hh"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <shale/core/async/coroutine.hh>
#include <shale/core/base/log.hh>
#include <shale/core/shard/sleep.hh>
#include <shale/core/shard/timer.hh>
#include <shale/file/directory.hh>

#include <shale/apps/kv/server.hh>

namespace shale::kv::exhaustive {

using namespace std::chrono_literals;

namespace {

constexpr std::uint16_t port = 6379;
constexpr std::array key_names{"a", "b", "c", "d"};
constexpr std::size_t large_bytes = 5000;
constexpr std::size_t small_bytes = 100;
constexpr std::uint64_t lifetime_ms = 20;
constexpr std::uint64_t slack_ns = 2'000'000;
// Longer than whatever the server does by itself after the commands here.
constexpr duration settle_time = 20ms;
constexpr duration limit = 120s;
constexpr duration answer_time = 10s;
constexpr int failed_log_code = 74;

future<int> serve(settings conf, sim::machine** on) {
    promise<> never;
    co_await recursive_touch_directory(conf.dir);
    server running(
        std::move(conf), false, [] {}, [on](const std::string&) { (*on)->exit_now(failed_log_code); });
    co_await running.start();
    co_await never.get_future();
    co_return 0;
}

std::string_view name_of(step what) noexcept {
    switch (what) {
        case step::set:
            return "set";
        case step::overwrite:
            return "overwrite";
        case step::erase:
            return "del";
        case step::expire:
            return "expire";
        case step::batch:
            return "batch";
        case step::flush:
            return "flush";
        case step::compact:
            return "compact";
    }
    return "?";
}

sim::world_options world_for(const rig_options& options) {
    sim::world_options world;
    world.seed = options.seed;
    world.disk.emplace();
    world.network.emplace();
    sim::crash_rules& crash = world.disk->crash;
    crash.keep_all = options.at_power_loss == fate::keep_all ? 1 : 0;
    crash.drop_all = options.at_power_loss == fate::drop_all ? 1 : 0;
    return world;
}

}  // namespace

std::string to_string(const sequence& what) {
    std::string text;
    for (const step one : what) {
        text += fmt::format("{}{}", text.empty() ? "" : ", ", name_of(one));
    }
    return text;
}

std::string_view to_string(fate what) noexcept {
    return what == fate::drop_all ? "drop all" : what == fate::keep_all ? "keep all" : "each its own";
}

std::vector<sequence> sequences_of(std::span<const step> steps, std::size_t length) {
    std::vector<sequence> made{{}};
    for (; length > 0; --length) {
        std::vector<sequence> longer;
        for (const sequence& one : made) {
            for (const step next : steps) {
                longer.push_back(one);
                longer.back().push_back(next);
            }
        }
        made = std::move(longer);
    }
    return made;
}

state first_state() {
    rig made(nullptr, {});
    made.run([](rig& r) -> future<> {
        co_await r.start_well();
        const sequence first{step::overwrite, step::batch};
        co_await r.play(first);
        co_await r.write_and_erase(3);
        const sequence second{step::overwrite, step::batch, step::overwrite};
        co_await r.play(second);
        co_await r.cut_power();
    });
    return made.leave();
}

// -- The server ------------------------------------------------------------------------------------------------------

rig::rig(const state* from, const rig_options& options) : world_(std::make_unique<sim::world>(world_for(options))) {
    set_log_level(log_level::error);  // every crash leaves warnings of what was being written
    settings conf;
    conf.dir = "/data";
    conf.bind = "0.0.0.0";
    conf.port = port;
    conf.appendfsync = options.appendfsync;
    conf.segment_bytes = std::uint64_t{16} << 10;  // the smallest
    machine_ = &world_->add_machine({.name = "kv", .entry = [conf, on = &machine_] { return serve(conf, on); }});
    if (from != nullptr) {
        disk().restore(from->disk);
        keys_ = from->keys;
        groups_ = from->groups;
    } else {
        for (const char* const name : key_names) {
            keys_.emplace_back(name, slack_ns);
        }
    }
}

// A connection that is dropped closes in the background, which takes turns that nobody would run.
rig::~rig() {
    if (connection_) {
        const auto closed =
            world_->on(0, [this] { return connection_->close().handle_exception([](const std::exception_ptr&) {}); });
        world_->run_until([&] { return closed.available(); });
        world_->on(0, [this] { connection_.reset(); });
    }
}

void rig::run(const std::function<future<>(rig&)>& body) {
    auto done = world_->on(0, [&] { return sim::deadline(*world_, limit, body(*this)); });
    if (!world_->run_until([&] { return done.available(); })) {
        throw std::runtime_error(fmt::format("nothing happens any more\n  {}", fmt::join(world_->stuck(), "\n  ")));
    }
    world_->on(0, [&] { done.get(); });
}

std::string rig::describe_end() const {
    if (machine_->running()) {
        return "it runs";
    }
    return machine_->exit_code() ? fmt::format("it ended with {}: {}", *machine_->exit_code(), machine_->failure())
                                 : "it was killed";
}

future<bool> rig::start() {
    machine_->start();
    // A client hears nothing of a power loss.
    const unsigned incarnation = machine_->incarnation();
    world_->at_event([](const sim::world_event& e) { return e.what == sim::world_event::kind::power_lost; }, 1,
                     [this, incarnation](const sim::world_event&) {
                         world_->after_turn([this, incarnation] {
                             if (machine_->incarnation() == incarnation && connection_) {
                                 world_->on(0, [this] { connection_->abort(); });
                             }
                         });
                     });
    return connect();
}

future<bool> rig::connect() {
    connection_ = std::make_unique<sim_connection>(answer_time);
    ++connections_;
    while (machine_->running()) {
        const bool connected = co_await connection_->connect(machine_->address(), port);
        if (connected) {
            co_return true;
        }
        co_await sleep(200us);
    }
    server_is_dead();
    co_return false;
}

future<> rig::start_well() {
    const bool there = co_await start();
    if (!there) {
        throw std::runtime_error("the server does not start: " + describe_end());
    }
}

void rig::server_is_dead() {
    const std::uint64_t now_ns = world_->now_ns();
    for (key_oracle& each : keys_) {
        each.connection_lost(now_ns);
        each.server_died(now_ns);
    }
}

future<> rig::cut_power() {
    if (connection_) {
        co_await connection_->close();
    }
    machine_->power_loss();
    co_await sleep(100us);
    server_is_dead();
}

state rig::leave_at_once() {
    server_is_dead();
    return leave();
}

state rig::leave() const {
    return {machine_->disk()->snapshot(), keys_, groups_};
}

// -- Commands --------------------------------------------------------------------------------------------------------

std::string rig::value(std::size_t size) {
    std::string made = fmt::format("{}.{}:", connections_, ++values_);
    made.resize(size, static_cast<char>('a' + values_ % 26));
    return made;
}

void rig::take(const std::vector<part>& parts, const std::vector<std::size_t>& numbers, const reply_value& answer) {
    const std::uint64_t now_ns = world_->now_ns();
    const bool is_error = answer.what == reply_value::type::error;
    refused_ += is_error ? 1 : 0;
    acknowledged_ += is_error ? 0 : 1;
    for (std::size_t i = 0; i < parts.size(); ++i) {
        key_oracle& key = keys_[parts[i].key];
        if (is_error) {
            key.refused(numbers[i], now_ns);
        } else if (answer.what == reply_value::type::integer) {
            key.acknowledged(numbers[i], now_ns, answer.number);
        } else {
            key.acknowledged(numbers[i], now_ns);
        }
    }
}

// False: there was no answer, because the server is no more.
future<bool> rig::send(std::vector<std::string> words, std::vector<part> parts) {
    std::vector<std::size_t> numbers;
    groups_ += parts.size() > 1 ? 1 : 0;
    for (part& each : parts) {
        each.what.group = parts.size() > 1 ? groups_ : 0;
        each.what.connection = connections_;
        each.what.sent_ns = world_->now_ns();
        numbers.push_back(keys_[each.key].send(each.what));
    }
    std::string bytes;
    append_command(bytes, words);
    std::function<void(const reply_value&)> replied = [&](const reply_value& answer) { take(parts, numbers, answer); };
    timer<> patience_ends([this] { heal(); });
    patience_ends.arm(patience);
    const bool answered = co_await connection_->exchange(std::move(bytes), 1, std::move(replied));
    if (!answered && !machine_->running()) {
        server_is_dead();
    } else if (!answered && may_cut_off) {
        for (key_oracle& each : keys_) {
            each.connection_lost(world_->now_ns());
        }
    } else if (!answered) {
        throw std::runtime_error(fmt::format("{} got no answer, and the server runs", words.front()));
    }
    co_return answered;
}

future<bool> rig::send_step(step what) {
    using action = key_write::action;
    std::vector<std::string> words;
    std::vector<part> parts;
    const auto set = [&](std::size_t key, std::size_t size) {
        words.push_back(keys_[key].key());
        words.push_back(value(size));
        parts.push_back({key, {.what = action::set, .value = words.back()}});
    };
    switch (what) {
        case step::set:
            words = {"SET"};
            set(2, small_bytes);
            break;
        case step::overwrite:
            words = {"SET"};
            set(0, large_bytes);
            break;
        case step::erase:
            words = {"DEL", keys_[0].key()};
            parts.push_back({0, {.what = action::erase}});
            break;
        case step::expire:
            words = {"PEXPIRE", keys_[0].key(), std::to_string(lifetime_ms)};
            parts.push_back({0, {.what = action::expire, .lifetime_ms = lifetime_ms}});
            break;
        case step::batch:
            words = {"MSET"};
            set(0, small_bytes);
            set(1, large_bytes);
            break;
        case step::flush:
            words = {"FLUSHALL"};
            for (std::size_t i = 0; i < keys_.size(); ++i) {
                parts.push_back({i, {.what = action::erase}});
            }
            break;
        case step::compact:
            words = {"BGREWRITEAOF"};
            break;
    }
    return send(std::move(words), std::move(parts));
}

future<> rig::write_and_erase(std::size_t key) {
    std::vector<std::string> words{"SET", keys_[key].key(), value(small_bytes)};
    std::vector<part> parts{{key, {.what = key_write::action::set, .value = words.back()}}};
    co_await send(std::move(words), std::move(parts));
    std::vector<std::string> more_words{"DEL", keys_[key].key()};
    std::vector<part> more_parts{{key, {.what = key_write::action::erase}}};
    co_await send(std::move(more_words), std::move(more_parts));
}

future<bool> rig::play(const sequence& steps) {
    for (const step one : steps) {
        const bool answered = co_await send_step(one);
        if (!answered) {
            co_return false;
        }
    }
    co_await sleep(settle_time);
    if (!machine_->running()) {
        server_is_dead();
    }
    co_return machine_->running();
}

// -- Checks ----------------------------------------------------------------------------------------------------------

future<> rig::look_once() {
    std::vector<std::string> words{"MGET"};
    std::vector<std::size_t> seen;
    std::vector<key_oracle*> all;
    for (key_oracle& each : keys_) {
        words.push_back(each.key());
        seen.push_back(each.sent());
        all.push_back(&each);
    }
    const std::uint64_t sent_ns = world_->now_ns();
    std::string bytes;
    append_command(bytes, words);
    std::function<void(const reply_value&)> replied = [&](const reply_value& answer) {
        if (answer.items.size() != keys_.size()) {
            throw std::runtime_error("MGET was answered " + answer.to_string());
        }
        for (std::size_t i = 0; i < keys_.size(); ++i) {
            const reply_value& one = answer.items[i];
            const auto text =
                one.what == reply_value::type::null ? std::nullopt : std::optional<std::string_view>(one.text);
            keys_[i].read(seen[i], {sent_ns, world_->now_ns(), connections_}, text);
        }
        check_whole(all);
    };
    const bool answered = co_await connection_->exchange(std::move(bytes), 1, std::move(replied));
    if (!answered) {
        throw std::runtime_error("MGET got no answer: " + describe_end());
    }
}

future<> rig::look() {
    co_await look_once();
    co_await sleep(std::chrono::milliseconds(2 * lifetime_ms));
    co_await look_once();
}

future<> rig::write_on() {
    const std::uint64_t begin_ns = world_->now_ns();
    for (std::size_t i = 0; i < keys_.size();) {
        const unsigned refused_before = refused_;
        std::vector<std::string> words{"SET", keys_[i].key(), value(small_bytes)};
        std::vector<part> parts{{i, {.what = key_write::action::set, .value = words.back()}}};
        const bool answered = co_await send(std::move(words), std::move(parts));
        if (!answered) {
            throw std::runtime_error("a write on a good disk got no answer: " + describe_end());
        }
        if (refused_ == refused_before) {
            ++i;
            continue;
        }
        if (world_->now_ns() - begin_ns > 10'000'000'000) {
            throw std::runtime_error("after 10 s on a good disk writes are refused still");
        }
        co_await sleep(100ms);
    }
    co_await cut_power();
    co_await start_well();
    co_await look_once();
}

void check_recovery(const state& from, bool writes) {
    rig one(&from, {});
    one.run([&](rig& r) -> future<> {
        co_await r.start_well();
        co_await r.look();
        if (writes) {
            co_await r.write_on();
        }
    });
}

}  // namespace shale::kv::exhaustive
