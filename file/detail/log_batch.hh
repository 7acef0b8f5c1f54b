// A batch of records in memory: what is added to it becomes durable together.
//
// It knows its place in the log from the beginning, so a record's location is known when it is added. The buffer grows
// by doubling from the shard's pool and is written as it is. Belongs to one shard.
#pragma once

#include <algorithm>
#include <cstring>

#include "../../core/shard/aligned_pool.hh"
#include "log_segment.hh"

namespace shale::detail {

class log_batch {
public:
    log_batch(segment_ptr segment, std::uint64_t number)
        : segment_(std::move(segment)), position_(segment_->end), number_(number), buffer_(first_buffer) {}

    log_segment& segment() const noexcept { return *segment_; }
    const segment_ptr& shared_segment() const noexcept { return segment_; }
    std::uint64_t position() const noexcept { return position_; }
    std::uint64_t number() const noexcept { return number_; }
    std::uint32_t records() const noexcept { return records_; }
    std::uint64_t used() const noexcept { return used_; }
    std::uint64_t padded() const noexcept { return align_up(used_, log_block); }

    /// The next records take so many bytes: their add() will not throw. Throws std::bad_alloc.
    void reserve(std::uint64_t bytes) { make_room(bytes); }

    /// Adds a record and returns its position in the file. Throws std::bad_alloc, having added nothing.
    std::uint64_t add(std::uint64_t sequence, std::uint32_t tag, std::span<const std::span<const std::byte>> parts,
                      std::uint64_t bytes) {
        make_room(bytes);
        const std::uint64_t at = position_ + used_;
        std::byte* to = buffer_.data() + used_;
        std::memset(to + bytes - log_unit, 0, log_unit);  // what the payload does not fill
        encode_record(sequence, tag, parts, segment_->seed, at, to);
        used_ += bytes;
        ++records_;
        return at;
    }

    /// Completes it; the bytes to write, padded.
    std::span<const std::byte> seal(std::uint64_t synced, std::uint64_t previous_segment, bool closes_log) {
        batch_header header;
        header.number = number_;
        header.synced = synced;
        header.previous_segment = previous_segment;
        header.records = records_;
        header.closes_log = closes_log;
        seal_batch(header, segment_->seed, position_, {buffer_.data(), used_});
        std::memset(buffer_.data() + used_, 0, padded() - used_);
        return {buffer_.data(), padded()};
    }

    /// The records so far, from `at` in the file on; empty if `at` does not lie in this batch.
    std::span<const std::byte> from(const log_segment& in, std::uint64_t at) const noexcept {
        if (segment_.get() != &in || at < position_ + batch_header_bytes || at >= position_ + used_) {
            return {};
        }
        return {buffer_.data() + (at - position_), used_ - (at - position_)};
    }

private:
    static constexpr std::size_t first_buffer = 32 * 1024;

    void make_room(std::uint64_t bytes) {
        const std::uint64_t needed = align_up(used_ + bytes, log_block);
        if (needed > buffer_.size()) {
            io_buffer larger(std::max<std::uint64_t>(needed, buffer_.size() * 2));
            std::memcpy(larger.data(), buffer_.data(), used_);
            buffer_ = std::move(larger);
        }
    }

    segment_ptr segment_;
    std::uint64_t position_;
    std::uint64_t number_;
    std::uint64_t used_ = batch_header_bytes;
    std::uint32_t records_ = 0;
    io_buffer buffer_;
};

}  // namespace shale::detail
