// The commands of one pipeline that go to one shard, as one message there and back.
#include "shard_row.hh"

#include <shale/core/async/coroutine.hh>
#include <shale/core/async/loop.hh>
#include <shale/core/shard/smp.hh>

namespace shale::kv {

namespace {

// On the row's own shard.
future<> run_there(shard_state& on, shard_row& row, bool resp3) {
    begin_turn(on);
    output out;
    reply to(out, resp3);
    const std::uint64_t sequence = co_await run_row(on, row.commands, to, nullptr, &row.ends);
    if (!on.db.is_committed(sequence)) {
        co_await committed(on.db, sequence);
    }
    row.replies = out.take_copy();
}

}  // namespace

std::string_view shard_row::take() noexcept {
    const std::size_t begin = taken == 0 ? 0 : ends[taken - 1];
    const std::size_t end = ends[taken++];
    return std::string_view(replies).substr(begin, end - begin);
}

future<> run_rows(shard_table all, shard_rows& rows, bool resp3) {
    std::vector<future<>> running;
    for (unsigned shard = 0; shard < rows.size(); ++shard) {
        if (!rows[shard].commands.empty()) {
            shard_row* const row = &rows[shard];
            shard_state* const on = all[shard];
            running.push_back(smp::submit_to(shard, [on, row, resp3] { return run_there(*on, *row, resp3); }));
        }
    }
    // All of them end before their rows go, whatever fails.
    std::exception_ptr failure;
    for (future<>& one : running) {
        const auto ended = co_await as_result(std::move(one));
        if (!ended) {
            failure = ended.error();
        }
    }
    if (failure) {
        std::rethrow_exception(failure);
    }
}

future<std::string> ask_shard(shard_table all, unsigned shard, row_command what, bool resp3) {
    shard_rows rows(all.size());
    rows[shard].commands.push_back(what);
    co_await run_rows(all, rows, resp3);
    co_return std::move(rows[shard].replies);
}

future<std::vector<std::string>> ask_all(shard_table all, row_command what, bool resp3) {
    shard_rows rows(all.size());
    for (shard_row& row : rows) {
        row.commands.push_back(what);
    }
    co_await run_rows(all, rows, resp3);
    std::vector<std::string> replies;
    for (shard_row& row : rows) {
        replies.push_back(std::move(row.replies));
    }
    co_return replies;
}

}  // namespace shale::kv
