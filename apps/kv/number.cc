// Numbers as Redis reads and writes them: what it refuses is refused, and doubles print as it prints them.
#include "number.hh"

#include <cerrno>
#include <charconv>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <cstring>

namespace shale::kv {

std::optional<std::int64_t> parse_integer(std::string_view text) noexcept {
    const bool negative = !text.empty() && text.front() == '-';
    const std::string_view digits = text.substr(negative ? 1 : 0);
    if (digits.empty() || digits.size() > 19) {
        return std::nullopt;
    }
    if (digits.front() == '0') {
        return text.size() == 1 ? std::optional<std::int64_t>(0) : std::nullopt;
    }
    std::uint64_t magnitude = 0;
    for (const char c : digits) {
        const unsigned digit = static_cast<unsigned char>(c) - unsigned{'0'};
        if (digit > 9) {
            return std::nullopt;
        }
        magnitude = magnitude * 10 + digit;  // 19 digits cannot wrap 64 bits
    }
    constexpr std::uint64_t limit = std::uint64_t{1} << 63;
    if (magnitude > limit - (negative ? 0 : 1)) {
        return std::nullopt;
    }
    return static_cast<std::int64_t>(negative ? std::uint64_t{0} - magnitude : magnitude);
}

std::optional<long double> parse_float(std::string_view text) noexcept {
    char copy[float_text_max];
    if (text.empty() || text.size() >= sizeof copy || std::memchr(" \t\n\v\f\r", text.front(), 6) != nullptr) {
        return std::nullopt;
    }
    std::memcpy(copy, text.data(), text.size());
    copy[text.size()] = '\0';
    char* end = nullptr;
    const int saved = errno;
    errno = 0;
    const long double value = std::strtold(copy, &end);
    const bool out_of_range =
        errno == ERANGE && (value == HUGE_VALL || value == -HUGE_VALL || std::fpclassify(value) == FP_ZERO);
    errno = saved;
    if (end != copy + text.size() || out_of_range || std::isnan(value)) {
        return std::nullopt;
    }
    return value;
}

std::string_view format_integer(std::int64_t value, std::span<char> space) noexcept {
    const auto done = std::to_chars(space.data(), space.data() + space.size(), value);
    return {space.data(), static_cast<std::size_t>(done.ptr - space.data())};
}

std::string_view format_float(long double value, std::span<char> space) noexcept {
    const int printed = std::snprintf(space.data(), space.size(), "%.17Lf", value);
    std::string_view text(space.data(), static_cast<std::size_t>(printed));
    text = text.substr(0, text.find_last_not_of('0') + 1);
    if (text.ends_with('.')) {
        text.remove_suffix(1);
    }
    return text == "-0" ? std::string_view("0") : text;
}

}  // namespace shale::kv
