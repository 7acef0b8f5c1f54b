// RESP2 and RESP3 as bytes. The two differ only where this file says so; commands do not know which is spoken.
#include "reply.hh"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstring>

#include "number.hh"

namespace shale::kv {

namespace {

constexpr std::size_t header_bytes_max = 1 + integer_text_max + 2;

}  // namespace

void reply::header(char type, std::int64_t value) {
    char* const begin = out_.reserve(header_bytes_max);
    char* at = begin;
    *at++ = type;
    if (value >= 0 && value < 10) {
        *at++ = static_cast<char>('0' + value);
    } else {
        at += format_integer(value, {at, integer_text_max}).size();
    }
    *at++ = '\r';
    *at++ = '\n';
    out_.commit(static_cast<std::size_t>(at - begin));
}

void reply::simple(std::string_view text) {
    out_.append("+");
    out_.append(text);
    out_.append("\r\n");
}

void reply::error(std::string_view text) {
    char* const begin = out_.reserve(text.size() + 3);
    begin[0] = '-';
    for (std::size_t i = 0; i < text.size(); ++i) {
        begin[i + 1] = text[i] == '\r' || text[i] == '\n' ? ' ' : text[i];
    }
    begin[text.size() + 1] = '\r';
    begin[text.size() + 2] = '\n';
    out_.commit(text.size() + 3);
}

void reply::bulk(std::string_view text) {
    header('$', static_cast<std::int64_t>(text.size()));
    if (text.size() < 1024) {
        char* const begin = out_.reserve(text.size() + 2);
        std::copy(text.begin(), text.end(), begin);
        std::memcpy(begin + text.size(), "\r\n", 2);
        out_.commit(text.size() + 2);
        return;
    }
    out_.append(text);
    out_.append("\r\n");
}

void reply::bulk_attached(std::string_view text, bytes_owner owner) {
    header('$', static_cast<std::int64_t>(text.size()));
    out_.attach(text, owner);
    out_.append("\r\n");
}

void reply::bulk_integer(std::int64_t value) {
    char space[integer_text_max];
    bulk(format_integer(value, space));
}

void reply::map(std::size_t pairs) {
    if (resp3_) {
        header('%', static_cast<std::int64_t>(pairs));
    } else {
        array(2 * pairs);
    }
}

void reply::number(double value) {
    char space[64];
    std::string_view text = value > 0 ? "inf" : "-inf";
    if (!std::isinf(value)) {
        text = {space, static_cast<std::size_t>(std::snprintf(space, sizeof space, "%.17g", value))};
    }
    if (!resp3_) {
        bulk(text);
        return;
    }
    out_.append(",");
    out_.append(text);
    out_.append("\r\n");
}

void reply::boolean(bool value) {
    if (resp3_) {
        out_.append(value ? "#t\r\n" : "#f\r\n");
    } else {
        integer(value ? 1 : 0);
    }
}

void reply::verbatim(std::string_view format, std::string_view text) {
    if (!resp3_) {
        bulk(text);
        return;
    }
    header('=', static_cast<std::int64_t>(text.size() + 4));
    out_.append(format);
    out_.append(":");
    out_.append(text);
    out_.append("\r\n");
}

}  // namespace shale::kv
