// What a client sends: keys, values and commands, drawn. See sim_client.hh.
#include <fmt/format.h>

#include <algorithm>

#include "sim_client.hh"

namespace shale::kv {

namespace {

constexpr unsigned tags = 3;
constexpr unsigned any_tag = tags;
// Possibilities double with every write of which nobody knows.
constexpr std::size_t unsettled_max = 4;
constexpr std::size_t text_max = 64 * 1024;

std::uint64_t now_ns() {
    return static_cast<std::uint64_t>(clock::now().time_since_epoch().count());
}

// Most are small, a few larger than any buffer on their way.
std::size_t draw_size(random_engine& random, std::size_t max) {
    const double kind = random.uniform();
    const std::size_t most = kind < 0.5 ? 100 : kind < 0.8 ? 1'000 : kind < 0.94 ? 16'000 : kind < 0.995 ? 65'536 : max;
    return random.below(std::min(most, max) + 1);
}

// Short ends are met before the write is durable, long ones perhaps after a restart.
std::uint64_t draw_lifetime_ms(random_engine& random) {
    return random.between(1, std::array{3U, 50U, 2'000U, 20'000U}[random.below(4)]);
}

}  // namespace

sim_client::held_key sim_client::make_key(std::size_t place) {
    const auto tag = static_cast<unsigned>(place % tags);
    const purpose use = place % 5 == 3 ? purpose::text : place % 5 == 4 ? purpose::counter : purpose::value;
    const std::string name = fmt::format("{{c{}t{}}}.k{}.{}", number_, tag, place, generations_++);
    const auto slack_ns = static_cast<std::uint64_t>(options_.clock_slack.count());
    return {.oracle = std::make_unique<key_oracle>(name, slack_ns), .use = use, .tag = tag};
}

sim_client::held_key& sim_client::fresh(std::size_t place) {
    retired_.push_back(std::exchange(keys_[place], make_key(place)));
    return keys_[place];
}

// Null: those that were tried have too much under way.
sim_client::held_key* sim_client::draw_writable(unsigned tag) {
    for (unsigned tries = 0; tries < 4; ++tries) {
        std::size_t place = random_.below(keys_.size());
        if (tag != any_tag) {
            place = std::min(place - place % tags + tag, keys_.size() - 1);
        }
        held_key& drawn = keys_[place];
        if (drawn.oracle->undecided()) {
            if (tries == 3) {
                return &fresh(place);
            }
        } else if (drawn.oracle->unsettled() < unsettled_max) {
            return &drawn;
        }
    }
    return nullptr;
}

sim_client::held_key& sim_client::draw_readable() {
    if (!retired_.empty() && random_.chance(0.1)) {
        return retired_[random_.below(retired_.size())];
    }
    return keys_[random_.below(keys_.size())];
}

// Says whose it is, as far as its size allows.
std::string sim_client::draw_value(const held_key& of, std::size_t size_max) {
    const std::size_t size = draw_size(random_, size_max);
    std::string value = fmt::format("{}#{}:{};", of.oracle->key(), of.oracle->sent(), size);
    if (size < value.size()) {
        // Too small for that: the number alone, its last digits.
        const std::string number = fmt::format("{:08}", of.oracle->sent());
        return size <= number.size() ? number.substr(number.size() - size)
                                     : number + std::string(size - number.size(), '.');
    }
    std::uint64_t filler = random_();
    while (value.size() < size) {
        value += fmt::format("{:016x}", splitmix64(filler));
    }
    value.resize(size);
    return value;
}

void sim_client::add_write(row& to, held_key& of, key_write what, const std::vector<std::string>& words) {
    command& added = to.commands.emplace_back(command{.what = verb::write, .sent_ns = now_ns()});
    what.connection = connections_;
    what.sent_ns = added.sent_ns;
    added.keys.push_back({of.oracle.get(), of.oracle->send(std::move(what))});
    append_command(to.bytes, words);
}

void sim_client::add_read(row& to, verb what, const std::vector<held_key*>& keys, bool together) {
    command& added = to.commands.emplace_back(command{.what = what, .sent_ns = now_ns()});
    added.together = together;
    std::vector<std::string> words{what == verb::get ? "GET" : what == verb::exists ? "EXISTS" : "MGET"};
    for (const held_key* each : keys) {
        added.keys.push_back({each->oracle.get(), each->oracle->sent()});
        words.push_back(each->oracle->key());
    }
    append_command(to.bytes, words);
}

void sim_client::draw_command(row& to) {
    const double kind = random_.uniform();
    if (kind < 0.2) {
        add_read(to, verb::get, {&draw_readable()}, false);
    } else if (kind < 0.25) {
        add_read(to, verb::exists, {&draw_readable()}, false);
    } else if (kind < 0.35) {
        draw_mget(to);
    } else if (kind < 0.47) {
        draw_mset(to);
    } else {
        draw_write(to);
    }
}

void sim_client::draw_write(row& to) {
    held_key* const drawn = draw_writable(any_tag);
    if (drawn == nullptr) {
        return add_read(to, verb::get, {&draw_readable()}, false);
    }
    held_key& of = *drawn;
    const std::string& key = of.oracle->key();
    using action = key_write::action;
    if (of.use == purpose::counter) {
        return add_write(to, of, {.what = action::increment}, {"INCR", key});
    }
    const double kind = random_.uniform();
    if (of.use == purpose::text && kind < 0.6) {
        const std::string value = draw_value(of, text_max / 16);
        return add_write(to, of, {.what = action::append, .value = value}, {"APPEND", key, value});
    }
    if (kind < 0.7) {
        const std::string value = draw_value(of, of.use == purpose::text ? text_max : options_.value_bytes_max);
        if (random_.chance(0.25)) {
            const std::uint64_t lifetime_ms = draw_lifetime_ms(random_);
            const bool seconds = lifetime_ms >= 1'000;
            const std::uint64_t count = seconds ? lifetime_ms / 1'000 : lifetime_ms;
            return add_write(to, of,
                             {.what = action::set, .value = value, .lifetime_ms = seconds ? count * 1'000 : count},
                             {"SET", key, value, seconds ? "EX" : "PX", fmt::format("{}", count)});
        }
        return add_write(to, of, {.what = action::set, .value = value}, {"SET", key, value});
    }
    if (kind < 0.82) {
        return add_write(to, of, {.what = action::erase}, {"DEL", key});
    }
    if (kind < 0.92) {
        const std::uint64_t lifetime_ms = draw_lifetime_ms(random_);
        return add_write(to, of, {.what = action::expire, .lifetime_ms = lifetime_ms},
                         {"PEXPIRE", key, fmt::format("{}", lifetime_ms)});
    }
    return add_write(to, of, {.what = action::persist}, {"PERSIST", key});
}

// Half of them on one shard, and so all or nothing.
void sim_client::draw_mset(row& to) {
    const unsigned tag = random_.chance(0.5) ? static_cast<unsigned>(random_.below(tags)) : any_tag;
    command added{.what = verb::mset, .sent_ns = now_ns()};
    std::vector<std::string> words{"MSET"};
    const std::uint64_t group = (std::uint64_t{number_} << 32) + ++groups_;
    std::vector<const key_oracle*> taken;
    for (std::uint64_t left = random_.between(2, 6); left > 0; --left) {
        held_key* const drawn = draw_writable(tag);
        if (drawn == nullptr || drawn->use == purpose::counter ||
            std::ranges::find(taken, drawn->oracle.get()) != taken.end()) {
            continue;
        }
        taken.push_back(drawn->oracle.get());
        std::string value = draw_value(*drawn, text_max);
        words.push_back(drawn->oracle->key());
        words.push_back(value);
        added.keys.push_back({drawn->oracle.get(), drawn->oracle->send({.what = key_write::action::set,
                                                                        .value = std::move(value),
                                                                        .group = group,
                                                                        .connection = connections_,
                                                                        .sent_ns = added.sent_ns})});
    }
    if (added.keys.empty()) {
        return add_read(to, verb::get, {&draw_readable()}, false);
    }
    to.commands.push_back(std::move(added));
    append_command(to.bytes, words);
}

void sim_client::draw_mget(row& to) {
    const bool together = random_.chance(0.7);
    const auto tag = static_cast<unsigned>(random_.below(tags));
    std::vector<held_key*> keys;
    for (std::uint64_t left = random_.between(2, 8); left > 0; --left) {
        held_key& drawn = draw_readable();
        if ((!together || drawn.tag == tag) && std::ranges::find(keys, &drawn) == keys.end()) {
            keys.push_back(&drawn);
        }
    }
    if (keys.empty()) {
        keys.push_back(&draw_readable());
    }
    add_read(to, verb::mget, keys, together && keys.front()->tag == tag);
}

}  // namespace shale::kv
