// A parser that believes what it sees and checks only that it stays inside: the real one (resp.hh) comes behind it.
#include "look_ahead.hh"

namespace shale::kv {

namespace {

constexpr std::size_t digits_max = 9;
constexpr std::size_t arguments_max = 16;  // or the glance were no glance

/// Takes "<mark><number>\r\n" off the front of `rest`; false when that is not what is there.
bool take_number(std::string_view& rest, char mark, std::size_t& number) noexcept {
    if (rest.empty() || rest.front() != mark) {
        return false;
    }
    std::size_t at = 1;
    number = 0;
    for (; at < rest.size() && at <= digits_max && rest[at] >= '0' && rest[at] <= '9'; ++at) {
        number = number * 10 + static_cast<std::size_t>(rest[at] - '0');
    }
    if (at == 1 || at + 2 > rest.size() || rest[at] != '\r') {
        return false;
    }
    rest.remove_prefix(at + 2);
    return true;
}

/// Takes one command off the front of `rest`; `key` is its second argument, or empty when it has none.
bool take_command(std::string_view& rest, std::string_view& key) noexcept {
    std::size_t arguments = 0;
    if (!take_number(rest, '*', arguments) || arguments > arguments_max) {
        return false;
    }
    key = {};
    for (std::size_t i = 0; i < arguments; ++i) {
        std::size_t length = 0;
        if (!take_number(rest, '$', length) || length + 2 > rest.size()) {
            return false;
        }
        if (i == 1) {
            key = rest.substr(0, length);
        }
        rest.remove_prefix(length + 2);
    }
    return true;
}

}  // namespace

std::size_t glance(std::string_view input, std::span<std::string_view, glance_max> keys) noexcept {
    std::size_t count = 0;
    std::string_view key;
    while (count < keys.size() && take_command(input, key)) {
        keys[count++] = key;
    }
    return count;
}

}  // namespace shale::kv
