// Records in a log on disk: the storage of a durable server.
//
// A FIFO of segments. What is appended goes to the newest; reclaiming takes the oldest, appends what is live in it to
// the newest again and drops it. So whatever lies in the oldest segment has nothing older behind it: marks of erased
// keys and expired records go with it and nothing can come back. The disk holds about twice the live bytes and a few
// segments at most.
//
// append_put() never waits. When the log has no room at the moment (the next segment is being made, or more is queued
// than the disk has taken), the record waits here, under a provisional location and in its place in the order; the
// clients, whose replies wait for the commit, are thereby slowed to the pace of the disk. A full disk refuses. A group
// goes into one batch of the log, or waits here and goes into one batch later.
//
// Payload of a record, after the log's own header with sequence and checksum, numbers little-endian:
//     i64 end of the key (Unix ms, 0: never) · u32 bytes of the key · the key · the value     tag 1: put
//     the key                                                                               tag 2: erase
//     nothing                                                                               tag 3: flush
#pragma once

#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include <shale/core/shard/scheduling.hh>
#include <shale/core/sync/condition_variable.hh>
#include <shale/core/sync/gate.hh>
#include <shale/file/record_log.hh>

#include "storage.hh"

namespace shale::kv {

enum class record_kind : std::uint32_t { put = 1, erase = 2, flush = 3 };

struct log_storage_options {
    std::string directory;
    log_owner owner;
    sync_mode mode = sync_mode::always;
    std::uint64_t segment_bytes = std::uint64_t{64} << 20;
    bool salvage = false;
    bool read_only = false;
    scheduling_group compaction = {};              ///< what reclaiming runs in
    std::function<void(std::string)> failed = {};  ///< with one line, once, when a write or flush has failed
};

class log_storage final : public storage {
public:
    explicit log_storage(log_storage_options options);
    ~log_storage() override;

    /// Recovers: hands every live record to the client. `now_ms` decides what has expired.
    future<> open(storage_client& client, std::int64_t now_ms);
    /// Commits what was appended, and ends. Only after open() succeeded.
    future<> close();
    /// Everything appended so far is on the disk, whatever the mode.
    future<> sync();

    const log_recovery_report& recovered() const noexcept { return log_->recovered(); }

    /// Gives each live record to `visit`, in the order of the log; nothing may be appended meanwhile.
    future<> for_each_live(std::function<future<>(const record&)> visit);

    std::expected<appended, std::string_view> append_put(const record& added) override;
    std::uint64_t append_erase(std::string_view key) override;
    std::uint64_t append_flush() override;
    std::string_view begin_group(group_kind kind, std::size_t records, std::uint64_t bytes) override;
    void end_group() noexcept override;
    std::string_view refusal() const noexcept override;
    std::uint64_t committed() const noexcept override { return committed_; }
    std::uint64_t appended_sequence() const noexcept override { return sequence_; }
    void retire(index_entry where, std::uint64_t bytes) noexcept override;
    void read(storage_read& read) noexcept override;
    void compact() override;
    storage_stats stats() const noexcept override;

private:
    struct waiting_record {
        index_entry where;  // provisional, of a put
        record_kind kind;
        std::uint64_t sequence;
        std::int64_t expire_ms;
        std::string key;
        std::string value;
        std::uint64_t group = 0;  // those with the same number, if it is not 0, go together
    };

    std::expected<log_appended, append_refusal> append(record_kind kind, const record& what, std::uint64_t sequence,
                                                       log_append who);
    std::uint64_t append_mark(record_kind kind, std::string_view key);
    void queue(waiting_record added);
    void batched(const log_appended& added, std::uint64_t sequence) noexcept;
    static std::uint64_t stored_bytes(std::uint64_t payload) noexcept;

    void on_commit(std::uint64_t batch);
    void on_failure(const std::exception_ptr& reason);
    future<> drain();
    future<> drain_some();
    std::size_t first_waiting() const noexcept;
    std::size_t payload_of_waiting(std::size_t count) const noexcept;
    std::expected<void, append_refusal> append_waiting(std::size_t count, std::size_t payload);
    future<> read_record(storage_read& read);
    bool must_reclaim() const noexcept;
    future<> reclaim_loop();
    future<> reclaim(std::uint64_t segment);
    future<> move_if_live(const log_record& found);

    log_storage_options options_;
    std::unique_ptr<record_log> log_;
    storage_client* client_ = nullptr;
    std::uint64_t sequence_ = 0;
    std::uint64_t committed_ = 0;

    struct batch_end {
        std::uint64_t batch;
        std::uint64_t sequence;
    };
    std::deque<batch_end> batches_;  // not yet committed

    std::deque<waiting_record> waiting_;
    std::uint64_t provisional_ = 0;
    bool draining_ = false;
    bool group_open_ = false;
    std::uint64_t waiting_group_ = 0;  // of the open group, when it goes to waiting_
    std::uint64_t groups_ = 0;

    std::uint64_t live_bytes_ = 0;
    std::uint64_t reclaim_until_ = 0;  // segments up to this id go in any case
    std::uint64_t commits_ = 0;
    bool reclaiming_ = false;
    bool stopping_ = false;
    std::string failure_;
    condition_variable reclaim_wanted_;
    gate working_;
};

/// What a record's payload says, or nothing when it is not one of ours.
struct decoded_record {
    record_kind kind;
    record content;
};
std::optional<decoded_record> decode(std::uint32_t tag, std::span<const std::byte> payload) noexcept;

}  // namespace shale::kv
