// A sliding window over the segment, grown for the rare batch that is larger than it.
#include "batch_reader.hh"

#include <algorithm>
#include <cstring>

#include "../../core/base/bytes.hh"
#include "../../core/base/fault_point.hh"
#include "../../core/base/limits.hh"

namespace shale::detail {

batch_reader::batch_reader(segment_ptr segment, std::uint64_t end, abort_source* abort)
    : segment_(std::move(segment)),
      held_(segment_->readers.hold()),
      end_(std::min(end, segment_->size)),
      abort_(abort) {}

// The bytes from `position` on, a multiple of 4096; at least `size` of them unless the segment ends.
future<std::span<const std::byte>> batch_reader::bytes_at(std::uint64_t position, std::uint64_t size) {
    const std::uint64_t wanted = std::min(position + size, end_);
    if (position >= wanted) {
        co_return std::span<const std::byte>();
    }
    if (position < window_begin_ || wanted > window_begin_ + window_size_) {
        const std::uint64_t window = FAULT("log.no_read_ahead") ? log_block : current_limits().log_read_bytes;
        const std::uint64_t room = std::max(align_up(wanted - position, log_block), window);
        io_buffer fresh = window_.size() >= room ? io_buffer() : io_buffer(room);
        io_buffer& target = fresh ? fresh : window_;
        std::uint64_t kept = 0;
        if (position >= window_begin_ && position < window_begin_ + window_size_) {
            kept = align_down(window_begin_ + window_size_ - position, log_block);
            std::memmove(target.data(), window_.data() + (position - window_begin_), kept);
        }
        if (fresh) {
            window_ = std::move(fresh);
        }
        window_begin_ = position;
        window_size_ = kept;
        const std::uint64_t more = std::min(align_up(end_ - position, log_block), room) - kept;
        const std::size_t got = co_await segment_->data.dma_read(position + kept, window_.data() + kept, more, abort_);
        window_size_ += got;
    }
    const std::uint64_t there = std::min(window_begin_ + window_size_, end_);
    co_return std::span<const std::byte>(window_.data() + (position - window_begin_),
                                         there > position ? there - position : 0);
}

future<batch_reader::outcome> batch_reader::look() {
    content_ = {};
    auto bytes = co_await bytes_at(position_, log_block);
    if (bytes.size() < log_block) {
        co_return outcome::none;
    }
    const auto header = decode_batch(segment_->seed, position_, bytes);
    if (!header) {
        co_return outcome::none;
    }
    header_ = *header;
    if (bytes.size() < header_.used) {
        bytes = co_await bytes_at(position_, header_.used);
    }
    content_ = bytes.first(std::min<std::size_t>(bytes.size(), header_.used));
    whole_ = batch_is_whole(header_, segment_->seed, position_, content_);
    co_return whole_ ? outcome::whole : outcome::broken;
}

future<bool> batch_reader::has_traces_of(std::uint64_t number) {
    const auto bytes = co_await bytes_at(position_, log_block);
    co_return bytes.size() >= batch_header_bytes &&
        (load_le<std::uint64_t>(&bytes[8]) == number || load_le<std::uint64_t>(&bytes[16]) + 1 == number);
}

future<bool> batch_reader::find_header() {
    for (; position_ + log_block <= end_; position_ += log_block) {
        const auto bytes = co_await bytes_at(position_, log_block);
        if (bytes.size() < log_block) {
            break;
        }
        const auto header = decode_batch(segment_->seed, position_, bytes);
        if (header) {
            header_ = *header;
            co_return true;
        }
        co_await maybe_yield();
    }
    co_return false;
}

std::optional<log_record> record_walk::next() {
    while (at + record_header_bytes <= content.size()) {
        const auto rest = content.subspan(at);
        const record_header header = peek_record(rest);
        const std::uint64_t size = record_header_bytes + std::uint64_t{header.length};
        if (size > rest.size()) {
            return std::nullopt;  // a broken length: what follows cannot be found
        }
        const std::uint64_t place = position + at;
        at += record_bytes(header.length);
        const auto bytes = rest.first(size);
        if (!verify || record_is_whole(segment.seed, place, bytes)) {
            return log_record{log_location(segment.slot, place), segment.header.id, header.sequence, header.tag,
                              bytes.subspan(record_header_bytes)};
        }
    }
    return std::nullopt;
}

}  // namespace shale::detail
