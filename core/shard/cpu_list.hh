// Lists of CPUs as Linux writes them: "0-3,8".
//
// The kernel (/sys, /proc, cgroup files), taskset, container tools and our own --cpuset all speak this form, so one
// reader and one writer serve them all. Order and repetition are kept by the reader for callers who care about what
// a person wrote; the writer sorts nothing and folds neighbours that ascend. Pure: reads no file.
#pragma once

#include <expected>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace shale {

/// A CPU number above this is a slip of the pen: Linux itself stops at 8192.
inline constexpr unsigned cpu_index_max = 8191;

/// Reads "0-3,8" as 0 1 2 3 8, in the order written; spaces and a final newline are ignored, an empty text is an
/// empty list. The error is the reason alone, for the caller to put behind what it was reading.
std::expected<std::vector<unsigned>, std::string> parse_cpu_list(std::string_view text);

/// Writes 0 1 2 3 8 as "0-3,8" and nothing as "none".
std::string format_cpu_list(std::span<const unsigned> cpus);

}  // namespace shale
