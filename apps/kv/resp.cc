// The request parser: a state machine over bytes that keeps its place, so that no byte is looked at twice however the
// input was cut. Errors are Redis' own words.
#include "resp.hh"

#include <cstring>
#include <utility>

#include "number.hh"

namespace shale::kv {

namespace {

// A vector that one huge command has grown is given back.
constexpr std::size_t arguments_kept_max = 4096;
constexpr std::size_t unquoted_kept_max = 16 * 1024;

bool is_space(char c) noexcept {
    return c == ' ' || (c >= '\t' && c <= '\r');
}

int hex_digit(char c) noexcept {
    if (c >= '0' && c <= '9') {
        return c - '0';
    }
    const char lower = static_cast<char>(c | 0x20);
    return lower >= 'a' && lower <= 'f' ? lower - 'a' + 10 : -1;
}

// Appends what the escape at line[at] (a backslash inside double quotes) stands for; returns the index behind it.
std::size_t unescape(std::string_view line, std::size_t at, std::string& text) {
    const auto digit = [&](std::size_t i) { return i < line.size() ? hex_digit(line[i]) : -1; };
    if (line[at + 1] == 'x' && digit(at + 2) >= 0 && digit(at + 3) >= 0) {
        text += static_cast<char>(digit(at + 2) * 16 + digit(at + 3));
        return at + 4;
    }
    switch (const char c = line[at + 1]; c) {
        case 'n':
            text += '\n';
            break;
        case 'r':
            text += '\r';
            break;
        case 't':
            text += '\t';
            break;
        case 'b':
            text += '\b';
            break;
        case 'a':
            text += '\a';
            break;
        default:
            text += c;
    }
    return at + 2;
}

// Appends the quoted text that starts behind line[at], a quote; false when it does not end properly.
bool unquote(std::string_view line, std::size_t& at, std::string& text) {
    const char quote = line[at++];
    while (at < line.size() && line[at] != quote) {
        if (line[at] == '\\' && quote == '"' && at + 1 < line.size()) {
            at = unescape(line, at, text);
        } else if (line[at] == '\\' && quote == '\'' && at + 1 < line.size() && line[at + 1] == '\'') {
            text += '\'';
            at += 2;
        } else {
            text += line[at++];
        }
    }
    if (at == line.size()) {
        return false;
    }
    ++at;
    return at == line.size() || is_space(line[at]);
}

}  // namespace

bool split_arguments(std::string_view line, std::string& text, std::vector<std::size_t>& ends) {
    line = line.substr(0, line.find('\0'));
    std::size_t at = 0;
    while (true) {
        while (at < line.size() && is_space(line[at])) {
            ++at;
        }
        if (at == line.size()) {
            return true;
        }
        while (at < line.size() && !is_space(line[at])) {
            if (line[at] == '"' || line[at] == '\'') {
                if (!unquote(line, at, text)) {
                    return false;
                }
                break;
            }
            text += line[at++];
        }
        ends.push_back(text.size());
    }
}

request_parser::status request_parser::parse(std::string_view input) {
    if (state_ != state::start && input.data() != input_.data()) {
        const char* const before = input_.data();
        for (std::string_view& argument : arguments_) {
            argument = {input.data() + (argument.data() - before), argument.size()};
        }
    }
    input_ = input;
    switch (state_) {
        case state::start:
            return parse_start();
        case state::inline_line:
            return parse_inline();
        case state::count_line:
            return parse_count();
        case state::length_line:
        case state::data:
            break;
    }
    return parse_arguments();
}

request_parser::status request_parser::parse_start() {
    position_ = 0;
    scanned_ = 0;
    arguments_.clear();
    if (input_.empty()) {
        return wait(1);
    }
    if (input_.front() != '*') {
        state_ = state::inline_line;
        return parse_inline();
    }
    position_ = 1;
    scanned_ = 1;
    state_ = state::count_line;
    return parse_count();
}

request_parser::status request_parser::parse_inline() {
    const void* const found = std::memchr(input_.data() + scanned_, '\n', input_.size() - scanned_);
    if (found == nullptr) {
        scanned_ = input_.size();
        return input_.size() > limits_.line_bytes_max ? fail("Protocol error: too big inline request") : wait(1);
    }
    const auto length = static_cast<std::size_t>(static_cast<const char*>(found) - input_.data());
    std::string_view line = input_.substr(0, length);
    if (line.ends_with('\r')) {
        line.remove_suffix(1);
    }
    if (unquoted_.capacity() > unquoted_kept_max) {
        std::string().swap(unquoted_);
    }
    unquoted_.clear();
    std::vector<std::size_t> ends;
    if (!split_arguments(line, unquoted_, ends)) {
        return fail("Protocol error: unbalanced quotes in request");
    }
    std::size_t begin = 0;
    for (const std::size_t end : ends) {
        arguments_.emplace_back(unquoted_.data() + begin, end - begin);
        begin = end;
    }
    return command(length + 1);
}

// Finds the line at position_ and steps behind its CR LF (Redis does not look at what follows the CR either).
bool request_parser::find_line(std::string_view& line, const char* too_long, status& verdict) {
    const char* const data = input_.data();
    const void* const found =
        scanned_ < input_.size() ? std::memchr(data + scanned_, '\r', input_.size() - scanned_) : nullptr;
    if (found == nullptr) {
        scanned_ = input_.size();
        const bool over = input_.size() - position_ > limits_.line_bytes_max;
        verdict = over ? fail(too_long) : wait(1);
        return false;
    }
    const auto end = static_cast<std::size_t>(static_cast<const char*>(found) - data);
    if (end + 2 > input_.size()) {
        scanned_ = end;
        verdict = wait(1);
        return false;
    }
    line = input_.substr(position_, end - position_);
    position_ = end + 2;
    scanned_ = position_;
    return true;
}

request_parser::status request_parser::parse_count() {
    std::string_view line;
    status verdict;
    if (!find_line(line, "Protocol error: too big mbulk count string", verdict)) {
        return verdict;
    }
    const auto count = parse_integer(line);
    if (!count || *count > limits_.arguments_max) {
        return fail("Protocol error: invalid multibulk length");
    }
    if (*count <= 0) {
        return command(position_);
    }
    if (arguments_.capacity() > arguments_kept_max) {
        std::vector<std::string_view>().swap(arguments_);
    }
    arguments_left_ = *count;
    state_ = state::length_line;
    return parse_arguments();
}

request_parser::status request_parser::parse_arguments() {
    while (true) {
        if (state_ == state::length_line) {
            if (position_ < input_.size() && input_[position_] != '$') {
                return fail(std::string("Protocol error: expected '$', got '") + input_[position_] + '\'');
            }
            std::string_view line;
            status verdict;
            if (!find_line(line, "Protocol error: too big bulk count string", verdict)) {
                return verdict;
            }
            const auto length = parse_integer(line.substr(1));
            if (!length || *length < 0 || *length > limits_.bulk_bytes_max) {
                return fail("Protocol error: invalid bulk length");
            }
            bulk_length_ = static_cast<std::size_t>(*length);
            state_ = state::data;
        }
        const std::size_t end = position_ + bulk_length_ + 2;
        if (end > input_.size()) {
            return wait(end - input_.size());
        }
        arguments_.push_back(input_.substr(position_, bulk_length_));
        position_ = end;
        scanned_ = end;
        state_ = state::length_line;
        if (--arguments_left_ == 0) {
            return command(position_);
        }
    }
}

request_parser::status request_parser::command(std::size_t consumed) {
    consumed_ = consumed;
    state_ = state::start;
    return status::command;
}

request_parser::status request_parser::wait(std::size_t needed) {
    needed_ = needed;
    return status::need_more;
}

request_parser::status request_parser::fail(std::string text) {
    error_ = std::move(text);
    return status::error;
}

}  // namespace shale::kv
