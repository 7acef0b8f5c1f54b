// See network_pipe.hh.
#include "network_pipe.hh"

#include <algorithm>
#include <bit>
#include <cstring>

#include "../../base/assert.hh"

namespace shale::sim::detail {

std::size_t total(std::span<const iovec> parts) noexcept {
    std::size_t sum = 0;
    for (const iovec& part : parts) {
        sum += part.iov_len;
    }
    return sum;
}

void byte_pipe::reserve(std::size_t size) {
    constexpr std::size_t smallest = 256;
    if (size <= ring_.size()) {
        return;
    }
    std::vector<std::byte> larger(std::bit_ceil(std::max(size, smallest)));
    const std::size_t first = std::min(size_, ring_.size() - begin_);
    std::copy_n(ring_.begin() + static_cast<std::ptrdiff_t>(begin_), first, larger.begin());
    std::copy_n(ring_.begin(), size_ - first, larger.begin() + static_cast<std::ptrdiff_t>(first));
    ring_ = std::move(larger);
    begin_ = 0;
}

void byte_pipe::put(std::span<const iovec> parts, std::size_t count) {
    SHALE_ASSERT(count <= space(), "{} bytes into a window with room for {}", count, space());
    reserve(size_ + count);
    for (const iovec& part : parts) {
        const std::size_t size = std::min(part.iov_len, count);
        if (size == 0) {
            continue;
        }
        const std::size_t at = (begin_ + size_) & (ring_.size() - 1);
        const std::size_t first = std::min(size, ring_.size() - at);
        std::memcpy(ring_.data() + at, part.iov_base, first);
        std::memcpy(ring_.data(), static_cast<const std::byte*>(part.iov_base) + first, size - first);
        size_ += size;
        count -= size;
    }
}

packet byte_pipe::pop() noexcept {
    SHALE_ASSERT(under_way(), "pop() of a pipe with nothing under way");
    constexpr std::size_t worth_moving = 64;
    const packet first = packets_[next_++];
    if (next_ == packets_.size() || (next_ >= worth_moving && next_ * 2 > packets_.size())) {
        packets_.erase(packets_.begin(), packets_.begin() + static_cast<std::ptrdiff_t>(next_));
        next_ = 0;
    }
    return first;
}

void byte_pipe::drop_front(std::size_t count) noexcept {
    SHALE_ASSERT(count <= size_, "{} of {} bytes", count, size_);
    if (count != 0) {
        begin_ = (begin_ + count) & (ring_.size() - 1);
        size_ -= count;
    }
}

void byte_pipe::refuse(std::size_t count) noexcept {
    lose(0);
    SHALE_ASSERT(size_ == arrived_ + count, "{} bytes of which {} have arrived and {} are refused", size_, arrived_,
                 count);
    size_ = arrived_;
}

void byte_pipe::take(std::span<const iovec> parts, std::size_t count, bool sender_hears) noexcept {
    SHALE_ASSERT(count <= arrived_, "{} of {} bytes that have arrived", count, arrived_);
    arrived_ -= count;
    unheard_ += sender_hears ? 0 : count;
    for (const iovec& part : parts) {
        const std::size_t size = std::min(part.iov_len, count);
        if (size == 0) {
            continue;
        }
        const std::size_t first = std::min(size, ring_.size() - begin_);
        std::memcpy(part.iov_base, ring_.data() + begin_, first);
        std::memcpy(static_cast<std::byte*>(part.iov_base) + first, ring_.data(), size - first);
        drop_front(size);
        count -= size;
    }
}

void byte_pipe::discard_arrived() noexcept {
    drop_front(arrived_);
    arrived_ = 0;
}

void byte_pipe::lose(std::size_t keep) noexcept {
    while (packets() > keep) {
        size_ -= packets_.back().bytes;
        packets_.pop_back();
    }
    SHALE_ASSERT(size_ >= arrived_, "{} bytes have arrived of {}", arrived_, size_);
}

void byte_pipe::delay(std::uint64_t until_ns) noexcept {
    for (std::size_t i = next_; i < packets_.size(); ++i) {
        packets_[i].arrives_ns = std::max(packets_[i].arrives_ns, until_ns);
    }
}

}  // namespace shale::sim::detail
