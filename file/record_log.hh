// An append-only log of records: checksummed, committed in groups, recovered after a crash, recycled.
//
// append() copies a record into the open batch and says at once where it will lie and which batch will make it durable.
// A batch is written as soon as the one before it is done: one write at a time, so that under load everything that
// arrives meanwhile shares the next one, and no timer is needed. With sync_mode::always that is one direct write with
// RWF_DSYNC to blocks that were filled with zeros before, which costs a disk no more than the data; no block that holds
// acknowledged data is ever written again until its whole segment has been dropped.
//
// After a crash the log holds every acknowledged record, and of the batch that was being written all or nothing.
// Records that belong together are kept in one batch by begin_group() and so are all there or none of them is. Other
// damage is told apart from a torn end by what later batches know (see detail/log_recovery.hh) and is an error that
// names file and offset. After a failed write or flush the log is failed for good: what it said then is what is
// durable. The bytes are described in detail/log_format.hh. A log belongs to one shard, and its directory to one log at
// a time.
#pragma once

#include <compare>
#include <cstdint>
#include <expected>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "../core/async/abort_source.hh"
#include "../core/async/future.hh"
#include "../core/shard/buffer.hh"

namespace shale {

namespace detail {
class log_core;
}

/// Where a record lies, in 42 bits, for an index in memory: not for the disk, because the number of a segment's slot
/// changes from one run to the next.
class log_location {
public:
    static constexpr unsigned unit_bits = 22;  ///< 16-byte units in a segment: records begin in its first 64 MiB
    static constexpr unsigned slot_bits = 20;  ///< segments at a time
    static constexpr unsigned bits = unit_bits + slot_bits;

    constexpr log_location() noexcept = default;
    explicit constexpr log_location(std::uint64_t value) noexcept : value_(value) {}
    constexpr log_location(std::uint32_t slot, std::uint64_t position) noexcept
        : value_(std::uint64_t{slot} << unit_bits | position / 16) {}

    constexpr std::uint64_t value() const noexcept { return value_; }
    constexpr std::uint32_t slot() const noexcept { return static_cast<std::uint32_t>(value_ >> unit_bits); }
    /// Bytes from the beginning of the segment.
    constexpr std::uint64_t position() const noexcept { return (value_ & ((std::uint64_t{1} << unit_bits) - 1)) * 16; }
    friend constexpr auto operator<=>(log_location, log_location) noexcept = default;

private:
    std::uint64_t value_ = 0;
};

/// What "committed" means.
enum class sync_mode : std::uint8_t {
    always,    ///< on the disk: survives a power loss
    everysec,  ///< handed to the disk: survives the process' death; a power loss takes the last second or so
    no,        ///< the same, but the disk is asked to keep it only when a segment is full
};

/// Whose log it is; kept in every segment for the one who reads it.
struct log_owner {
    std::uint32_t shard = 0;
    std::uint32_t shards = 1;
    std::uint64_t epoch = 0;
    friend bool operator==(const log_owner&, const log_owner&) noexcept = default;
};

/// A record on its way to a visitor. The payload is valid during the call, of an asynchronous visitor until its future
/// is ready.
struct log_record {
    log_location where;
    std::uint64_t segment = 0;
    std::uint64_t sequence = 0;
    std::uint32_t tag = 0;
    std::span<const std::byte> payload;
};

struct record_log_options {
    log_owner owner{};
    sync_mode mode = sync_mode::always;
    std::uint64_t segment_bytes = std::uint64_t{64} << 20;     ///< a multiple of 4096, at most 64 MiB
    std::uint64_t batch_bytes_max = std::uint64_t{1} << 20;    ///< of a batch of more than one record or group
    std::uint64_t pending_bytes_max = std::uint64_t{8} << 20;  ///< not yet written; above, wait_room() waits
    std::uint64_t record_bytes_max = std::uint64_t{1} << 30;   ///< payload
    unsigned free_segments_max = 2;                            ///< dropped segments kept for reuse; more are removed
    unsigned reserved_segments = 0;  ///< of them, only for records appended with log_append::cleaner
    bool salvage = false;            ///< pass over damage and report it instead of failing
    bool read_only = false;          ///< recover and read; append nothing
    bool write_then_flush = false;   ///< commit with a write and an fdatasync, for disks that do that faster

    /// Called with the number of the last batch committed, before the futures of committed() become ready.
    std::move_only_function<void(std::uint64_t)> on_commit{};
    /// Called once, when a write or a flush has failed. A server stops.
    std::move_only_function<void(std::exception_ptr)> on_failure{};
};

/// Why append() took nothing.
enum class append_refusal : std::uint8_t {
    busy,      ///< no room at the moment; await wait_room()
    no_space,  ///< the disk is full; reads go on, and so do appends once there is space
    too_large,
    failed,  ///< a write has failed; see failure()
    closed,
};
const char* to_string(append_refusal why) noexcept;

/// For whom a record is appended.
enum class log_append : std::uint8_t {
    normal,
    cleaner,  ///< who copies what is live in order to drop a segment, and may use the reserve when the disk is full
};

/// The most that a group of records may take in the log, headers included: all of them begin in the first 64 MiB of one
/// segment, because a log_location reaches no further.
inline constexpr std::uint64_t log_group_bytes_max = (std::uint64_t{64} << 20) - 8192;

/// The payload of the one record that takes as much room as `records` records with `payload` bytes in all, or a little
/// more: a group goes where that record would.
constexpr std::size_t log_group_payload(std::size_t records, std::size_t payload) noexcept {
    constexpr std::size_t overhead_max = 20 + 15;  // header and padding
    return payload + overhead_max * records;
}

struct log_appended {
    log_location where;
    std::uint64_t segment = 0;  ///< its id
    std::uint64_t batch = 0;    ///< await committed(batch)
    std::uint64_t size = 0;     ///< bytes it takes in the segment
};

/// A record read back.
struct log_entry {
    std::uint64_t sequence = 0;
    std::uint32_t tag = 0;
    temporary_buffer<char> payload;
};

struct log_segment_info {
    std::uint64_t id = 0;
    std::uint64_t bytes = 0;  ///< of the file
    std::uint64_t used = 0;   ///< of them, up to the end of the last batch
    std::uint64_t records = 0;
    bool active = false;  ///< it is being appended to
};

/// What was found when the log was opened.
struct log_recovery_report {
    std::uint64_t segments = 0;
    std::uint64_t batches = 0;
    std::uint64_t records = 0;
    std::uint64_t bytes = 0;
    std::optional<log_owner> owner;    ///< of the newest segment
    bool closed = false;               ///< it ended with close()
    std::string torn;                  ///< one line about the end that was cut off; empty: nothing was
    std::vector<std::string> damages;  ///< one line each; only with `salvage`
};

struct record_log_stats {
    std::uint64_t segments = 0;
    std::uint64_t free_segments = 0;
    std::uint64_t disk_bytes = 0;     ///< of both
    std::uint64_t records = 0;        ///< appended
    std::uint64_t record_bytes = 0;   ///< with headers
    std::uint64_t batches = 0;        ///< written
    std::uint64_t written_bytes = 0;  ///< with padding
    std::uint64_t flushes = 0;
    std::uint64_t zeroed_bytes = 0;
    std::uint64_t pending_bytes = 0;
    std::uint64_t reads = 0;
    std::uint64_t segments_created = 0;
    std::uint64_t segments_recycled = 0;
};

class record_log {
public:
    using visitor = std::move_only_function<void(const log_record&)>;
    using async_visitor = std::move_only_function<future<void>(const log_record&)>;

    /// Opens the log in `directory`, which is made if it is missing, and gives every record to `visit`, oldest first.
    /// Everything recovered is durable when this is done (after a stop that was not in order the last segment is
    /// written anew for that), and appending begins in a new segment. Fails with std::system_error, naming file and
    /// offset, when the log is damaged (EBADMSG).
    static future<std::unique_ptr<record_log>> open(std::string directory, record_log_options options, visitor visit,
                                                    abort_source* abort = nullptr);

    explicit record_log(std::unique_ptr<detail::log_core> core) noexcept;
    record_log(const record_log&) = delete;
    record_log& operator=(const record_log&) = delete;
    /// After close().
    ~record_log();

    /// Adds a record made of `parts` to the open batch. Copies; neither suspends nor allocates save for a new batch.
    /// `sequence` and `tag` are the user's and are given back with the record.
    std::expected<log_appended, append_refusal> append(std::span<const std::span<const std::byte>> parts,
                                                       std::uint64_t sequence, std::uint32_t tag = 0,
                                                       log_append who = log_append::normal);

    /// Until end_group() every record appended goes into one batch, so that after a crash all of them are there or none
    /// is. They are announced by `payload`, from log_group_payload(), and have room: append() refuses none of them.
    /// Refuses as append() does; then nothing has begun. Nothing may suspend before end_group(), and what was
    /// announced must not be exceeded. The batch may be larger than batch_bytes_max; log_group_bytes_max is the limit.
    /// (A damaged batch that `salvage` passes over may still give some of its records.)
    std::expected<void, append_refusal> begin_group(std::size_t payload, log_append who = log_append::normal);
    void end_group() noexcept;

    /// Ready once append() may take a record with `payload` bytes without refusing it as busy, or begin_group() a group
    /// of that `payload`. What is larger than a segment holds always needs this first. Ready, too, when the disk is
    /// full: append() then says so.
    future<void> wait_room(std::size_t payload = 0, log_append who = log_append::normal, abort_source* abort = nullptr);

    /// Ready once batch `number` and all before it are committed; fails if the log fails before.
    future<void> committed(std::uint64_t number, abort_source* abort = nullptr);
    /// Ready once everything appended so far is on the disk, whatever the mode.
    future<void> sync();

    /// The last batch committed; 0 before the first.
    std::uint64_t committed_batch() const noexcept;
    /// The batch that the next record joins, or joined last.
    std::uint64_t open_batch() const noexcept;

    /// Reads a record that lies at `where`: one aligned disk read if `size_hint` is at least its size in the log
    /// (log_appended::size), two otherwise; none while it waits to be written. Fails with EBADMSG, naming file and
    /// offset, if what is there is not what was written. Aborting leaves nothing behind.
    future<log_entry> read(log_location where, std::size_t size_hint, abort_source* abort = nullptr);

    /// Segments with records, oldest first.
    std::vector<log_segment_info> segments() const;
    std::optional<log_segment_info> oldest() const;
    /// The segment in which a location lies, if there is one.
    std::optional<std::uint64_t> segment_of(log_location where) const noexcept;

    /// Gives every record of a segment that is no longer appended to to `visit`, one after another. Reads 1 MiB at a
    /// time. The segment stays until this is done even if it is dropped meanwhile.
    future<void> for_each(std::uint64_t segment, async_visitor visit, abort_source* abort = nullptr);

    /// Forgets a segment and recycles its file. It takes no new reads; those in flight are waited for. Ready once it
    /// will not come back after a power loss. Segments go in the order of the calls. Fails when the disk does not let
    /// it go; then it goes before the next one that is dropped, or comes back when the log is opened.
    future<void> drop(std::uint64_t segment);

    /// The error that failed the log, or null.
    std::exception_ptr failure() const noexcept;
    /// True while the disk is full.
    bool out_of_space() const noexcept;
    const log_recovery_report& recovered() const noexcept;
    record_log_stats stats() const noexcept;
    const std::string& directory() const noexcept;

    /// Commits what was appended, notes that the log ended in order, and closes its files. Waits for reads. Once.
    future<void> close();
    /// Closes a log and removes its files and directory: for one whose records have been moved elsewhere, durably.
    future<void> destroy();

private:
    std::unique_ptr<detail::log_core> core_;
};

}  // namespace shale
