// Reading and writing the values of options: numbers, sizes, durations, yes and no, and the name that was meant.
//
// Each reader gives the value, or the reason why not with what would have been right, to be put behind the option's
// name and the text that was written. Each writer gives the shortest text that the reader takes back.
#pragma once

#include <cstdint>
#include <expected>
#include <span>
#include <string>
#include <string_view>

#include "../../base/time.hh"

namespace shale::detail {

template <class T>
using value_or_reason = std::expected<T, std::string>;

value_or_reason<std::int64_t> read_signed(std::string_view text, std::int64_t min, std::int64_t max);
value_or_reason<std::uint64_t> read_unsigned(std::string_view text, std::uint64_t min, std::uint64_t max);
value_or_reason<double> read_double(std::string_view text);
value_or_reason<bool> read_bool(std::string_view text);

/// Bytes: "4096", "64K", "64M", "2G", "1T", also with "iB" or "B" behind; units of 1024.
value_or_reason<std::uint64_t> read_size(std::string_view text);
std::string write_size(std::uint64_t bytes);

/// "500us", "20ms", "1.5s", "2m", "1h"; a bare number other than 0 lacks its unit.
value_or_reason<duration> read_duration(std::string_view text);
std::string write_duration(duration value);

/// The name nearest to `wrong` by edits, or empty when none is near enough to be what was meant.
std::string_view nearest_name(std::string_view wrong, std::span<const std::string> names);

}  // namespace shale::detail
