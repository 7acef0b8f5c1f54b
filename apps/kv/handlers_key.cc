// Commands about keys whatever their value: existence, removal, time to live.
#include <limits>

#include "handlers.hh"
#include "number.hh"

namespace shale::kv::handlers {

namespace {

// Runs `each(found_key)` for all keys of the call once all are known; `each` says whether the key counts.
template <class Each>
outcome count_keys(call& in, bool quiet, Each&& each) {
    bool unknown = false;
    for (std::size_t i = 1; i < in.args.size(); ++i) {
        unknown |= look(in, i, true).unknown();
    }
    if (unknown) {
        return outcome::wait;
    }
    std::int64_t count = 0;
    for (std::size_t i = 1; i < in.args.size(); ++i) {
        count += each(look(in, i, quiet)) ? 1 : 0;
    }
    in.out.integer(count);
    return outcome::done;
}

}  // namespace

outcome del(call& in) {
    std::uint64_t bytes = 0;
    for (const std::string_view key : in.args.subspan(1)) {
        bytes += key.size();
    }
    const storage_group together(in.db.store(), group_kind::erases, in.args.size() - 1, bytes);
    if (!together.refusal().empty()) {
        in.out.error(together.refusal());
        return outcome::done;
    }
    return count_keys(in, true, [&](const found_key& at) {
        if (at.exists()) {
            in.db.erase(at.key, at.entry);
        }
        return at.exists();
    });
}

outcome exists(call& in) {
    return count_keys(in, false, [](const found_key& at) { return at.exists(); });
}

outcome touch(call& in) {
    return exists(in);
}

outcome type(call& in) {
    const found_key at = look(in, 1, true);
    if (at.unknown()) {
        return outcome::wait;
    }
    in.out.simple(at.exists() ? "string" : "none");
    return outcome::done;
}

namespace {

struct expire_flags {
    bool nx = false;
    bool xx = false;
    bool gt = false;
    bool lt = false;
};

bool parse_flags(call& in, expire_flags& flags) {
    for (std::size_t i = 3; i < in.args.size(); ++i) {
        const auto is = [&](std::string_view option) { return equal_ignoring_case(in.args[i], option); };
        if (is("nx")) {
            flags.nx = true;
        } else if (is("xx")) {
            flags.xx = true;
        } else if (is("gt")) {
            flags.gt = true;
        } else if (is("lt")) {
            flags.lt = true;
        } else {
            in.out.error_format("ERR Unsupported option {}", in.args[i]);
            return false;
        }
    }
    if (flags.nx && (flags.xx || flags.gt || flags.lt)) {
        in.out.error("ERR NX and XX, GT or LT options at the same time are not compatible");
        return false;
    }
    if (flags.gt && flags.lt) {
        in.out.error("ERR GT and LT options at the same time are not compatible");
        return false;
    }
    return true;
}

// Whether the flags let a key that ends at `before` (0: never) end at `end`.
bool allow(const expire_flags& flags, std::int64_t before, std::int64_t end) noexcept {
    if ((flags.nx && before != 0) || (flags.xx && before == 0)) {
        return false;
    }
    if (flags.gt && (before == 0 || end <= before)) {
        return false;
    }
    return !(flags.lt && before != 0 && end >= before);
}

outcome set_end(call& in, time_unit unit, bool relative) {
    expire_flags flags;
    if (!parse_flags(in, flags)) {
        return outcome::done;
    }
    const auto time = integer_argument(in, 2);
    if (!time) {
        return outcome::done;
    }
    const auto end = absolute_ms(*time, unit, relative, in.db.now_ms());
    if (!end) {
        in.out.error_format("ERR invalid expire time in '{}' command", lower_case(in.args[0]));
        return outcome::done;
    }
    const found_key at = look(in, 1, true);
    if (at.unknown()) {
        return outcome::wait;
    }
    if (!at.exists() || !allow(flags, at.entry->expire_ms, *end)) {
        in.out.integer(0);
        return outcome::done;
    }
    if (*end <= in.db.now_ms()) {
        in.db.erase(at.key, at.entry);
    } else {
        const cache_pin old(*at.entry);
        if (!store(in, at, at.entry->value(), *end)) {
            return outcome::done;
        }
    }
    in.out.integer(1);
    return outcome::done;
}

// Replies -2 when there is no key, -1 when it has no end, else what `of` says of its end.
template <class Of>
outcome reply_end(call& in, Of&& of) {
    const found_key at = look(in, 1);
    if (at.unknown()) {
        return outcome::wait;
    }
    in.out.integer(!at.exists() ? -2 : at.entry->expire_ms == 0 ? -1 : of(at.entry->expire_ms));
    return outcome::done;
}

}  // namespace

outcome expire(call& in) {
    return set_end(in, time_unit::seconds, true);
}
outcome pexpire(call& in) {
    return set_end(in, time_unit::milliseconds, true);
}
outcome expireat(call& in) {
    return set_end(in, time_unit::seconds, false);
}
outcome pexpireat(call& in) {
    return set_end(in, time_unit::milliseconds, false);
}

outcome expiretime(call& in) {
    return reply_end(in, [](std::int64_t end) { return (end + 500) / 1000; });
}
outcome pexpiretime(call& in) {
    return reply_end(in, [](std::int64_t end) { return end; });
}
outcome ttl(call& in) {
    return reply_end(in, [&](std::int64_t end) { return (end - in.db.now_ms() + 500) / 1000; });
}
outcome pttl(call& in) {
    return reply_end(in, [&](std::int64_t end) { return end - in.db.now_ms(); });
}

outcome persist(call& in) {
    const found_key at = look(in, 1, true);
    if (at.unknown()) {
        return outcome::wait;
    }
    if (!at.exists() || at.entry->expire_ms == 0) {
        in.out.integer(0);
        return outcome::done;
    }
    const cache_pin old(*at.entry);
    if (store(in, at, at.entry->value(), 0)) {
        in.out.integer(1);
    }
    return outcome::done;
}

outcome memory(call& in) {
    if (is_subcommand(in, "usage") && in.args.size() >= 3) {
        if (in.args.size() == 5 && equal_ignoring_case(in.args[3], "samples")) {
            const auto samples = integer_argument(in, 4);
            if (!samples) {
                return outcome::done;
            }
            if (*samples < 0) {
                in.out.error(error_text::syntax);
                return outcome::done;
            }
        } else if (in.args.size() != 3) {
            in.out.error(error_text::syntax);
            return outcome::done;
        }
        const found_key at = look(in, 2, true);
        if (at.unknown()) {
            return outcome::wait;
        }
        if (at.exists()) {
            in.out.integer(static_cast<std::int64_t>(sizeof(cache_entry) + at.entry->capacity + 8));
        } else {
            in.out.null();
        }
    } else if (is_subcommand(in, "usage")) {
        wrong_arity(in.out, "memory|usage");
    } else if (is_subcommand(in, "doctor")) {
        in.out.verbatim("txt", "The values in memory keep to --cache-size; see INFO memory.");
    } else if (is_subcommand(in, "purge")) {
        in.out.ok();
    } else {
        unknown_subcommand(in.out, in.args);
    }
    return outcome::done;
}

}  // namespace shale::kv::handlers
