// From the bytes a client sent to the replies it gets, in order: one object a connection.
//
// run() parses and executes. As long as commands belong to this shard and find all they need in memory, each runs at
// once and writes its reply straight into the output: no plan, no allocation. The first that belongs to another shard,
// or has to wait, starts a plan: it and the commands behind it are sorted into one row a shard, each row is one message
// there and back, and the replies are put together in the order of the requests. A command that concerns the client or
// the whole server ends a plan and runs by itself.
//
// Order: a client's commands to one shard run in its order; those of one plan to different shards may run at the same
// time, and a command with keys on several shards is not atomic over them.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <shale/core/async/future.hh>

#include "executor.hh"
#include "resp.hh"
#include "shard_row.hh"

namespace shale::kv {

class pipeline {
public:
    /// Replies beyond this are to be sent before further commands run.
    static constexpr std::size_t output_soft_max = std::size_t{1} << 20;

    pipeline(shard_state& here, shard_table all, session& client);
    pipeline(const pipeline&) = delete;
    pipeline& operator=(const pipeline&) = delete;

    enum class progress : std::uint8_t {
        need_more,  ///< nothing is left to do with these bytes
        suspended,  ///< wait for resume(), send when there is much to send, run() again with what is left
        closing,    ///< nothing more is to be read: send what is there and close
    };

    /// Has what the first commands of `input` will look at brought to the processor; worth it if others run before.
    void expect(std::string_view input) noexcept;

    /// Executes what `input` holds; consumed() tells how much of it is done with. After `suspended` the bytes must
    /// stay where they are until resume() is ready.
    progress run(std::string_view input);
    future<> resume();

    std::size_t consumed() const noexcept { return consumed_; }
    /// After need_more: bytes that are missing at least.
    std::size_t needed() const noexcept { return parser_.needed(); }

    output& out() noexcept { return out_; }
    /// What must be committed before the output may be sent; afterwards 0.
    std::uint64_t take_sequence() noexcept { return std::exchange(sequence_, 0); }

private:
    struct planned {
        const command* of;  // null: an error that is known already
        std::size_t first;  // its arguments in arguments_, or its text in errors_
        std::size_t count;
        unsigned shard;
        std::size_t part = 0;        // in parts_, when its keys are on several shards
        std::size_t part_count = 0;  // 0: they are not
        std::size_t order = 0;       // in order_
        merge how = merge::none;
        std::size_t key = 0;
    };
    struct planned_part {
        unsigned shard;
        std::size_t first;
        std::size_t count;
    };

    bool accept(arguments args, bool lasting);
    bool refuse(std::string text);
    bool run_here(const row_command& what);
    void plan(const command& of, arguments args, const destination& to);
    void split(planned& what, arguments args);
    future<> run_plan();
    future<> run_alone();
    void answer(const planned& what, shard_rows& rows, reply& to);
    output& begin_reply();
    void end_reply(reply_mode before);

    shard_state& here_;
    shard_table all_;
    session& client_;
    request_parser parser_;
    output out_;
    output muted_;  // replies that CLIENT REPLY suppresses
    std::size_t consumed_ = 0;
    std::size_t expected_ = 0;  // commands that need not be expected again
    std::uint64_t sequence_ = 0;
    wanted wants_;

    std::vector<planned> plan_;
    std::vector<planned_part> parts_;
    std::vector<unsigned> order_;              // the part of each key of split commands
    std::vector<std::string_view> arguments_;  // of all that is planned
    std::vector<std::string> errors_;
    const command* alone_ = nullptr;  // to run after the plan, with the parser's arguments
    destination alone_to_{};
    std::string failure_;  // the protocol error to end with
};

}  // namespace shale::kv
