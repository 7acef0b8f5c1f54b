// A glance at the commands to come, so that the memory they will look at is under way when they run.
//
// A key that was not used lately costs a GET two or three trips to memory, one behind the other: more than the rest of
// the command. Commands of one pipeline, and of clients that are served in one turn, make them side by side. It is a
// glance and nothing more: what does not look like an array of bulk strings with a key in the second ends it, and the
// parser says what is wrong with it.
#pragma once

#include <cstddef>
#include <span>
#include <string_view>

namespace shale::kv {

/// Commands that are looked at together: enough to hide a trip to memory, few enough for the first-level cache.
inline constexpr std::size_t glance_max = 16;

/// Writes the second argument of each whole command at the front of `input` to `keys` and returns how many they are.
/// The keys are views into `input`.
std::size_t glance(std::string_view input, std::span<std::string_view, glance_max> keys) noexcept;

}  // namespace shale::kv
