// The table behind CONFIG GET and CONFIG SET. One row a setting; see settings.hh.
#include "settings.hh"

#include <fmt/core.h>

#include <algorithm>
#include <array>
#include <limits>

#include "glob.hh"
#include "number.hh"

namespace shale::kv {

namespace {

using getter = std::string (*)(const settings&);
using setter = bool (*)(settings&, std::string_view, std::string&);

struct setting {
    std::string_view name;
    getter get;
    setter set;  // null: fixed
};

template <std::uint64_t settings::*Field>
std::string get_number(const settings& from) {
    return fmt::format("{}", from.*Field);
}

template <std::uint64_t settings::*Field, std::int64_t Min, std::int64_t Max>
bool set_number(settings& to, std::string_view text, std::string& why) {
    const auto value = parse_integer(text);
    if (!value) {
        why = "argument couldn't be parsed into an integer";
        return false;
    }
    if (*value < Min || *value > Max) {
        why = fmt::format("argument must be between {} and {} inclusive", Min, Max);
        return false;
    }
    to.*Field = static_cast<std::uint64_t>(*value);
    return true;
}

template <std::uint64_t settings::*Field, std::uint64_t Min, std::uint64_t Max>
bool set_bytes(settings& to, std::string_view text, std::string& why) {
    const auto value = parse_bytes(text);
    if (!value) {
        why = "argument must be a memory value";
        return false;
    }
    if (*value < Min || *value > Max) {
        why = fmt::format("argument must be between {} and {} inclusive", Min, Max);
        return false;
    }
    to.*Field = *value;
    return true;
}

bool set_password(settings& to, std::string_view text, std::string&) {
    to.requirepass = text;
    return true;
}

// Settings that tests and tools set to what they are anyway.
bool ignore(settings&, std::string_view, std::string&) {
    return true;
}

constexpr auto value_bytes_limit = std::uint64_t{120} << 20;

const std::array table{
    setting{"appendfsync", [](const settings& s) { return std::string(name_of(s.appendfsync)); }, nullptr},
    setting{"appendonly", [](const settings& s) { return std::string(s.durable ? "yes" : "no"); }, nullptr},
    setting{"bind", [](const settings& s) { return s.bind; }, nullptr},
    setting{"client-output-buffer-limit",
            [](const settings& s) { return fmt::format("normal {} 0 0", s.output_bytes_max); }, nullptr},
    setting{"databases", [](const settings&) { return std::string("1"); }, nullptr},
    setting{"dir", [](const settings& s) { return s.dir; }, nullptr},
    setting{"enable-debug-command", [](const settings& s) { return std::string(s.debug_commands ? "yes" : "no"); },
            nullptr},
    setting{"maxclients", get_number<&settings::maxclients>, set_number<&settings::maxclients, 1, 0xffffffff>},
    setting{"maxmemory", get_number<&settings::cache_bytes>,
            set_bytes<&settings::cache_bytes, 0, std::numeric_limits<std::int64_t>::max()>},
    setting{"maxmemory-policy", [](const settings&) { return std::string("noeviction"); }, ignore},
    setting{"port", [](const settings& s) { return fmt::format("{}", s.port); }, nullptr},
    setting{"proto-max-bulk-len", get_number<&settings::value_bytes_max>,
            set_bytes<&settings::value_bytes_max, 1 << 20, value_bytes_limit>},
    setting{"requirepass", [](const settings& s) { return s.requirepass; }, set_password},
    setting{"save", [](const settings&) { return std::string(); }, ignore},
    setting{"slowlog-log-slower-than", [](const settings&) { return std::string("-1"); }, ignore},
    setting{"slowlog-max-len", [](const settings&) { return std::string("128"); }, ignore},
    setting{"timeout", get_number<&settings::timeout_s>, set_number<&settings::timeout_s, 0, 0x7fffffff>},
};

}  // namespace

std::vector<std::pair<std::string, std::string>> settings::get(std::string_view pattern) const {
    std::vector<std::pair<std::string, std::string>> found;
    for (const setting& one : table) {
        if (glob_match(pattern, one.name, true)) {
            found.emplace_back(one.name, one.get(*this));
        }
    }
    return found;
}

settings::change settings::set(std::string_view name, std::string_view value, std::string& why) {
    const auto at = std::find_if(table.begin(), table.end(),
                                 [&](const setting& one) { return equal_ignoring_case(one.name, name); });
    if (at == table.end()) {
        return change::unknown;
    }
    if (at->set == nullptr) {
        return change::immutable;
    }
    return at->set(*this, value, why) ? change::done : change::invalid;
}

std::string_view name_of(fsync_policy policy) noexcept {
    constexpr std::string_view names[] = {"always", "everysec", "no"};
    return names[static_cast<unsigned>(policy)];
}

std::optional<fsync_policy> parse_fsync_policy(std::string_view text) noexcept {
    for (const fsync_policy policy : {fsync_policy::always, fsync_policy::everysec, fsync_policy::no}) {
        if (equal_ignoring_case(text, name_of(policy))) {
            return policy;
        }
    }
    return std::nullopt;
}

std::optional<std::uint64_t> parse_bytes(std::string_view text) noexcept {
    const std::size_t digits = std::min(text.find_first_not_of("0123456789"), text.size());
    const auto number = parse_integer(text.substr(0, digits));
    if (!number) {
        return std::nullopt;
    }
    const std::string unit = lower_case(text.substr(digits));
    constexpr std::pair<std::string_view, std::int64_t> units[] = {
        {"", 1},
        {"b", 1},
        {"k", 1000},
        {"kb", 1024},
        {"m", 1000 * 1000},
        {"mb", 1024 * 1024},
        {"g", 1000000000ll},
        {"gb", 1ll << 30},
    };
    for (const auto& [name, factor] : units) {
        if (unit == name) {
            std::int64_t bytes = 0;
            if (__builtin_mul_overflow(*number, factor, &bytes)) {
                return std::nullopt;
            }
            return static_cast<std::uint64_t>(bytes);
        }
    }
    return std::nullopt;
}

std::string lower_case(std::string_view text) {
    std::string lower(text);
    for (char& c : lower) {
        c = c >= 'A' && c <= 'Z' ? static_cast<char>(c + ('a' - 'A')) : c;
    }
    return lower;
}

bool equal_ignoring_case(std::string_view a, std::string_view b) noexcept {
    const auto lower = [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + ('a' - 'A')) : c; };
    return std::equal(a.begin(), a.end(), b.begin(), b.end(), [&](char x, char y) { return lower(x) == lower(y); });
}

}  // namespace shale::kv
