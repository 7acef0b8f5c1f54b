// Commands that look at a part of a value, or make a new value from the old: ranges, APPEND, the INCR family.
//
// A record is always written whole, so an edit builds the new value in one string and stores it.
#include <algorithm>
#include <cmath>
#include <limits>
#include <string>

#include "handlers.hh"
#include "number.hh"

namespace shale::kv::handlers {

outcome strlen(call& in) {
    const found_key at = look(in, 1);
    if (at.unknown()) {
        return outcome::wait;
    }
    in.out.integer(at.exists() ? at.entry->value_size : 0);
    return outcome::done;
}

namespace {

// Whether a value of this length may be; else the error reply.
bool may_be_long(call& in, std::string_view key, std::uint64_t length) {
    if (length > in.shard.conf.value_bytes_max || !engine::fits(key, length)) {
        in.out.error(error_text::too_long);
        return false;
    }
    return true;
}

std::int64_t end_of(const found_key& at) noexcept {
    return at.exists() ? at.entry->expire_ms : 0;
}

}  // namespace

outcome append(call& in) {
    const found_key at = look(in, 1, true);
    if (at.unknown()) {
        return outcome::wait;
    }
    const std::string_view before = at.exists() ? at.entry->value() : std::string_view();
    const std::string_view added = in.args[2];
    if (!may_be_long(in, at.key.text, before.size() + added.size())) {
        return outcome::done;
    }
    std::string value;
    value.reserve(before.size() + added.size());
    value.append(before).append(added);
    if (store(in, at, value, end_of(at))) {
        in.out.integer(static_cast<std::int64_t>(value.size()));
    }
    return outcome::done;
}

outcome getrange(call& in) {
    const auto first = integer_argument(in, 2);
    const auto last = first ? integer_argument(in, 3) : first;
    if (!last) {
        return outcome::done;
    }
    const found_key at = look(in, 1);
    if (at.unknown()) {
        return outcome::wait;
    }
    const std::string_view value = at.exists() ? at.entry->value() : std::string_view();
    const auto length = static_cast<std::int64_t>(value.size());
    if (*first < 0 && *last < 0 && *first > *last) {
        in.out.bulk({});
        return outcome::done;
    }
    const std::int64_t begin = std::max<std::int64_t>(*first < 0 ? length + *first : *first, 0);
    const std::int64_t end = std::min(std::max<std::int64_t>(*last < 0 ? length + *last : *last, 0), length - 1);
    if (begin > end) {
        in.out.bulk({});
    } else {
        in.out.bulk(value.substr(static_cast<std::size_t>(begin), static_cast<std::size_t>(end - begin + 1)));
    }
    return outcome::done;
}

outcome setrange(call& in) {
    const auto offset = integer_argument(in, 2);
    if (!offset) {
        return outcome::done;
    }
    if (*offset < 0) {
        in.out.error("ERR offset is out of range");
        return outcome::done;
    }
    const found_key at = look(in, 1, true);
    if (at.unknown()) {
        return outcome::wait;
    }
    const std::string_view before = at.exists() ? at.entry->value() : std::string_view();
    const std::string_view part = in.args[3];
    if (part.empty()) {
        in.out.integer(static_cast<std::int64_t>(before.size()));
        return outcome::done;
    }
    const std::uint64_t end = static_cast<std::uint64_t>(*offset) + part.size();
    if (!may_be_long(in, at.key.text, end)) {
        return outcome::done;
    }
    std::string value(before);
    value.resize(std::max<std::size_t>(value.size(), end), '\0');
    std::copy(part.begin(), part.end(), value.begin() + *offset);
    if (store(in, at, value, end_of(at))) {
        in.out.integer(static_cast<std::int64_t>(value.size()));
    }
    return outcome::done;
}

namespace {

outcome add(call& in, std::int64_t amount) {
    const found_key at = look(in, 1, true);
    if (at.unknown()) {
        return outcome::wait;
    }
    std::int64_t value = 0;
    if (at.exists()) {
        const auto before = parse_integer(at.entry->value());
        if (!before) {
            in.out.error(error_text::not_integer);
            return outcome::done;
        }
        value = *before;
    }
    if (__builtin_add_overflow(value, amount, &value)) {
        in.out.error("ERR increment or decrement would overflow");
        return outcome::done;
    }
    char space[integer_text_max];
    if (store(in, at, format_integer(value, space), end_of(at))) {
        in.out.integer(value);
    }
    return outcome::done;
}

}  // namespace

outcome incr(call& in) {
    return add(in, 1);
}
outcome decr(call& in) {
    return add(in, -1);
}

outcome incrby(call& in) {
    const auto amount = integer_argument(in, 2);
    return amount ? add(in, *amount) : outcome::done;
}

outcome decrby(call& in) {
    const auto amount = integer_argument(in, 2);
    if (!amount) {
        return outcome::done;
    }
    if (*amount == std::numeric_limits<std::int64_t>::min()) {
        in.out.error("ERR decrement would overflow");
        return outcome::done;
    }
    return add(in, -*amount);
}

outcome incrbyfloat(call& in) {
    const found_key at = look(in, 1, true);
    if (at.unknown()) {
        return outcome::wait;
    }
    const auto before = at.exists() ? parse_float(at.entry->value()) : std::optional(0.0L);
    const auto amount = before ? parse_float(in.args[2]) : before;
    if (!amount) {
        in.out.error(error_text::not_float);
        return outcome::done;
    }
    const long double sum = *before + *amount;
    if (std::isnan(sum) || std::isinf(sum)) {
        in.out.error("ERR increment would produce NaN or Infinity");
        return outcome::done;
    }
    char space[float_text_max];
    const std::string_view text = format_float(sum, space);
    if (store(in, at, text, end_of(at))) {
        in.out.bulk(text);
    }
    return outcome::done;
}

}  // namespace shale::kv::handlers
