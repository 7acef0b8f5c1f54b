// The inside of record_log: batches on their way to the disk, and the fibers that take them there.
//
//   append() -> open_ -> queue_ -> commit_loop(), one write at a time -> committed_ -> waiters
//
// Four things run beside the callers, each started when there is something for it to do and counted by `fibers_`:
// commit_loop() writes batches; zero_fill() keeps a stretch of the active segment written with zeros ahead of them, so
// that a commit is a pure overwrite; prepare_next() gets the next segment ready while there is room in this one; and in
// mode everysec a timer, armed by the first commit after a flush, has the disk flush a second later. Zeros and commits
// never overlap: a commit that would waits for the zeros in flight. The first failure of a write or a flush stops
// everything, for good. Belongs to one shard.
#pragma once

#include <deque>

#include "../../core/shard/timer.hh"
#include "log_batch.hh"
#include "log_recovery.hh"
#include "segment_store.hh"

namespace shale::detail {

class log_core {
public:
    log_core(std::string directory, record_log_options options);
    ~log_core();

    // log_core.cc
    future<void> open(record_log::visitor visit, abort_source* abort);
    future<log_entry> read(log_location where, std::size_t size_hint, abort_source* abort);
    future<void> for_each(std::uint64_t segment, record_log::async_visitor visit, abort_source* abort);
    future<void> drop(std::uint64_t segment);
    future<void> close(bool remove);
    std::vector<log_segment_info> segments() const;
    std::optional<std::uint64_t> segment_of(log_location where) const noexcept;
    record_log_stats stats() const noexcept;

    // log_append.cc
    std::expected<log_appended, append_refusal> append(std::span<const std::span<const std::byte>> parts,
                                                       std::uint64_t sequence, std::uint32_t tag, log_append who);
    std::expected<void, append_refusal> begin_group(std::size_t payload, log_append who);
    void end_group() noexcept;
    future<void> wait_room(std::size_t payload, log_append who, abort_source* abort);
    future<void> committed(std::uint64_t number, abort_source* abort);

    // log_commit.cc
    future<void> sync();

    std::uint64_t committed_batch() const noexcept { return committed_; }
    std::uint64_t open_batch() const noexcept { return next_number_ - (open_ && open_->records() == 0 ? 2 : 1); }
    std::exception_ptr failure() const noexcept { return failure_; }
    bool out_of_space() const noexcept { return no_space_; }
    const log_recovery_report& recovered() const noexcept { return report_; }
    const std::string& directory() const noexcept { return store_.directory(); }

private:
    // log_core.cc
    future<void> start(log_recovery found);
    future<void> make_durable(segment_ptr last);
    future<void> end_in_order();
    static future<log_entry> read_from_disk(segment_ptr segment, std::uint64_t position, std::size_t size_hint,
                                            abort_source* abort);
    std::optional<log_entry> read_pending(const log_segment& segment, std::uint64_t position) const;

    // log_append.cc
    /// Where the next record of a size may go.
    enum class room : std::uint8_t { open_batch, active_segment, next_segment, none };
    room find_room(std::uint64_t bytes, log_append who) const noexcept;
    room worse_room(room where, std::uint64_t bytes, log_append who) const noexcept;
    std::expected<void, append_refusal> make_room(std::uint64_t bytes, log_append who);
    bool close_open_batch();
    future<void> retire_up_to(const segment_ptr& last);
    void drop_empty_batch() noexcept;
    void open_new_batch(room where);
    void want_next(std::uint64_t bytes, log_append who);
    future<void> prepare_next(std::uint64_t bytes, log_append who);
    void refuse_space(const std::exception_ptr& reason);
    void tell_waiters();
    void fail(std::exception_ptr reason);

    // log_commit.cc
    void wake_committer();
    future<void> commit_loop();
    future<void> write_batch(log_batch& batch, bool closes_log);
    future<void> write_bytes(log_segment& segment, std::uint64_t position, std::span<const std::byte> bytes);
    future<void> flush_segment(segment_ptr segment, std::uint64_t number);
    void want_zeros();
    future<void> zero_fill(segment_ptr segment);
    /// Runs `fiber` to its end, which close() waits for; its failure fails the log.
    void run(future<void> fiber);

    struct waiter {
        std::uint64_t amount = 0;  ///< a batch's number, or bytes of a record
        log_append who = log_append::normal;
        promise<void> done;
        std::optional<abort_source::subscription> subscription;
    };
    using waiters = std::deque<std::unique_ptr<waiter>>;
    static future<void> wait_in(waiters& queue, waiters::iterator before, std::uint64_t amount, log_append who,
                                abort_source* abort);

    record_log_options options_;
    segment_store store_;
    log_recovery_report report_;
    record_log_stats stats_;

    segment_ptr active_;                            ///< where the open batch goes
    segment_ptr next_;                              ///< prepared, empty
    std::unique_ptr<log_batch> open_;               ///< takes records
    std::deque<std::unique_ptr<log_batch>> queue_;  ///< closed, oldest first; the first may be in flight
    bool in_group_ = false;                         ///< the open batch must stay open
    std::uint64_t group_left_ = 0;                  ///< bytes kept in the open batch for the rest of the group
    std::uint64_t next_number_ = 1;                 ///< of the next batch to be opened
    std::uint64_t pending_bytes_ = 0;

    std::uint64_t committed_ = 0;
    std::uint64_t synced_ = 0;  ///< batches up to this one survive a power loss
    segment_ptr written_;       ///< with the last batch written
    std::uint64_t previous_segment_ = 0;

    semaphore dropping_{1};            ///< drop() by drop(), in the order of the calls
    std::deque<segment_ptr> leaving_;  ///< dropped and still there, in that order

    waiters batch_waiters_;  ///< by number
    waiters room_waiters_;
    std::optional<promise<void>> idle_committer_;  ///< set while commit_loop() has nothing to do

    bool preparing_ = false;
    bool no_space_ = false;
    std::uint64_t retry_space_ns_ = 0;
    timer<> space_timer_;   ///< while there is no space: looks again, for space may come from elsewhere
    bool zeroing_ = false;  ///< zero_fill() runs
    std::optional<promise<void>> zeros_written_;  ///< set while a commit waits for zeros in flight
    timer<> flush_timer_;
    bool stopping_ = false;
    std::exception_ptr failure_;
    gate fibers_;
};

}  // namespace shale::detail
