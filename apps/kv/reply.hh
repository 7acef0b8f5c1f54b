// Replies in RESP2 or RESP3, written straight into a connection's output.
//
// One call a reply element; the caller writes exactly as many elements as it announced. What RESP2 lacks becomes what
// Redis 7.0 sends instead: a map an array of twice the length, a double a bulk string, a bool an integer. Scalars are
// one reservation and one copy; values of attach_bytes_min and more are not copied when the caller can lend them.
#pragma once

#include <fmt/core.h>

#include <cstdint>
#include <string_view>
#include <utility>

#include "output.hh"

namespace shale::kv {

class reply {
public:
    /// From this size on a value is lent to the output instead of copied.
    static constexpr std::size_t attach_bytes_min = 16 * 1024;

    reply(output& out, bool resp3) noexcept : out_(out), resp3_(resp3) {}

    bool resp3() const noexcept { return resp3_; }
    void set_resp3(bool resp3) noexcept { resp3_ = resp3; }
    output& out() noexcept { return out_; }

    void ok() { out_.append("+OK\r\n"); }
    void simple(std::string_view text);

    /// `text` with its code word and without the dash: "ERR syntax error". Line ends in it become spaces.
    void error(std::string_view text);
    template <class... Args>
    void error_format(fmt::format_string<Args...> format, Args&&... args) {
        error(fmt::format(format, std::forward<Args>(args)...));
    }

    void integer(std::int64_t value) { header(':', value); }
    void bulk(std::string_view text);
    /// The head and tail of a bulk string whose bytes the caller lends.
    void bulk_attached(std::string_view text, bytes_owner owner);
    void bulk_integer(std::int64_t value);
    void null() { out_.append(resp3_ ? std::string_view("_\r\n") : std::string_view("$-1\r\n")); }
    void null_array() { out_.append(resp3_ ? std::string_view("_\r\n") : std::string_view("*-1\r\n")); }

    void array(std::size_t count) { header('*', static_cast<std::int64_t>(count)); }
    void map(std::size_t pairs);
    void set(std::size_t count) { header(resp3_ ? '~' : '*', static_cast<std::int64_t>(count)); }
    void push(std::size_t count) { header(resp3_ ? '>' : '*', static_cast<std::int64_t>(count)); }

    void number(double value);
    void boolean(bool value);
    /// `format` is three letters: txt or mkd.
    void verbatim(std::string_view format, std::string_view text);

private:
    void header(char type, std::int64_t value);

    output& out_;
    bool resp3_;
};

}  // namespace shale::kv
