// Requests as clients send them: RESP arrays of bulk strings and inline commands, without any I/O.
//
// The parser is given all bytes received and not yet consumed, and says whether they begin with a whole command. Its
// arguments are views into those bytes; nothing is copied and, once the argument vector has grown, nothing allocated.
// When a command is incomplete the parser keeps its place: the next call, with the same bytes and more behind them
// (possibly moved elsewhere in memory), goes on where this one stopped, so no byte is looked at twice however the
// stream was cut, and any cut gives the same commands. needed() lets the caller grow its buffer once for a large value.
// Error texts and tolerances (empty lines, quoting) are those of Redis 7.0.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace shale::kv {

struct request_limits {
    std::int64_t bulk_bytes_max = 512ll << 20;  ///< one argument (Redis: proto-max-bulk-len)
    std::int64_t arguments_max = 1024 * 1024;
    std::size_t line_bytes_max = 64 * 1024;  ///< an inline command, or the line with a length
};

class request_parser {
public:
    enum class status : std::uint8_t {
        need_more,  ///< the bytes end before the command does
        command,    ///< arguments() and consumed() are valid; arguments() may be empty (an empty line: no reply)
        error,      ///< the stream is beyond repair: send "-ERR " and error() and close
    };

    explicit request_parser(request_limits limits = {}) : limits_(limits) {}

    /// `input` starts where the last complete command ended. Must not be called again after `error`.
    status parse(std::string_view input);

    /// The last command's arguments: views into the input of the parse() that returned it (or, for an inline command,
    /// into the parser), valid until the next call and as long as that input stays where it is.
    std::span<const std::string_view> arguments() const noexcept { return arguments_; }

    /// Bytes of input that the last command took.
    std::size_t consumed() const noexcept { return consumed_; }

    /// After need_more: at least so many more bytes are to come before the command can be complete.
    std::size_t needed() const noexcept { return needed_; }

    const std::string& error() const noexcept { return error_; }

    /// Takes effect with the next command.
    void set_limits(const request_limits& limits) noexcept { limits_ = limits; }

private:
    enum class state : std::uint8_t { start, inline_line, count_line, length_line, data };

    status parse_start();
    status parse_inline();
    status parse_count();
    status parse_arguments();
    bool find_line(std::string_view& line, const char* too_long, status& verdict);
    status command(std::size_t consumed);
    status wait(std::size_t needed);
    status fail(std::string text);

    request_limits limits_;
    std::string_view input_;
    std::size_t position_ = 0;  // everything before it is understood
    std::size_t scanned_ = 0;   // no end of line between position_ and here
    std::size_t consumed_ = 0;
    std::size_t needed_ = 0;
    std::int64_t arguments_left_ = 0;
    std::size_t bulk_length_ = 0;
    std::vector<std::string_view> arguments_;
    std::string unquoted_;  // the arguments of an inline command
    std::string error_;
    state state_ = state::start;
};

/// Splits a line into arguments by Redis' quoting rules, each appended to `text` and delimited by its end in `ends`;
/// false when a quote is not closed or not followed by a space. Of configuration files and inline commands.
bool split_arguments(std::string_view line, std::string& text, std::vector<std::size_t>& ends);

}  // namespace shale::kv
