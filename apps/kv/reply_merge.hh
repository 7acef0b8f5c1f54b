// Making one reply of the replies that several shards gave to the parts of a command.
//
// Works on the bytes of finished replies, in the protocol they were written in. If a shard replied with an error, the
// result is that error.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "command.hh"

namespace shale::kv {

/// Where the reply that begins at `from` ends, with all its elements.
std::size_t reply_end(std::string_view replies, std::size_t from) noexcept;

/// The number behind the type byte of an integer, or of the head of an array or a string.
std::int64_t reply_number(std::string_view reply) noexcept;

/// The bytes of a bulk or verbatim string.
std::string_view reply_text(std::string_view reply) noexcept;

/// The numbers of an array of integers.
std::vector<std::int64_t> reply_numbers(std::string_view reply);

/// The bulk strings of an array.
std::vector<std::string_view> reply_texts(std::string_view reply);

inline bool is_error(std::string_view reply) noexcept {
    return reply.starts_with('-');
}
inline bool is_null(std::string_view reply) noexcept {
    return reply == "$-1\r\n" || reply == "_\r\n";
}

/// Writes the merged reply. For merge::interleave `order` names, for each element, the part it comes from.
void merge_replies(merge how, std::span<const std::string_view> parts, std::span<const unsigned> order, reply& out);

}  // namespace shale::kv
