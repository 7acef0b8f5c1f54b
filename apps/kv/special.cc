// Commands that concern the whole server or the client itself, and so run alone: KEYS, CONFIG SET, CLIENT and others.
#include "special.hh"

#include <algorithm>
#include <chrono>
#include <set>
#include <string>

#include <shale/core/async/coroutine.hh>
#include <shale/core/shard/sleep.hh>

#include "handlers.hh"
#include "info.hh"
#include "number.hh"
#include "reply_merge.hh"

namespace shale::kv {

namespace {

row_command row_of(std::string_view name, arguments args, std::size_t key = 0) {
    const command* const of = find_command(name);
    SHALE_ASSERT(of != nullptr, "no command {}", name);
    return {of, args, key};
}

future<> info(shard_table all, shard_state& here, row_command what, reply& out) {
    const std::vector<std::string> parts = co_await ask_all(all, what, out.resp3());
    std::vector<std::int64_t> sums;
    for (const std::string& part : parts) {
        const std::vector<std::int64_t> numbers = reply_numbers(part);
        sums.resize(numbers.size());
        for (std::size_t i = 0; i < numbers.size(); ++i) {
            sums[i] += numbers[i];
        }
    }
    out.verbatim("txt", info_text(here, sums, what.args));
}

// Collects the keys of one shard, or the first `max` of them that `wanted` accepts, by scanning it in steps: the shard
// serves others in between, and only a step's keys are held in memory. Each key once. Empty or an error reply.
template <class Wanted>
future<std::string> collect(shard_table all, unsigned shard, std::string pattern, std::size_t max, Wanted wanted,
                            std::set<std::string>& found) {
    std::string cursor = std::to_string(std::uint64_t{shard} << index::cursor_bits);
    while (true) {
        const std::string_view args[] = {"scan", cursor, "count", "256", "match", pattern};
        const std::string part = co_await ask_shard(all, shard, row_of("scan", args), false);
        if (is_error(part)) {
            co_return part;
        }
        // *2, the cursor, the array of keys
        const std::size_t head = part.find('\n') + 1;
        const std::size_t keys = reply_end(part, head);
        for (const std::string_view key : reply_texts(std::string_view(part).substr(keys))) {
            if (found.size() < max && wanted(key)) {
                found.emplace(key);
            }
        }
        cursor = reply_text(std::string_view(part).substr(head, keys - head));
        const std::uint64_t next = std::stoull(cursor);
        if (next == 0 || next >> index::cursor_bits != shard || found.size() >= max) {
            co_return std::string();
        }
    }
}

void reply_keys(const std::set<std::string>& found, reply& out) {
    out.array(found.size());
    for (const std::string& key : found) {
        out.bulk(key);
    }
}

future<> keys(shard_table all, row_command what, reply& out) {
    std::set<std::string> found;
    for (unsigned shard = 0; shard < all.size(); ++shard) {
        const std::string failure = co_await collect(
            all, shard, std::string(what.args[1]), std::size_t(-1), [](std::string_view) { return true; }, found);
        if (!failure.empty()) {
            out.out().append(failure);
            co_return;
        }
    }
    reply_keys(found, out);
}

future<> keys_in_slot(shard_table all, row_command what, reply& out) {
    const bool count = equal_ignoring_case(what.args[1], "countkeysinslot");
    if (what.args.size() != (count ? 3u : 4u)) {
        wrong_arity(out, count ? "cluster|countkeysinslot" : "cluster|getkeysinslot");
        co_return;
    }
    const auto slot = parse_integer(what.args[2]);
    const auto max =
        count ? std::optional<std::int64_t>(std::numeric_limits<std::int64_t>::max()) : parse_integer(what.args[3]);
    if (!slot || !max) {
        out.error(error_text::not_integer);
        co_return;
    }
    if (*slot < 0 || *slot >= slot_count || *max < 0) {
        out.error(count ? "ERR Invalid slot" : "ERR Invalid slot or number of keys");
        co_return;
    }
    const auto wanted = static_cast<unsigned>(*slot);
    std::set<std::string> found;
    const unsigned shard = slot_map(static_cast<unsigned>(all.size())).shard_of_slot(wanted);
    const std::string failure = co_await collect(
        all, shard, "*", static_cast<std::size_t>(*max),
        [&wanted](std::string_view key) { return key_slot(key) == wanted; }, found);
    if (!failure.empty()) {
        out.out().append(failure);
    } else if (count) {
        out.integer(static_cast<std::int64_t>(found.size()));
    } else {
        reply_keys(found, out);
    }
}

// From the first shard that has a key, beginning anywhere.
future<> random_key(shard_table all, shard_state& here, row_command what, reply& out) {
    const std::uint64_t start = here.next_random();
    for (std::size_t i = 0; i < all.size(); ++i) {
        const auto shard = static_cast<unsigned>((start + i) % all.size());
        const std::string part = co_await ask_shard(all, shard, what, out.resp3());
        if (!is_null(part)) {
            out.out().append(part);
            co_return;
        }
    }
    out.null();
}

// Keys on one shard are set in one go. Over several shards: a look first, then the writes, and a write of another
// client may come in between; cluster clients do not send such a command.
future<> set_if_none(shard_table all, row_command what, reply& out) {
    const slot_map map(static_cast<unsigned>(all.size()));
    if (what.args.size() % 2 == 0) {
        wrong_arity(out, "msetnx");
        co_return;
    }
    std::vector<std::vector<std::string_view>> pairs(all.size());
    std::vector<std::vector<std::string_view>> names(all.size());
    std::size_t shards = 0;
    for (std::size_t i = 1; i < what.args.size(); i += 2) {
        const unsigned shard = map.shard_of(what.args[i]);
        if (pairs[shard].empty()) {
            pairs[shard].push_back("mset");
            names[shard].push_back("exists");
            ++shards;
        }
        pairs[shard].insert(pairs[shard].end(), {what.args[i], what.args[i + 1]});
        names[shard].push_back(what.args[i]);
    }
    if (shards == 1) {
        out.out().append(co_await ask_shard(all, map.shard_of(what.args[1]), what, out.resp3()));
        co_return;
    }
    for (const auto* const step : {&names, &pairs}) {
        shard_rows rows(all.size());
        for (std::size_t shard = 0; shard < all.size(); ++shard) {
            if (!(*step)[shard].empty()) {
                rows[shard].commands.push_back(row_of((*step)[shard][0], (*step)[shard], 1));
            }
        }
        co_await run_rows(all, rows, out.resp3());
        std::vector<std::string_view> parts;
        for (const shard_row& row : rows) {
            if (!row.commands.empty()) {
                parts.push_back(row.replies);
            }
        }
        const auto failed = std::find_if(parts.begin(), parts.end(), is_error);
        if (failed != parts.end()) {
            out.out().append(*failed);
            co_return;
        }
        const bool exists = step == &names && std::any_of(parts.begin(), parts.end(), [](std::string_view part) {
                                return reply_number(part) != 0;
                            });
        if (exists) {
            out.integer(0);
            co_return;
        }
    }
    out.integer(1);
}

// CLIENT KILL: with filters on every shard; in the old form of a lone address it says OK or that there is no such
// client.
future<> kill(shard_table all, session& client, row_command what, reply& out) {
    if (what.args.size() < 3) {
        wrong_arity(out, "client|kill");
        co_return;
    }
    const bool old_form = what.args.size() == 3;
    std::vector<std::string_view> args(what.args.begin(), what.args.end());
    const std::string own = std::to_string(client.id);
    if (old_form) {
        args = {what.args[0], what.args[1], "addr", what.args[2]};
    } else {
        bool skip_me = true;
        for (std::size_t i = 2; i + 1 < args.size(); i += 2) {
            if (equal_ignoring_case(args[i], "skipme")) {
                skip_me = !equal_ignoring_case(args[i + 1], "no");
            }
        }
        if (skip_me && args.size() % 2 == 0) {
            args.insert(args.end(), {"skipid", own});
        }
    }
    const row_command to_all{what.of, args, 0};
    const std::vector<std::string> replies = co_await ask_all(all, to_all, out.resp3());
    const std::vector<std::string_view> parts(replies.begin(), replies.end());
    if (!old_form || std::any_of(parts.begin(), parts.end(), is_error)) {
        merge_replies(merge::sum, parts, {}, out);
        co_return;
    }
    const bool killed =
        std::any_of(parts.begin(), parts.end(), [](std::string_view part) { return reply_number(part) > 0; });
    killed ? out.ok() : out.error("ERR No such client");
}

future<> debug_sleep(shard_state& here, row_command what, reply& out) {
    const auto seconds = what.args.size() == 3 ? parse_float(what.args[2]) : std::nullopt;
    if (!here.conf.debug_commands) {
        wanted unused;
        call in{here, here.db, what.args, out, unused, nullptr};
        handlers::debug(in);
    } else if (!seconds || *seconds < 0 || *seconds > 3600) {
        out.error(error_text::not_float);
    } else {
        // Only this client waits.
        co_await sleep(std::chrono::nanoseconds(static_cast<std::int64_t>(*seconds * 1e9L)));
        out.ok();
    }
}

}  // namespace

future<> run_special(shard_table all, shard_state& here, session& client, row_command what, reply& out) {
    if (what.of->run == handlers::info) {
        return info(all, here, what, out);
    }
    if (what.of->run == handlers::randomkey) {
        return random_key(all, here, what, out);
    }
    if (what.of->run == handlers::msetnx) {
        return set_if_none(all, what, out);
    }
    if (what.of->run == handlers::client) {
        return kill(all, client, what, out);
    }
    if (what.of->run == handlers::debug) {
        return debug_sleep(here, what, out);
    }
    if (what.of->run == handlers::cluster) {
        return keys_in_slot(all, what, out);
    }
    SHALE_ASSERT(what.of->name == "keys", "command {}", what.of->name);
    return keys(all, what, out);
}

}  // namespace shale::kv
