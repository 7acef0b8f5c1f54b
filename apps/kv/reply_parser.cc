// Measures first and builds then, so that a reply which comes in a thousand pieces is copied once.
#include "reply_parser.hh"

#include <fmt/format.h>

#include <charconv>

namespace shale::kv {

namespace {

constexpr std::size_t line_max = 64 * 1024;
constexpr std::int64_t bulk_max = std::int64_t{512} << 20;
constexpr std::int64_t items_max = 1 << 20;
constexpr unsigned depth_max = 8;

std::int64_t number_of(std::string_view text, std::int64_t low, std::int64_t high) {
    std::int64_t value = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
    if (error != std::errc() || end != text.data() + text.size() || value < low || value > high) {
        throw malformed_reply(fmt::format("'{}' is no number of {} to {}", text.substr(0, 64), low, high));
    }
    return value;
}

}  // namespace

std::string reply_value::to_string() const {
    switch (what) {
        case type::simple:
            return "+" + text;
        case type::error:
            return "-" + text;
        case type::integer:
            return fmt::format(":{}", number);
        case type::bulk:
            return fmt::format("{} bytes", text.size());
        case type::null:
            return "nil";
        case type::array:
            return fmt::format("an array of {}", items.size());
    }
    return "?";
}

void reply_parser::feed(std::string_view bytes) {
    if (begin_ > 0 && begin_ >= input_.size() / 2) {
        input_.erase(0, begin_);
        begin_ = 0;
    }
    input_.append(bytes);
}

// Without its type and its end.
std::optional<std::string_view> reply_parser::line_at(std::size_t at) const {
    const std::size_t end = input_.find("\r\n", at);
    if (end == std::string::npos) {
        if (input_.size() - at > line_max) {
            throw malformed_reply("a line without end");
        }
        return std::nullopt;
    }
    return std::string_view(input_).substr(at + 1, end - at - 1);
}

std::optional<std::size_t> reply_parser::end_of(std::size_t at, unsigned depth) const {
    if (at >= input_.size()) {
        return std::nullopt;
    }
    const auto line = line_at(at);
    if (!line) {
        return std::nullopt;
    }
    std::size_t end = at + 1 + line->size() + 2;
    switch (input_[at]) {
        case '+':
        case '-':
            return end;
        case ':':
            number_of(*line, INT64_MIN, INT64_MAX);
            return end;
        case '$': {
            const std::int64_t size = number_of(*line, -1, bulk_max);
            if (size < 0) {
                return end;
            }
            end += static_cast<std::size_t>(size) + 2;
            if (end > input_.size()) {
                return std::nullopt;
            }
            if (std::string_view(input_).substr(end - 2, 2) != "\r\n") {
                throw malformed_reply(fmt::format("a bulk string of {} bytes without its end", size));
            }
            return end;
        }
        case '*': {
            if (depth == depth_max) {
                throw malformed_reply("arrays in arrays without end");
            }
            for (std::int64_t left = number_of(*line, -1, items_max); left > 0; --left) {
                const auto item = end_of(end, depth + 1);
                if (!item) {
                    return std::nullopt;
                }
                end = *item;
            }
            return end;
        }
        default:
            throw malformed_reply(fmt::format("no reply begins with byte {}", static_cast<unsigned char>(input_[at])));
    }
}

// Of a reply that is all there.
reply_value reply_parser::take() {
    const char kind = input_[begin_];
    const std::string line(*line_at(begin_));
    begin_ += line.size() + 3;
    reply_value taken;
    switch (kind) {
        case '+':
        case '-':
            taken.what = kind == '+' ? reply_value::type::simple : reply_value::type::error;
            taken.text = line;
            break;
        case ':':
            taken.what = reply_value::type::integer;
            taken.number = number_of(line, INT64_MIN, INT64_MAX);
            break;
        case '$':
            if (const auto size = number_of(line, -1, bulk_max); size >= 0) {
                taken.what = reply_value::type::bulk;
                taken.text = input_.substr(begin_, static_cast<std::size_t>(size));
                begin_ += static_cast<std::size_t>(size) + 2;
            }
            break;
        default:
            if (std::int64_t left = number_of(line, -1, items_max); left >= 0) {
                taken.what = reply_value::type::array;
                for (; left > 0; --left) {
                    taken.items.push_back(take());
                }
            }
    }
    return taken;
}

std::optional<reply_value> reply_parser::next() {
    if (!end_of(begin_, 0)) {
        return std::nullopt;
    }
    return take();
}

}  // namespace shale::kv
