// Values of options: see option_values.hh.
#include "option_values.hh"

#include <algorithm>
#include <array>
#include <cctype>
#include <charconv>
#include <cmath>
#include <limits>
#include <numeric>
#include <optional>
#include <vector>

#include <fmt/format.h>

namespace shale::detail {

namespace {

struct unit {
    std::string_view name;
    std::uint64_t factor;
};

constexpr std::array size_units{unit{"T", 1ULL << 40}, unit{"G", 1ULL << 30}, unit{"M", 1ULL << 20},
                                unit{"K", 1ULL << 10}};
constexpr std::array time_units{unit{"h", 3'600'000'000'000}, unit{"m", 60'000'000'000}, unit{"s", 1'000'000'000},
                                unit{"ms", 1'000'000},        unit{"us", 1'000},         unit{"ns", 1}};

template <class T>
value_or_reason<T> read_whole(std::string_view text, T min, T max) {
    T value{};
    const char* end = text.data() + text.size();
    const auto [stopped_at, error] = std::from_chars(text.data(), end, value);
    const bool beyond = error == std::errc::result_out_of_range;
    const bool negative = std::is_unsigned_v<T> && text.starts_with('-');
    if (!beyond && !negative && (error != std::errc() || stopped_at != end)) {
        return std::unexpected(fmt::format("not a whole number; give one from {} to {}", min, max));
    }
    if (beyond || negative || value < min || value > max) {
        return std::unexpected(fmt::format("out of range; give a whole number from {} to {}", min, max));
    }
    return value;
}

struct number_and_rest {
    double number;
    std::string_view rest;
};

std::optional<number_and_rest> split_number(std::string_view text) {
    double number = 0;
    const char* end = text.data() + text.size();
    const auto [stopped_at, error] = std::from_chars(text.data(), end, number, std::chars_format::fixed);
    if (error != std::errc() || !std::isfinite(number) || number < 0) {
        return std::nullopt;
    }
    return number_and_rest{number, std::string_view(stopped_at, end)};
}

// The largest unit that divides the value, so that nothing is rounded away.
std::string write_with_unit(std::uint64_t value, std::span<const unit> units) {
    for (const unit& each : units) {
        if (value >= each.factor && value % each.factor == 0) {
            return fmt::format("{}{}", value / each.factor, each.name);
        }
    }
    return fmt::format("{}", value);
}

// Edits (insert, delete, replace, swap neighbours) between two names.
std::size_t edit_distance(std::string_view a, std::string_view b) {
    std::vector<std::size_t> before(b.size() + 1);
    std::vector<std::size_t> last(b.size() + 1);
    std::vector<std::size_t> row(b.size() + 1);
    std::iota(last.begin(), last.end(), 0U);
    for (std::size_t i = 1; i <= a.size(); ++i) {
        row[0] = i;
        for (std::size_t j = 1; j <= b.size(); ++j) {
            row[j] = std::min({last[j] + 1, row[j - 1] + 1, last[j - 1] + (a[i - 1] == b[j - 1] ? 0U : 1U)});
            if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1]) {
                row[j] = std::min(row[j], before[j - 2] + 1);
            }
        }
        std::swap(before, last);
        std::swap(last, row);
    }
    return last[b.size()];
}

}  // namespace

value_or_reason<std::int64_t> read_signed(std::string_view text, std::int64_t min, std::int64_t max) {
    return read_whole(text, min, max);
}

value_or_reason<std::uint64_t> read_unsigned(std::string_view text, std::uint64_t min, std::uint64_t max) {
    return read_whole(text, min, max);
}

value_or_reason<double> read_double(std::string_view text) {
    double value = 0;
    const char* end = text.data() + text.size();
    const auto [stopped_at, error] = std::from_chars(text.data(), end, value);
    if (error != std::errc() || stopped_at != end || !std::isfinite(value)) {
        return std::unexpected(std::string("not a number; give one such as 0.5"));
    }
    return value;
}

value_or_reason<bool> read_bool(std::string_view text) {
    for (const std::string_view yes : {"yes", "true", "on", "1"}) {
        if (text == yes) {
            return true;
        }
    }
    for (const std::string_view no : {"no", "false", "off", "0"}) {
        if (text == no) {
            return false;
        }
    }
    return std::unexpected(std::string("neither yes nor no; give one of these"));
}

value_or_reason<std::uint64_t> read_size(std::string_view text) {
    const auto wrong = [] {
        return std::unexpected(std::string("not a size; give bytes, or a number with K, M, G or T"));
    };
    auto parts = split_number(text);
    if (!parts) {
        return wrong();
    }
    std::uint64_t factor = 1;
    if (!parts->rest.empty()) {
        const char letter = static_cast<char>(std::toupper(static_cast<unsigned char>(parts->rest[0])));
        for (const unit& each : size_units) {
            if (letter == each.name[0]) {
                factor = each.factor;
            }
        }
        const std::string_view rest = parts->rest.substr(factor > 1 ? 1 : 0);
        if (!rest.empty() && rest != "B" && (rest != "iB" || factor == 1)) {
            return wrong();
        }
    }
    if (factor == 1) {
        return read_unsigned(text.substr(0, text.size() - parts->rest.size()), 0,
                             std::numeric_limits<std::uint64_t>::max());
    }
    const double bytes = parts->number * static_cast<double>(factor);
    if (bytes >= 0x1p63) {
        return std::unexpected(std::string("out of range; give a size below 8388608T"));
    }
    return static_cast<std::uint64_t>(bytes);
}

std::string write_size(std::uint64_t bytes) {
    return write_with_unit(bytes, size_units);
}

value_or_reason<duration> read_duration(std::string_view text) {
    const auto parts = split_number(text);
    if (parts && parts->number == 0 && parts->rest.empty()) {
        return duration::zero();
    }
    for (const unit& each : time_units) {
        if (parts && parts->rest == each.name) {
            const double ns = parts->number * static_cast<double>(each.factor);
            if (ns >= 0x1p62) {
                return std::unexpected(std::string("out of range; give a time below 146 years"));
            }
            return duration(static_cast<duration::rep>(std::llround(ns)));
        }
    }
    return std::unexpected(parts && parts->rest.empty()
                               ? std::string("a time without its unit; give ns, us, ms, s, m or h behind it")
                               : std::string("not a time; give a number with ns, us, ms, s, m or h behind it"));
}

std::string write_duration(duration value) {
    return value.count() <= 0 ? "0" : write_with_unit(static_cast<std::uint64_t>(value.count()), time_units);
}

std::string_view nearest_name(std::string_view wrong, std::span<const std::string> names) {
    constexpr std::size_t abbreviation_min = 5;  // dashes counted
    if (wrong.size() >= abbreviation_min) {
        const auto whole =
            std::ranges::find_if(names, [&](const std::string& name) { return name.starts_with(wrong); });
        if (whole != names.end()) {
            return *whole;
        }
    }
    std::string_view best;
    std::size_t best_distance = std::max<std::size_t>(1, wrong.size() / 3) + 1;
    for (const std::string& name : names) {
        const std::size_t distance = edit_distance(wrong, name);
        if (distance < best_distance) {
            best_distance = distance;
            best = name;
        }
    }
    return best;
}

}  // namespace shale::detail
