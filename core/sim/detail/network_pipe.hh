// One direction of a stream: the bytes that were sent and not yet read, and the packets that carry them.
//
// The bytes lie in one ring in the order of sending. Those at its front have arrived and can be read; those behind are
// under way, and the packets say how many arrive when. A pipe loses bytes at its end only, when a connection breaks:
// what is read is a prefix of what was sent. It knows neither time nor links; network_stream does.
#pragma once

#include <sys/uio.h>

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

namespace shale::sim::detail {

struct packet {
    enum class kind : std::uint8_t { hello, data, fin, rst };
    kind what;
    std::uint32_t bytes;
    std::uint64_t arrives_ns;
};

class byte_pipe {
public:
    explicit byte_pipe(std::uint32_t window) noexcept : window_(window) {}

    std::size_t window() const noexcept { return window_; }
    /// What the sender may add, as far as it knows.
    std::size_t space() const noexcept { return window_ - size_ - unheard_; }
    std::size_t arrived() const noexcept { return arrived_; }
    bool under_way() const noexcept { return next_ != packets_.size(); }
    packet& front() noexcept { return packets_[next_]; }

    /// Adds the first `count` bytes of `parts`; a packet must carry them.
    void put(std::span<const iovec> parts, std::size_t count);
    void add(const packet& p) { packets_.push_back(p); }
    packet pop() noexcept;

    /// The bytes of the packet that was popped can be read now.
    void accept(std::size_t count) noexcept { arrived_ += count; }
    /// They are thrown away, and all that comes behind them: there would be a gap.
    void refuse(std::size_t count) noexcept;
    /// Takes `count` of the bytes that have arrived. Their room is the sender's again when it hears of it.
    void take(std::span<const iovec> parts, std::size_t count, bool sender_hears) noexcept;
    void sender_hears() noexcept { unheard_ = 0; }
    /// Nobody will read them.
    void discard_arrived() noexcept;
    /// Packets from the `keep`-th on are lost, with the bytes they carry.
    void lose(std::size_t keep) noexcept;
    std::size_t packets() const noexcept { return packets_.size() - next_; }
    /// No packet arrives before that.
    void delay(std::uint64_t until_ns) noexcept;

private:
    void reserve(std::size_t size);
    void drop_front(std::size_t count) noexcept;

    std::size_t window_;
    std::vector<std::byte> ring_;  ///< its size is a power of two; nothing while nothing was sent
    std::size_t begin_ = 0;
    std::size_t size_ = 0;
    std::size_t arrived_ = 0;
    std::size_t unheard_ = 0;  ///< read, but the sender has not heard of it
    std::vector<packet> packets_;
    std::size_t next_ = 0;  ///< those before have arrived
};

/// All bytes of the parts.
std::size_t total(std::span<const iovec> parts) noexcept;

}  // namespace shale::sim::detail
