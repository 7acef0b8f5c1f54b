// Commands over all keys of a shard: SCAN, RANDOMKEY, DBSIZE, FLUSHALL.
//
// A cursor is the shard's number above the cursor of its index; 0 is the start of shard 0 and the end of the last.
// The server asks the shard that the cursor names (dispatch.cc), so one call stays on one shard.
#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <string>

#include "glob.hh"
#include "handlers.hh"
#include "number.hh"

namespace shale::kv::handlers {

namespace {

struct scan_options {
    std::string_view pattern;
    bool match = false;
    bool strings = true;
    std::int64_t count = 10;
};

bool parse_options(call& in, scan_options& options) {
    for (std::size_t i = 2; i < in.args.size(); i += 2) {
        const auto is = [&](std::string_view option) { return equal_ignoring_case(in.args[i], option); };
        const bool has_value = i + 1 < in.args.size();
        if (is("count") && has_value) {
            const auto count = integer_argument(in, i + 1);
            if (!count) {
                return false;
            }
            if (*count < 1) {
                in.out.error(error_text::syntax);
                return false;
            }
            options.count = *count;
        } else if (is("match") && has_value) {
            options.pattern = in.args[i + 1];
            options.match = !glob_is_everything(options.pattern);
        } else if (is("type") && has_value) {
            options.strings = equal_ignoring_case(in.args[i + 1], "string");
        } else {
            in.out.error(error_text::syntax);
            return false;
        }
    }
    return true;
}

}  // namespace

// As strtoul reads it, which is what Redis does: a sign is taken, a leading space is not.
std::optional<std::uint64_t> parse_cursor(std::string_view text) noexcept {
    char copy[32];
    if (text.size() >= sizeof copy || (!text.empty() && (text[0] == ' ' || (text[0] >= '\t' && text[0] <= '\r')))) {
        return std::nullopt;
    }
    std::copy(text.begin(), text.end(), copy);
    copy[text.size()] = '\0';
    char* end = nullptr;
    errno = 0;
    const std::uint64_t cursor = std::strtoull(copy, &end, 10);
    if (*end != '\0' || end != copy + text.size() || errno == ERANGE) {
        return std::nullopt;
    }
    return cursor;
}

outcome scan(call& in) {
    const auto cursor = parse_cursor(in.args[1]);
    if (!cursor) {
        in.out.error("ERR invalid cursor");
        return outcome::done;
    }
    scan_options options;
    if (!parse_options(in, options)) {
        return outcome::done;
    }
    // As many keys as asked for and a bounded look at empty places; a bucket is never given in part.
    constexpr std::uint64_t local_mask = (std::uint64_t{1} << index::cursor_bits) - 1;
    std::uint64_t at = *cursor & local_mask;
    std::vector<cache_entry*> found;
    std::int64_t looks = 0;
    do {
        at = in.db.locations().scan(at, [&](index_entry where, partial_hash hash) {
            cache_entry* const entry = in.db.find_at(where, hash);
            if (entry == nullptr) {
                in.wants.places.push_back(where);
            } else {
                found.push_back(entry);
            }
        });
    } while (at != 0 && static_cast<std::int64_t>(found.size() + in.wants.places.size()) < options.count &&
             ++looks < 10 * options.count);
    if (!in.wants.empty()) {
        return outcome::wait;
    }
    std::erase_if(found, [&](const cache_entry* entry) {
        return !options.strings || in.db.is_expired(*entry) ||
               (options.match && !glob_match(options.pattern, entry->key()));
    });
    std::uint64_t next = at;
    if (at != 0) {
        next |= std::uint64_t{in.shard.shard} << index::cursor_bits;
    } else if (in.shard.shard + 1 < in.shard.map.shards()) {
        next = std::uint64_t{in.shard.shard + 1} << index::cursor_bits;
    }
    in.out.array(2);
    in.out.bulk(std::to_string(next));
    in.out.array(found.size());
    for (const cache_entry* const entry : found) {
        in.db.saw(*entry);
        in.out.bulk(entry->key());
    }
    return outcome::done;
}

// A bucket chosen at random, or the next that is not empty. Another try when all keys there have expired. A run that
// has to wait takes its choice back, so that the next finds what was loaded for it.
outcome randomkey(call& in) {
    const std::uint64_t before = in.shard.random;
    for (int tries = 0; tries < 100 && in.db.size() > 0; ++tries) {
        std::uint64_t cursor = index::random_cursor(in.shard.next_random());
        std::vector<cache_entry*> found;
        const std::size_t buckets = in.db.locations().memory_bytes() / 64;
        for (std::size_t looks = 0; looks < buckets && found.empty() && in.wants.empty(); ++looks) {
            cursor = in.db.locations().scan(cursor, [&](index_entry where, partial_hash hash) {
                cache_entry* const entry = in.db.find_at(where, hash);
                if (entry == nullptr) {
                    in.wants.places.push_back(where);
                } else if (!in.db.is_expired(*entry)) {
                    found.push_back(entry);
                }
            });
        }
        if (!in.wants.empty()) {
            in.shard.random = before;
            return outcome::wait;
        }
        if (!found.empty()) {
            cache_entry& chosen = *found[in.shard.next_random() % found.size()];
            in.db.saw(chosen);
            in.out.bulk(chosen.key());
            return outcome::done;
        }
    }
    in.out.null();
    return outcome::done;
}

outcome dbsize(call& in) {
    in.out.integer(static_cast<std::int64_t>(in.db.size()));
    return outcome::done;
}

outcome flush(call& in) {
    const bool option =
        in.args.size() == 2 && (equal_ignoring_case(in.args[1], "async") || equal_ignoring_case(in.args[1], "sync"));
    if (in.args.size() > 1 && !option) {
        in.out.error(error_text::syntax);
        return outcome::done;
    }
    in.db.flush();
    in.out.ok();
    return outcome::done;
}

}  // namespace shale::kv::handlers
