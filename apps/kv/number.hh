// Numbers as Redis reads and writes them in arguments and values.
//
// Redis accepts exactly one spelling of an integer (no sign but '-', no leading zeros, no spaces), so that a value that
// parses can be written back unchanged; and it prints the results of INCRBYFLOAT with 17 digits after the point and
// without trailing zeros or exponent. Clients depend on both.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string_view>

namespace shale::kv {

/// The longest text of any integer, and of any float that format_float() gives.
inline constexpr unsigned integer_text_max = 20;
inline constexpr unsigned float_text_max = 5 * 1024;

/// The integer that `text` spells in the only accepted way, or nothing.
std::optional<std::int64_t> parse_integer(std::string_view text) noexcept;

/// A decimal or hexadecimal float, also inf, as strtold reads it: the whole text, no leading space, not NaN.
std::optional<long double> parse_float(std::string_view text) noexcept;

/// Writes `value` into `space` (integer_text_max bytes suffice) and returns the text.
std::string_view format_integer(std::int64_t value, std::span<char> space) noexcept;

/// The text of a finite float as INCRBYFLOAT answers it; `space` has float_text_max bytes.
std::string_view format_float(long double value, std::span<char> space) noexcept;

}  // namespace shale::kv
