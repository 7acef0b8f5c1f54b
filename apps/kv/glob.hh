// Patterns as KEYS, SCAN MATCH and CONFIG GET take them: `*`, `?`, `[a-c]`, `[^a]`, and `\` before any of them.
//
// The rules, also for unfinished classes, are those of Redis' stringmatchlen(). Time is bounded: a pattern with many
// stars costs at most the product of both lengths.
#pragma once

#include <string_view>

namespace shale::kv {

bool glob_match(std::string_view pattern, std::string_view text, bool ignore_case = false) noexcept;

/// Whether the pattern is a lone star; then matching can be avoided.
bool glob_is_everything(std::string_view pattern) noexcept;

}  // namespace shale::kv
