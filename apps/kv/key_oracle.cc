// Possibilities, and what strikes them. See key_oracle.hh.
#include "key_oracle.hh"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>

#include <shale/core/base/assert.hh>

namespace shale::kv {

namespace {

constexpr std::size_t story_writes_max = 48;
constexpr std::size_t recent_max = 64;
// More would mean that a writer does not wait for what it has sent.
constexpr std::size_t possibilities_max = 4096;

std::string_view name_of(key_write::action what) noexcept {
    switch (what) {
        case key_write::action::set:
            return "set";
        case key_write::action::erase:
            return "del";
        case key_write::action::append:
            return "append";
        case key_write::action::increment:
            return "incr";
        case key_write::action::expire:
            return "expire";
        case key_write::action::persist:
            return "persist";
    }
    return "?";
}

std::string_view name_of(key_write::outcome ended) noexcept {
    switch (ended) {
        case key_write::outcome::sent:
            return "not answered yet";
        case key_write::outcome::done:
            return "acknowledged";
        case key_write::outcome::refused:
            return "refused";
        case key_write::outcome::unclear:
            return "refused in part";
        case key_write::outcome::lost:
            return "lost";
    }
    return "?";
}

std::string ms(std::uint64_t time_ns) {
    return fmt::format("{:.6f}", static_cast<double>(time_ns) / 1e6);
}

std::int64_t to_number(std::string_view text) noexcept {
    std::int64_t value = 0;
    std::from_chars(text.data(), text.data() + text.size(), value);
    return value;
}

}  // namespace

std::string describe_value(std::string_view value) {
    std::string head;
    for (const char c : value.substr(0, 48)) {
        head += c >= ' ' && c <= '~' ? c : '.';
    }
    return fmt::format("{} bytes \"{}\"{}", value.size(), head, value.size() > 48 ? "..." : "");
}

key_oracle::key_oracle(std::string key, std::uint64_t slack_ns) : key_(std::move(key)), slack_ns_(slack_ns) {
    possible_.push_back({0, {}});
}

std::size_t key_oracle::send(key_write what) {
    SHALE_ASSERT(!undecided_, "{}: a write may still take effect", key_);
    sent_write added{.what = std::move(what), .value = nullptr, .value_bytes = 0};
    added.value_bytes = added.what.value.size();
    added.value = std::make_shared<const std::string>(std::move(added.what.value));
    added.what.value = added.value->substr(0, 48);
    writes_.push_back(std::move(added));
    return writes_.size() - 1;
}

// -- Possibilities ---------------------------------------------------------------------------------------------------

bool key_oracle::same(const state& a, const state& b) noexcept {
    const bool value = a.value == b.value || (a.value && b.value && *a.value == *b.value);
    return value && a.may_end_ns == b.may_end_ns && a.must_end_ns == b.must_end_ns && a.origin == b.origin;
}

void key_oracle::add(std::vector<possibility>& to, possibility what) {
    const bool known =
        std::ranges::any_of(to, [&](const auto& each) { return each.next == what.next && same(each.now, what.now); });
    if (!known) {
        SHALE_ASSERT(to.size() < possibilities_max, "{} possibilities of one key", to.size());
        to.push_back(std::move(what));
    }
}

// The state as it is met by something that happened between the two times.
std::vector<key_oracle::state> key_oracle::with_expiry(const state& from, std::uint64_t earliest_ns,
                                                       std::uint64_t latest_ns) {
    std::vector<state> met;
    const bool ends = from.value != nullptr && from.may_end_ns != 0;
    if (!ends || earliest_ns < from.must_end_ns) {
        met.push_back(from);
    }
    if (ends && latest_ns >= from.may_end_ns) {
        met.push_back({.value = nullptr, .origin = from.origin});
    }
    return met;
}

key_oracle::state key_oracle::apply(std::size_t number, const state& before, std::uint64_t now_ns) const {
    const sent_write& write = writes_[number];
    state after = before;
    after.origin = number + 1;
    const auto end_at = [&] {
        const std::uint64_t way_ns = write.what.lifetime_ms * 1'000'000;
        const std::uint64_t slack_ns = slack_ns_ + way_ns / 1000;
        const std::uint64_t end_ns = write.what.sent_ns + way_ns;
        after.may_end_ns = end_ns > slack_ns ? end_ns - slack_ns : 1;
        after.must_end_ns = now_ns + way_ns + slack_ns;
    };
    switch (write.what.what) {
        case key_write::action::set:
            after = {.value = write.value, .origin = number + 1};
            if (write.what.lifetime_ms != 0) {
                end_at();
            }
            return after;
        case key_write::action::erase:
            return {.value = nullptr, .origin = number + 1};
        case key_write::action::append:
            after.value =
                before.value ? std::make_shared<const std::string>(*before.value + *write.value) : write.value;
            return after;
        case key_write::action::increment:
            after.value =
                std::make_shared<const std::string>(fmt::format("{}", before.value ? to_number(*before.value) + 1 : 1));
            return after;
        case key_write::action::expire:
            if (before.value) {
                end_at();
            }
            return after;
        case key_write::action::persist:
            after.may_end_ns = 0;
            after.must_end_ns = 0;
            return after;
    }
    return after;
}

// What an integer reply says about the state that the command found and left.
bool key_oracle::agrees(key_write::action what, const state& before, const state& after, std::int64_t answer) {
    switch (what) {
        case key_write::action::set:
            return true;
        case key_write::action::erase:
        case key_write::action::expire:
            return answer == (before.value ? 1 : 0);
        case key_write::action::append:
            return answer == static_cast<std::int64_t>(after.value->size());
        case key_write::action::increment:
            return answer == to_number(*after.value);
        case key_write::action::persist:
            return answer == (before.value && before.may_end_ns != 0 ? 1 : 0);
    }
    return false;
}

// What may be by now if any of the writes before `until` may have been done or not; of each stage on the way.
std::vector<key_oracle::possibility> key_oracle::advanced(std::size_t until, std::uint64_t now_ns) const {
    std::vector<possibility> reached = possible_;
    for (std::size_t i = 0; i < reached.size(); ++i) {  // it grows meanwhile
        const possibility from = reached[i];
        if (from.next >= until) {
            continue;
        }
        add(reached, {from.next + 1, from.now});
        for (const state& met : with_expiry(from.now, writes_[from.next].what.sent_ns, now_ns)) {
            add(reached, {from.next + 1, apply(from.next, met, now_ns)});
        }
    }
    return reached;
}

// -- Replies ---------------------------------------------------------------------------------------------------------

key_oracle::sent_write& key_oracle::settle(std::size_t number, std::uint64_t now_ns, key_write::outcome how) {
    SHALE_ASSERT(number == settled_ && number < writes_.size(), "{}: write {} is settled after {}", key_, number,
                 settled_);
    ++settled_;
    writes_[number].ended = how;
    writes_[number].ended_ns = now_ns;
    return writes_[number];
}

void key_oracle::acknowledged(std::size_t number, std::uint64_t now_ns, std::optional<std::int64_t> answer) {
    sent_write& write = settle(number, now_ns, key_write::outcome::done);
    std::vector<possibility> left;
    for (const possibility& from : possible_) {
        for (const state& met : with_expiry(from.now, write.what.sent_ns, now_ns)) {
            const state after = apply(number, met, now_ns);
            if (!answer || agrees(write.what.what, met, after, *answer)) {
                add(left, {number + 1, after});
            }
        }
    }
    if (left.empty()) {
        violated(fmt::format("write {} ({}) was answered :{} at {} ms, which cannot be", number,
                             name_of(write.what.what), answer.value_or(0), ms(now_ns)));
    }
    possible_ = std::move(left);
    write.value.reset();  // what holds it are the states
}

void key_oracle::refused(std::size_t number, std::uint64_t now_ns) {
    settle(number, now_ns, key_write::outcome::refused).value.reset();
    for (possibility& each : possible_) {
        each.next = number + 1;
    }
}

void key_oracle::unclear(std::size_t number, std::uint64_t now_ns) {
    sent_write& write = settle(number, now_ns, key_write::outcome::unclear);
    possible_ = advanced(number + 1, now_ns);
    std::erase_if(possible_, [&](const possibility& each) { return each.next != number + 1; });
    write.value.reset();
}

bool key_oracle::connection_lost(std::uint64_t now_ns) {
    const bool some = settled_ < writes_.size();
    while (settled_ < writes_.size()) {
        settle(settled_, now_ns, key_write::outcome::lost);
    }
    undecided_ = undecided_ || some;
    return some;
}

void key_oracle::server_died(std::uint64_t now_ns) {
    if (!undecided_) {
        return;
    }
    possible_ = advanced(writes_.size(), now_ns);
    std::erase_if(possible_, [&](const possibility& each) { return each.next != writes_.size(); });
    for (sent_write& each : writes_) {
        each.value.reset();
    }
    undecided_ = false;
}

// -- Reads -----------------------------------------------------------------------------------------------------------

template <class Matches>
void key_oracle::observe(std::size_t seen, asked when, const std::string& what, Matches matches) {
    std::vector<possibility> left;
    for (const possibility& each : undecided_ ? advanced(seen, when.answered_ns) : possible_) {
        for (const state& met : with_expiry(each.now, when.sent_ns, when.answered_ns)) {
            if (matches(met)) {
                add(left, {each.next, met});
            }
        }
    }
    if (left.empty()) {
        violated(fmt::format("connection {} asked at {} ms and was answered at {} ms: {}", when.connection,
                             ms(when.sent_ns), ms(when.answered_ns), what));
    }
    possible_ = std::move(left);
}

void key_oracle::read(std::size_t seen, asked when, std::optional<std::string_view> value) {
    observe(seen, when, value ? describe_value(*value) : "nil", [&](const state& met) {
        return value.has_value() == (met.value != nullptr) && (!value || *value == *met.value);
    });
}

void key_oracle::exists(std::size_t seen, asked when, bool there) {
    observe(seen, when, there ? "it exists" : "it does not exist",
            [&](const state& met) { return there == (met.value != nullptr); });
}

// -- Commands on several keys ----------------------------------------------------------------------------------------

key_oracle::verdict key_oracle::in_effect(std::uint64_t group) const noexcept {
    const auto at = std::ranges::find(writes_, group, [](const sent_write& each) { return each.what.group; });
    if (group == 0 || at == writes_.end()) {
        return verdict::unknown;
    }
    const auto origin = static_cast<std::size_t>(at - writes_.begin()) + 1;
    if (std::ranges::all_of(possible_, [&](const auto& each) { return each.now.origin == origin; })) {
        return verdict::done;
    }
    if (std::ranges::all_of(possible_, [&](const auto& each) { return each.now.origin < origin; })) {
        return verdict::not_done;
    }
    return verdict::unknown;
}

std::vector<std::uint64_t> key_oracle::recent_groups() const {
    std::vector<std::uint64_t> groups;
    for (std::size_t i = writes_.size() - std::min(writes_.size(), recent_max); i < writes_.size(); ++i) {
        if (writes_[i].what.group != 0) {
            groups.push_back(writes_[i].what.group);
        }
    }
    return groups;
}

void check_whole(const std::vector<key_oracle*>& read_together) {
    std::vector<std::uint64_t> groups;
    for (const key_oracle* each : read_together) {
        for (const std::uint64_t group : each->recent_groups()) {
            groups.push_back(group);
        }
    }
    std::ranges::sort(groups);
    const auto rest = std::ranges::unique(groups);
    groups.erase(rest.begin(), rest.end());
    for (const std::uint64_t group : groups) {
        const key_oracle* done = nullptr;
        const key_oracle* not_done = nullptr;
        for (const key_oracle* each : read_together) {
            const auto found = each->in_effect(group);
            done = found == key_oracle::verdict::done ? each : done;
            not_done = found == key_oracle::verdict::not_done ? each : not_done;
        }
        if (done != nullptr && not_done != nullptr) {
            throw oracle_violation(
                fmt::format("command {} on several keys of one shard was done in part: on {} it was, "
                            "on {} it was not\n{}{}",
                            group, done->key(), not_done->key(), done->story(), not_done->story()));
        }
    }
}

// -- For people ------------------------------------------------------------------------------------------------------

std::string key_oracle::describe(const possibility& what) const {
    const state& now = what.now;
    std::string text = now.value ? describe_value(*now.value) : "nil";
    text += now.origin == 0 ? " from the start" : fmt::format(" of write {}", now.origin - 1);
    if (now.value && now.may_end_ns != 0) {
        text += fmt::format(", ends between {} and {} ms", ms(now.may_end_ns), ms(now.must_end_ns));
    }
    if (what.next < writes_.size()) {
        text += fmt::format(", before write {}", what.next);
    }
    return text;
}

std::string key_oracle::story() const {
    std::string text = fmt::format("key {}\n", key_);
    const std::size_t first = writes_.size() - std::min(writes_.size(), story_writes_max);
    for (std::size_t i = first; i < writes_.size(); ++i) {
        const sent_write& each = writes_[i];
        text += fmt::format("  {:>4} {} ms, connection {}: {}", i, ms(each.what.sent_ns), each.what.connection,
                            name_of(each.what.what));
        if (each.value_bytes > 0) {
            text += fmt::format(" {} bytes \"{}\"", each.value_bytes, each.what.value.substr(0, 32));
        }
        text += each.what.lifetime_ms != 0 ? fmt::format(" for {} ms", each.what.lifetime_ms) : "";
        text += each.what.group != 0 ? fmt::format(" in command {}", each.what.group) : "";
        text += fmt::format("; {} at {} ms\n", name_of(each.ended), ms(each.ended_ns));
    }
    for (const possibility& each : possible_) {
        text += "  possible: " + describe(each) + "\n";
    }
    return text;
}

void key_oracle::violated(const std::string& what) const {
    throw oracle_violation(fmt::format("{}: {}\n{}", key_, what, story()));
}

}  // namespace shale::kv
