// Running what a client sent: at once where it can be, by a plan over the shards where it cannot. See pipeline.hh.
#include "pipeline.hh"

#include <algorithm>
#include <array>

#include <shale/core/async/coroutine.hh>
#include <shale/core/base/fault_point.hh>

#include "handlers.hh"
#include "look_ahead.hh"
#include "reply_merge.hh"
#include "special.hh"

namespace shale::kv {

namespace {

// Commands planned before the plan is run: bounds memory, and the time a shard is busy with one row.
constexpr std::size_t plan_max = 1024;

request_limits limits_of(const settings& conf) {
    return {.bulk_bytes_max = static_cast<std::int64_t>(conf.value_bytes_max)};
}

}  // namespace

pipeline::pipeline(shard_state& here, shard_table all, session& client)
    : here_(here), all_(all), client_(client), parser_(limits_of(here.conf)) {}

// With several shards most keys are elsewhere; their shards do this for the rows they get.
void pipeline::expect(std::string_view input) noexcept {
    if (all_.size() == 1) {
        std::array<std::string_view, glance_max> keys;
        expected_ = glance(input, keys);
        here_.db.prefetch(std::span(keys).first(expected_));
    }
}

pipeline::progress pipeline::run(std::string_view input) {
    consumed_ = 0;
    begin_turn(here_);
    here_.db.reset_sequence();
    progress result = progress::closing;
    while (!client_.closing) {
        const std::string_view rest = input.substr(consumed_);
        if (expected_ == 0) {
            expect(rest);
        }
        expected_ -= expected_ > 0 ? 1 : 0;
        const request_parser::status found = parser_.parse(rest);
        if (found == request_parser::status::command) [[likely]] {
            consumed_ += parser_.consumed();
            const arguments args = parser_.arguments();
            // The words of an inline command lie in the parser and go with its next call.
            const bool lasting = rest.front() == '*';
            if (!args.empty() &&
                (accept(args, lasting) || out_.size() >= output_soft_max || FAULT("kv.pipeline_cut"))) {
                result = progress::suspended;
                break;
            }
            continue;
        }
        if (found == request_parser::status::error) {
            failure_ = "ERR " + parser_.error();
            client_.closing = true;
        }
        result = !plan_.empty()                           ? progress::suspended
                 : found == request_parser::status::error ? progress::closing
                                                          : progress::need_more;
        break;
    }
    sequence_ = std::max(sequence_, here_.db.sequence());
    here_.end_turn();
    if (result == progress::closing && !failure_.empty()) {
        reply(out_, client_.resp3).error(std::exchange(failure_, {}));
    }
    return result;
}

// Writes an error, or plans it behind what is planned.
bool pipeline::refuse(std::string text) {
    ++here_.counters.errors;
    if (plan_.empty()) {
        const reply_mode before = client_.replies;
        reply(begin_reply(), client_.resp3).error(text);
        end_reply(before);
        return false;
    }
    plan_.push_back({nullptr, errors_.size(), 1, 0});
    errors_.push_back(std::move(text));
    return plan_.size() >= plan_max;
}

// Takes one command. True when the pipeline has to be resumed before the next is parsed.
bool pipeline::accept(arguments args, bool lasting) {
    const command* const of = find_command(args[0]);
    if (of == nullptr || !of->accepts(args.size())) [[unlikely]] {
        output text;
        reply to(text, false);
        of == nullptr ? unknown_command(to, args) : wrong_arity(to, of->name);
        const std::string error = text.take_copy();
        return refuse(error.substr(1, error.size() - 3));
    }
    if (!client_.authenticated && !of->is(cmd_no_auth)) [[unlikely]] {
        return refuse(std::string(error_text::no_auth));
    }
    client_.last_command = of->name;
    const destination to = destination_of(*of, args);
    const bool single = all_.size() == 1;
    bool here = false;
    switch (to.where) {
        case route::local:
            here = true;
            break;
        case route::first_key:
            here = single || here_.map.shard_of(args[to.key]) == here_.shard;
            break;
        case route::keys:
        case route::all:
        case route::cursor:
            here = single;
            break;
        case route::special:
            break;
    }
    if (here && plan_.empty() && run_here({of, args, to.key})) [[likely]] {
        return false;
    }
    if (to.where == route::first_key || to.where == route::keys) {
        plan(*of, args, to);
        return plan_.size() >= plan_max || !lasting || client_.replies != reply_mode::on;
    }
    alone_ = of;
    alone_to_ = to;
    return true;
}

output& pipeline::begin_reply() {
    if (client_.replies == reply_mode::skip_next) {
        client_.replies = reply_mode::skip;
    }
    return client_.replies == reply_mode::on ? out_ : muted_;
}

// `before` is the mode when the command began.
void pipeline::end_reply(reply_mode before) {
    if (before == reply_mode::on) [[likely]] {
        return;
    }
    if (client_.replies == reply_mode::on) {
        out_.append(muted_.take_copy());  // CLIENT REPLY ON answers
    }
    muted_.clear();
    if (client_.replies == reply_mode::skip) {
        client_.replies = reply_mode::on;
    }
}

// Runs it at once; false when it has to wait for records, or for commands of other shards.
bool pipeline::run_here(const row_command& what) {
    if (FAULT("kv.command_is_planned")) {
        return false;
    }
    const reply_mode before = client_.replies;
    reply to(begin_reply(), client_.resp3);
    const outcome ended = run_command(here_, what, to, &client_, wants_);
    if (ended == outcome::wait) [[unlikely]] {
        wants_.clear();
        return false;
    }
    end_reply(before);
    return true;
}

void pipeline::plan(const command& of, arguments args, const destination& to) {
    planned added{&of, arguments_.size(), args.size(), here_.map.shard_of(args[to.key])};
    added.how = to.how;
    added.key = to.key;
    if (to.where == route::keys && all_.size() > 1) {
        split(added, args);
    }
    if (added.part_count == 0) {
        arguments_.insert(arguments_.end(), args.begin(), args.end());
    }
    here_.counters.forwarded += added.shard != here_.shard ? 1 : 0;
    plan_.push_back(added);
}

// Sorts the keys by shard, when there is more than one shard among them; each part is a command of its own.
void pipeline::split(planned& what, arguments args) {
    const auto step = static_cast<std::size_t>(what.of->key_step);
    std::vector<unsigned> shards;
    for (std::size_t i = 1; i < args.size(); i += step) {
        shards.push_back(here_.map.shard_of(args[i]));
    }
    const bool whole = (args.size() - 1) % step == 0;  // else the shard says what is wrong with it
    if (!whole || std::all_of(shards.begin(), shards.end(), [&](unsigned s) { return s == shards.front(); })) {
        return;
    }
    what.part = parts_.size();
    what.order = order_.size();
    order_.resize(order_.size() + shards.size());
    for (unsigned shard = 0; shard < all_.size(); ++shard) {
        planned_part part{shard, arguments_.size(), 0};
        for (std::size_t key = 0; key < shards.size(); ++key) {
            if (shards[key] == shard) {
                if (part.count == 0) {
                    arguments_.push_back(args[0]);
                    part.count = 1;
                }
                const auto from = args.begin() + static_cast<std::ptrdiff_t>(1 + key * step);
                arguments_.insert(arguments_.end(), from, from + static_cast<std::ptrdiff_t>(step));
                part.count += step;
                order_[what.order + key] = static_cast<unsigned>(what.part_count);
            }
        }
        if (part.count > 0) {
            parts_.push_back(part);
            ++what.part_count;
        }
    }
    what.count = shards.size();
}

future<> pipeline::resume() {
    if (!plan_.empty()) {
        co_await run_plan();
    }
    if (alone_ != nullptr) {
        co_await run_alone();
        alone_ = nullptr;
    }
    if (!failure_.empty()) {
        reply(out_, client_.resp3).error(std::exchange(failure_, {}));
    }
}

future<> pipeline::run_plan() {
    const reply_mode before = client_.replies;
    reply to(begin_reply(), client_.resp3);
    shard_rows rows(all_.size());
    bool only_here = true;
    for (const planned& one : plan_) {
        const auto args = arguments(arguments_);
        for (std::size_t i = 0; i < one.part_count; ++i) {
            const planned_part& part = parts_[one.part + i];
            rows[part.shard].commands.push_back({one.of, args.subspan(part.first, part.count), one.key});
        }
        if (one.of != nullptr && one.part_count == 0) {
            rows[one.shard].commands.push_back({one.of, args.subspan(one.first, one.count), one.key});
        }
        only_here &= one.of != nullptr && one.part_count == 0 && one.shard == here_.shard;
    }
    if (only_here) {
        const std::uint64_t sequence = co_await run_row(here_, rows[here_.shard].commands, to, &client_, nullptr);
        sequence_ = std::max(sequence_, sequence);
    } else {
        co_await run_rows(all_, rows, client_.resp3);
        for (const planned& one : plan_) {
            answer(one, rows, to);
        }
    }
    end_reply(before);
    plan_.clear();
    parts_.clear();
    order_.clear();
    arguments_.clear();
    errors_.clear();
}

void pipeline::answer(const planned& what, shard_rows& rows, reply& to) {
    if (what.of == nullptr) {
        to.error(errors_[what.first]);
        return;
    }
    if (what.part_count == 0) {
        to.out().append(rows[what.shard].take());
        return;
    }
    std::vector<std::string_view> parts;
    for (std::size_t i = 0; i < what.part_count; ++i) {
        parts.push_back(rows[parts_[what.part + i].shard].take());
    }
    merge_replies(what.how, parts, std::span(order_).subspan(what.order, what.count), to);
}

future<> pipeline::run_alone() {
    const command& of = *alone_;
    const arguments args = parser_.arguments();
    const row_command what{&of, args, 0};
    const reply_mode before = client_.replies;
    reply to(begin_reply(), client_.resp3);
    switch (alone_to_.where) {
        case route::local: {
            begin_turn(here_);
            wanted unused;
            run_command(here_, what, to, &client_, unused);
            break;
        }
        case route::cursor: {
            const std::uint64_t cursor = handlers::parse_cursor(args[1]).value_or(0);
            const std::uint64_t shard = std::min<std::uint64_t>(cursor >> index::cursor_bits, all_.size() - 1);
            to.out().append(co_await ask_shard(all_, static_cast<unsigned>(shard), what, client_.resp3));
            break;
        }
        case route::all: {
            const std::vector<std::string> replies = co_await ask_all(all_, what, client_.resp3);
            const std::vector<std::string_view> parts(replies.begin(), replies.end());
            merge_replies(alone_to_.how, parts, {}, to);
            break;
        }
        default:
            co_await run_special(all_, here_, client_, what, to);
    }
    end_reply(before);
}

}  // namespace shale::kv
