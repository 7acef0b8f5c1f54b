// Where an engine keeps its records: the seam between commands and the disk.
//
// A storage belongs to one shard. append_*() adds a record to the batch that is open and says where it will lie and
// which sequence number it has; once the batch is durable (as far as --appendfsync promises) the storage calls
// client::committed(). read() gives a record back. The storage moves records on its own when it reclaims space, and
// asks the client about each one it meets. It calls back only between two commands, never from inside append_*(). The
// records of one command are put into a group, so that a crash leaves all of them or none.
// memory_storage.hh is the one without a disk.
#pragma once

#include <cstdint>
#include <expected>
#include <string>
#include <string_view>

#include "index.hh"

namespace shale::kv {

struct record {
    std::string_view key;
    std::string_view value;
    std::int64_t expire_ms = 0;  ///< Unix time, 0: never
};

/// One read in flight, owned by who waits for it. `done` is called exactly once; it may free the request.
struct storage_read {
    index_entry where{};
    record found{};       ///< valid during `done` only
    std::string failure;  ///< one line when the record could not be read: file, offset, why
    void (*done)(storage_read&) noexcept = nullptr;
};

/// What a storage asks and tells its engine.
class storage_client {
public:
    /// Everything up to `sequence` is durable.
    virtual void committed(std::uint64_t sequence) noexcept = 0;

    /// Is the record at `location` the newest of its key?
    virtual bool is_live(const record& stored, std::uint64_t location) const noexcept = 0;

    /// A live record has been copied: `to` is its place from now on.
    virtual void moved(const record& stored, std::uint64_t from, index_entry to) noexcept = 0;

    /// The hash by which the client finds a key; recovery keeps it instead of the key.
    virtual std::uint64_t hash_of(std::string_view key) const noexcept = 0;

    /// Recovery, before the first recovered(): so many keys.
    virtual void expect_keys(std::size_t keys) = 0;
    /// Recovery: the newest record of a key that the client does not have yet. False when it takes no more.
    virtual bool recovered(std::uint64_t key_hash, std::int64_t expire_ms, index_entry where) = 0;

    /// Nothing more will become durable: who waits for it is told.
    virtual void failed() noexcept = 0;

protected:
    ~storage_client() = default;
};

struct storage_stats {
    std::uint64_t appended_bytes = 0;
    std::uint64_t disk_bytes = 0;  ///< taken by all segments
    std::uint64_t live_bytes = 0;  ///< of them in live records
    std::uint64_t commits = 0;
    std::uint64_t reads = 0;
    bool compacting = false;
};

/// What a group of records consists of.
enum class group_kind : std::uint8_t { puts, erases };

class storage {
public:
    /// The most that the keys and values of a group may take, with 64 bytes for each record.
    static constexpr std::uint64_t group_bytes_max = std::uint64_t{63} << 20;

    struct appended {
        index_entry where;
        std::uint64_t sequence;
    };

    virtual ~storage() = default;

    /// Or the error reply that says why not: the disk is full, or a write has failed.
    virtual std::expected<appended, std::string_view> append_put(const record& added) = 0;
    /// Never refused, for they make room: they wait in memory if need be.
    virtual std::uint64_t append_erase(std::string_view key) = 0;
    /// All earlier records are void.
    virtual std::uint64_t append_flush() = 0;

    /// Until end_group() all that is appended becomes durable together: after a crash all of it is there or nothing is.
    /// `records` of them at most, with `bytes` of keys and values in all; the command must not suspend meanwhile, and
    /// none of them will be refused. Empty, or the error reply that says why not: then nothing has begun. Erasures are
    /// refused only when they are too many for a group.
    [[nodiscard]] virtual std::string_view begin_group(group_kind kind, std::size_t records, std::uint64_t bytes) = 0;
    virtual void end_group() noexcept = 0;

    /// The error reply that writes get at present, or empty. For people to see: each write is tried nevertheless.
    virtual std::string_view refusal() const noexcept = 0;

    /// The last sequence number that is durable, and the last that was given out.
    virtual std::uint64_t committed() const noexcept = 0;
    virtual std::uint64_t appended_sequence() const noexcept = 0;

    /// The record at `where`, with so many bytes of key and value, is no longer the newest of its key.
    virtual void retire(index_entry where, std::uint64_t bytes) noexcept = 0;

    /// Reads the record at read.where. May complete before it returns.
    virtual void read(storage_read& read) noexcept = 0;

    /// Starts reclaiming space now instead of when it pays.
    virtual void compact() = 0;

    virtual storage_stats stats() const noexcept = 0;
};

/// A group for as long as it lives. One record needs none.
class storage_group {
public:
    storage_group(storage& in, group_kind kind, std::size_t records, std::uint64_t bytes)
        : in_(in),
          refusal_(records > 1 ? in.begin_group(kind, records, bytes) : std::string_view()),
          open_(records > 1 && refusal_.empty()) {}
    storage_group(const storage_group&) = delete;
    storage_group& operator=(const storage_group&) = delete;
    ~storage_group() {
        if (open_) {
            in_.end_group();
        }
    }
    /// Empty, or the error reply.
    std::string_view refusal() const noexcept { return refusal_; }

private:
    storage& in_;
    std::string_view refusal_;
    bool open_;
};

}  // namespace shale::kv
