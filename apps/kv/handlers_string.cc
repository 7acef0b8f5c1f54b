// GET, SET and their relatives: whole values.
#include <algorithm>
#include <limits>

#include "handlers.hh"
#include "number.hh"

namespace shale::kv::handlers {

found_key look(call& in, std::size_t at, bool quiet) {
    const key_ref key = in.db.key(in.args[at]);
    const engine::lookup found = in.db.find(key, quiet);
    if (found.state == engine::presence::unknown) {
        in.wants.keys.push_back(key);
    }
    return {key, found.state, found.entry};
}

std::optional<std::int64_t> integer_argument(call& in, std::size_t at) {
    const auto value = parse_integer(in.args[at]);
    if (!value) {
        in.out.error(error_text::not_integer);
    }
    return value;
}

void reply_value(call& in, cache_entry& entry) {
    if (entry.value_size >= reply::attach_bytes_min && in.client != nullptr) {
        in.out.bulk_attached(entry.value(), cache::lend(entry));
    } else {
        in.out.bulk(entry.value());
    }
}

bool store(call& in, const found_key& at, std::string_view value, std::int64_t expire_ms) {
    if (!engine::fits(at.key.text, value.size())) {
        in.out.error(error_text::too_long);
        return false;
    }
    const std::string_view refused = in.db.put(at.key, at.entry, value, expire_ms);
    if (!refused.empty()) {
        in.out.error(refused);
    }
    return refused.empty();
}

std::optional<std::int64_t> absolute_ms(std::int64_t time, time_unit unit, bool relative,
                                        std::int64_t now_ms) noexcept {
    constexpr auto max = std::numeric_limits<std::int64_t>::max();
    if (unit == time_unit::seconds && (time > max / 1000 || time < -(max / 1000))) {
        return std::nullopt;
    }
    const std::int64_t ms = unit == time_unit::seconds ? time * 1000 : time;
    if (relative && ms > max - now_ms) {
        return std::nullopt;
    }
    return relative ? ms + now_ms : ms;
}

namespace {

// The options of SET and GETEX.
struct set_options {
    bool nx = false;
    bool xx = false;
    bool get = false;
    bool keep_ttl = false;
    bool persist = false;
    std::string_view time;    // empty: none
    std::string_view option;  // that gave it: may be given again, another may not
    time_unit unit = time_unit::seconds;
    bool relative = true;

    bool has_end() const noexcept { return time.data() != nullptr; }
};

// Parses args[from..]; false after a syntax error reply.
bool parse_options(call& in, std::size_t from, bool is_set, set_options& options) {
    for (std::size_t i = from; i < in.args.size(); ++i) {
        const std::string_view name = in.args[i];
        const auto is = [&](std::string_view option) { return equal_ignoring_case(name, option); };
        const bool no_other_end = (!options.has_end() || is(options.option)) && !options.keep_ttl && !options.persist;
        if (is_set && is("nx") && !options.xx) {
            options.nx = true;
        } else if (is_set && is("xx") && !options.nx) {
            options.xx = true;
        } else if (is_set && is("get")) {
            options.get = true;
        } else if (is_set && is("keepttl") && !options.has_end()) {
            options.keep_ttl = true;
        } else if (!is_set && is("persist") && !options.has_end()) {
            options.persist = true;
        } else if ((is("ex") || is("px") || is("exat") || is("pxat")) && no_other_end && i + 1 < in.args.size()) {
            options.unit = (name[0] | 0x20) == 'e' ? time_unit::seconds : time_unit::milliseconds;
            options.relative = name.size() == 2;
            options.option = name;
            options.time = in.args[++i];
        } else {
            in.out.error(error_text::syntax);
            return false;
        }
    }
    return true;
}

// The end that an option asks for, in Unix milliseconds; 0 after an error reply.
std::int64_t end_of(call& in, std::string_view text, time_unit unit, bool relative) {
    const auto time = parse_integer(text);
    if (!time) {
        in.out.error(error_text::not_integer);
        return 0;
    }
    const auto end = *time > 0 ? absolute_ms(*time, unit, relative, in.db.now_ms()) : std::nullopt;
    if (!end) {
        in.out.error_format("ERR invalid expire time in '{}' command", lower_case(in.args[0]));
        return 0;
    }
    return *end;
}

outcome set_with_end(call& in, time_unit unit) {
    const std::int64_t end = end_of(in, in.args[2], unit, true);
    if (end == 0) {
        return outcome::done;
    }
    const found_key at = look(in, 1, true);
    if (at.unknown()) {
        return outcome::wait;
    }
    if (store(in, at, in.args[3], end)) {
        in.out.ok();
    }
    return outcome::done;
}

void reply_value_or_null(call& in, const found_key& at) {
    if (at.exists()) {
        reply_value(in, *at.entry);
    } else {
        in.out.null();
    }
}

// Stores and replies with the value there was, which a pin keeps where it is.
outcome replace(call& in, const found_key& at, std::string_view value, std::int64_t end) {
    if (!at.exists()) {
        if (store(in, at, value, end)) {
            in.out.null();
        }
        return outcome::done;
    }
    const cache_pin old(*at.entry);
    if (store(in, at, value, end)) {
        reply_value(in, *at.entry);
    }
    return outcome::done;
}

}  // namespace

outcome get(call& in) {
    const found_key at = look(in, 1);
    if (at.unknown()) {
        return outcome::wait;
    }
    reply_value_or_null(in, at);
    return outcome::done;
}

outcome set(call& in) {
    set_options options;
    if (in.args.size() > 3 && !parse_options(in, 3, true, options)) {
        return outcome::done;
    }
    std::int64_t end = 0;
    if (options.has_end() && (end = end_of(in, options.time, options.unit, options.relative)) == 0) {
        return outcome::done;
    }
    const found_key at = look(in, 1, !options.get);
    if (at.unknown()) {
        return outcome::wait;
    }
    const bool refused = (options.nx && at.exists()) || (options.xx && !at.exists());
    if (refused) {
        options.get ? reply_value_or_null(in, at) : in.out.null();
        return outcome::done;
    }
    if (options.keep_ttl && at.exists()) {
        end = at.entry->expire_ms;
    }
    if (options.get) {
        return replace(in, at, in.args[2], end);
    }
    if (store(in, at, in.args[2], end)) {
        in.out.ok();
    }
    return outcome::done;
}

outcome setex(call& in) {
    return set_with_end(in, time_unit::seconds);
}
outcome psetex(call& in) {
    return set_with_end(in, time_unit::milliseconds);
}

outcome setnx(call& in) {
    const found_key at = look(in, 1, true);
    if (at.unknown()) {
        return outcome::wait;
    }
    if (at.exists()) {
        in.out.integer(0);
    } else if (store(in, at, in.args[2], 0)) {
        in.out.integer(1);
    }
    return outcome::done;
}

outcome getset(call& in) {
    const found_key at = look(in, 1);
    if (at.unknown()) {
        return outcome::wait;
    }
    return replace(in, at, in.args[2], 0);
}

outcome getdel(call& in) {
    const found_key at = look(in, 1);
    if (at.unknown()) {
        return outcome::wait;
    }
    reply_value_or_null(in, at);
    if (at.exists()) {
        in.db.erase(at.key, at.entry);
    }
    return outcome::done;
}

outcome getex(call& in) {
    set_options options;
    if (!parse_options(in, 2, false, options)) {
        return outcome::done;
    }
    std::int64_t end = 0;
    if (options.has_end() && (end = end_of(in, options.time, options.unit, options.relative)) == 0) {
        return outcome::done;
    }
    const found_key at = look(in, 1);
    if (at.unknown()) {
        return outcome::wait;
    }
    if (!at.exists()) {
        in.out.null();
        return outcome::done;
    }
    if (options.has_end() && end <= in.db.now_ms()) {
        reply_value(in, *at.entry);
        in.db.erase(at.key, at.entry);
        return outcome::done;
    }
    if (options.has_end() || (options.persist && at.entry->expire_ms != 0)) {
        return replace(in, at, at.entry->value(), end);
    }
    reply_value(in, *at.entry);
    return outcome::done;
}

outcome mget(call& in) {
    bool unknown = false;
    for (std::size_t i = 1; i < in.args.size(); ++i) {
        unknown |= look(in, i, true).unknown();
    }
    if (unknown) {
        return outcome::wait;
    }
    in.out.array(in.args.size() - 1);
    for (std::size_t i = 1; i < in.args.size(); ++i) {
        reply_value_or_null(in, look(in, i));
    }
    return outcome::done;
}

namespace {

outcome set_all(call& in, bool only_if_none) {
    if (in.args.size() % 2 == 0) {
        wrong_arity(in.out, lower_case(in.args[0]));
        return outcome::done;
    }
    bool unknown = false;
    bool exists = false;
    std::uint64_t bytes = 0;
    std::size_t longest_key = 0;
    for (std::size_t i = 1; i < in.args.size(); i += 2) {
        const found_key at = look(in, i, true);
        unknown |= at.unknown();
        exists |= at.exists();
        bytes += in.args[i].size() + in.args[i + 1].size();
        longest_key = std::max(longest_key, in.args[i].size());
        if (!engine::fits(in.args[i], in.args[i + 1].size())) {
            in.out.error(error_text::too_long);
            return outcome::done;
        }
    }
    if (unknown) {
        return outcome::wait;
    }
    if (only_if_none && exists) {
        in.out.integer(0);
        return outcome::done;
    }
    const std::size_t keys = in.args.size() / 2;
    // With room for the mark that takes a key back when the index cannot hold it.
    const storage_group together(in.db.store(), group_kind::puts, keys == 1 ? 1 : keys + 1, bytes + longest_key);
    if (!together.refusal().empty()) {
        in.out.error(together.refusal());
        return outcome::done;
    }
    for (std::size_t i = 1; i < in.args.size(); i += 2) {
        if (!store(in, look(in, i, true), in.args[i + 1], 0)) {
            return outcome::done;
        }
    }
    if (only_if_none) {
        in.out.integer(1);
    } else {
        in.out.ok();
    }
    return outcome::done;
}

}  // namespace

outcome mset(call& in) {
    return set_all(in, false);
}
outcome msetnx(call& in) {
    return set_all(in, true);
}

}  // namespace shale::kv::handlers
