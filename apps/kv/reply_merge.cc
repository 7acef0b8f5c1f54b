// Putting the parts of a reply together that came from several shards: sums, concatenations, first errors.
#include "reply_merge.hh"

#include <algorithm>

#include <shale/core/base/assert.hh>

#include "number.hh"

namespace shale::kv {

namespace {

std::size_t line_end(std::string_view replies, std::size_t from) noexcept {
    const std::size_t end = replies.find("\r\n", from);
    SHALE_ASSERT(end != std::string_view::npos, "a reply without an end");
    return end + 2;
}

}  // namespace

std::int64_t reply_number(std::string_view reply) noexcept {
    return parse_integer(reply.substr(1, reply.find('\r') - 1)).value_or(0);
}

std::size_t reply_end(std::string_view replies, std::size_t from) noexcept {
    std::size_t at = from;
    // Elements that are still to be passed over.
    for (std::int64_t left = 1; left > 0; --left) {
        const char type = replies[at];
        const std::int64_t number = reply_number(replies.substr(at));
        at = line_end(replies, at);
        switch (type) {
            case '$':
            case '=':
                at += number >= 0 ? static_cast<std::size_t>(number) + 2 : 0;
                break;
            case '*':
            case '~':
            case '>':
                left += std::max<std::int64_t>(number, 0);
                break;
            case '%':
                left += 2 * number;
                break;
            default:
                break;
        }
    }
    return at;
}

std::string_view reply_text(std::string_view reply) noexcept {
    const auto size = static_cast<std::size_t>(std::max<std::int64_t>(reply_number(reply), 0));
    const std::size_t prefix = reply.starts_with('=') ? 4 : 0;  // txt:
    return reply.substr(line_end(reply, 0) + prefix, size - prefix);
}

std::vector<std::int64_t> reply_numbers(std::string_view reply) {
    std::vector<std::int64_t> numbers;
    for (std::size_t at = line_end(reply, 0); at < reply.size(); at = line_end(reply, at)) {
        numbers.push_back(reply_number(reply.substr(at)));
    }
    return numbers;
}

std::vector<std::string_view> reply_texts(std::string_view reply) {
    std::vector<std::string_view> texts;
    for (std::size_t at = line_end(reply, 0); at < reply.size();) {
        const std::size_t end = reply_end(reply, at);
        texts.push_back(reply_text(reply.substr(at, end - at)));
        at = end;
    }
    return texts;
}

namespace {

void interleave(std::span<const std::string_view> parts, std::span<const unsigned> order, reply& out) {
    std::vector<std::size_t> at(parts.size());
    for (std::size_t i = 0; i < parts.size(); ++i) {
        at[i] = line_end(parts[i], 0);
    }
    out.array(order.size());
    for (const unsigned part : order) {
        const std::size_t end = reply_end(parts[part], at[part]);
        out.out().append(parts[part].substr(at[part], end - at[part]));
        at[part] = end;
    }
}

}  // namespace

void merge_replies(merge how, std::span<const std::string_view> parts, std::span<const unsigned> order, reply& out) {
    const auto failed = std::find_if(parts.begin(), parts.end(), is_error);
    if (failed != parts.end()) {
        out.out().append(*failed);
        return;
    }
    switch (how) {
        case merge::sum: {
            std::int64_t sum = 0;
            for (const std::string_view part : parts) {
                sum += reply_number(part);
            }
            out.integer(sum);
            break;
        }
        case merge::interleave:
            interleave(parts, order, out);
            break;
        case merge::texts: {
            std::string all;
            for (const std::string_view part : parts) {
                all += reply_text(part);
            }
            out.verbatim("txt", all);
            break;
        }
        case merge::none:
        case merge::first:
            out.out().append(parts.front());
            break;
    }
}

}  // namespace shale::kv
