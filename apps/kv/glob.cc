// Patterns as KEYS and SCAN MATCH take them. Iterative, so that no pattern a client sends can exhaust the stack.
#include "glob.hh"

#include <cstddef>
#include <utility>

namespace shale::kv {

namespace {

char folded(char c, bool ignore_case) noexcept {
    return ignore_case && c >= 'A' && c <= 'Z' ? static_cast<char>(c + ('a' - 'A')) : c;
}

// Matches one character against the class at pattern[at] (behind the bracket); moves `at` behind the class.
bool match_class(std::string_view pattern, std::size_t& at, char c, bool ignore_case) noexcept {
    const bool negated = at < pattern.size() && pattern[at] == '^';
    at += negated ? 1 : 0;
    c = folded(c, ignore_case);
    bool matched = false;
    while (at < pattern.size() && pattern[at] != ']') {
        if (pattern[at] == '\\' && at + 1 < pattern.size()) {
            matched |= pattern[at + 1] == c;
            at += 2;
        } else if (at + 2 < pattern.size() && pattern[at + 1] == '-') {
            auto low = static_cast<unsigned char>(folded(pattern[at], ignore_case));
            auto high = static_cast<unsigned char>(folded(pattern[at + 2], ignore_case));
            if (low > high) {
                std::swap(low, high);
            }
            const auto code = static_cast<unsigned char>(c);
            matched |= code >= low && code <= high;
            at += 3;
        } else {
            matched |= folded(pattern[at], ignore_case) == c;
            ++at;
        }
    }
    at += at < pattern.size() ? 1 : 0;
    return matched != negated;
}

// Matches one character of the text; moves `at` behind what it took of the pattern.
bool match_one(std::string_view pattern, std::size_t& at, char c, bool ignore_case) noexcept {
    switch (pattern[at]) {
        case '?':
            ++at;
            return true;
        case '[':
            ++at;
            return match_class(pattern, at, c, ignore_case);
        case '\\':
            at += at + 1 < pattern.size() ? 1 : 0;
            break;
        default:
            break;
    }
    return folded(pattern[at++], ignore_case) == folded(c, ignore_case);
}

}  // namespace

bool glob_match(std::string_view pattern, std::string_view text, bool ignore_case) noexcept {
    // After a mismatch only the last star can take more: no earlier choice matters.
    std::size_t p = 0;
    std::size_t t = 0;
    std::size_t star_p = std::string_view::npos;
    std::size_t star_t = 0;
    while (t < text.size()) {
        if (p < pattern.size() && pattern[p] == '*') {
            star_p = ++p;
            star_t = t;
            continue;
        }
        if (p < pattern.size() && match_one(pattern, p, text[t], ignore_case)) {
            ++t;
            continue;
        }
        if (star_p == std::string_view::npos) {
            return false;
        }
        p = star_p;
        t = ++star_t;
    }
    while (p < pattern.size() && pattern[p] == '*') {
        ++p;
    }
    return p == pattern.size();
}

bool glob_is_everything(std::string_view pattern) noexcept {
    return pattern == "*";
}

}  // namespace shale::kv
