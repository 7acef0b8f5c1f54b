// Reads a segment from front to back, batch by batch, 1 MiB at a time.
//
// A batch is handed out only when all of it has been read and its checksum holds, so nobody sees half of one. What is
// not a batch ends the reading; find_header() then looks further for signs of later ones. Holds the segment's gate.
#pragma once

#include <optional>

#include "../../core/shard/aligned_pool.hh"
#include "../record_log.hh"
#include "log_segment.hh"

namespace shale::detail {

/// Whether records are walked by their own checksums (a broken batch) or by lengths (a whole one).
struct record_walk {
    const log_segment& segment;
    std::uint64_t position;              ///< of the batch
    std::span<const std::byte> content;  ///< with the header
    bool verify;

    /// Gives the next record, or nothing at the end.
    std::optional<log_record> next();

    std::size_t at = batch_header_bytes;
};

class batch_reader {
public:
    /// `end`: where the segment's batches end at the latest.
    batch_reader(segment_ptr segment, std::uint64_t end, abort_source* abort);

    enum class outcome : std::uint8_t {
        whole,   ///< header() and content() are valid
        broken,  ///< header() is valid, what follows is not what it says
        none,    ///< no batch begins here, or the segment ends here
    };

    /// Looks at what stands at position(). Does not move.
    future<outcome> look();
    /// Moves behind the batch that look() found.
    void pass() noexcept { position_ += header_.padded(); }
    void seek(std::uint64_t position) noexcept { position_ = position; }

    std::uint64_t position() const noexcept { return position_; }
    const segment_ptr& segment() const noexcept { return segment_; }
    const batch_header& header() const noexcept { return header_; }
    /// The batch's bytes without padding; of a broken one as many as there are.
    std::span<const std::byte> content() const noexcept { return content_; }
    /// Whether the block at position(), though no header, has the traces of the batch with this number: the number, or
    /// that of the batch before it as durable. Any other byte may be from an earlier life of the file.
    future<bool> has_traces_of(std::uint64_t number);

    /// The records of the batch that look() found whole; of a broken one those that are whole themselves.
    record_walk records() const noexcept { return {*segment_, position_, content_, !whole_}; }

    /// Moves to the next block from position() on that is the header of a batch; false at the end.
    future<bool> find_header();

private:
    future<std::span<const std::byte>> bytes_at(std::uint64_t position, std::uint64_t size);

    segment_ptr segment_;
    gate::holder held_;
    std::uint64_t end_;
    abort_source* abort_;
    std::uint64_t position_ = log_block;
    batch_header header_;
    std::span<const std::byte> content_;
    bool whole_ = false;
    io_buffer window_;
    std::uint64_t window_begin_ = 0;
    std::uint64_t window_size_ = 0;
};

}  // namespace shale::detail
