// Replies as a server sends them in RESP2, for clients; without any I/O.
//
// Bytes go in as they come, whole replies come out, in order. Bulk strings are copied: a client of a test keeps what it
// was told. What no server of ours sends is an error, and the stream is beyond repair then.
#pragma once

#include <cstdint>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

namespace shale::kv {

struct reply_value {
    enum class type : std::uint8_t { simple, error, integer, bulk, null, array };

    type what = type::null;
    std::string text = {};                ///< of simple, error (without the dash) and bulk
    std::int64_t number = 0;              ///< of integer
    std::vector<reply_value> items = {};  ///< of array

    /// In a few words, for people.
    std::string to_string() const;
};

/// The server sent what is no reply.
class malformed_reply : public std::runtime_error {
public:
    using std::runtime_error::runtime_error;
};

class reply_parser {
public:
    void feed(std::string_view bytes);

    /// The next reply, once all of it is there. Throws malformed_reply, and must not be called again after that.
    std::optional<reply_value> next();

    /// Bytes fed and not taken by a reply yet.
    std::size_t left() const noexcept { return input_.size() - begin_; }

private:
    std::optional<std::size_t> end_of(std::size_t at, unsigned depth) const;
    std::optional<std::string_view> line_at(std::size_t at) const;
    reply_value take();

    std::string input_;
    std::size_t begin_ = 0;
};

}  // namespace shale::kv
