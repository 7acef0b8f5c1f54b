// Reading with buffers that adapt, writing many at once. See socket_streams.hh.
#include "socket_streams.hh"

#include <sys/socket.h>

#include <algorithm>

namespace shale::net::detail {

socket_source::socket_source(connection_ptr from, const input_options& options, abort_source* abort) noexcept
    : from_(std::move(from)),
      options_(options),
      next_size_(std::clamp(options.buffer_size, options.buffer_min, options.buffer_max)),
      abort_(abort) {}

future<temporary_buffer<char>> socket_source::get() {
    if (closed_) {
        co_return temporary_buffer<char>();
    }
    temporary_buffer<char> data(next_size_);
    const std::span<const char> room(data.get(), data.size());
    const std::size_t size =
        co_await transfer(transfer::kind::read_some, *from_, room, abort_, std::source_location::current());
    if (size == data.size()) {
        next_size_ = std::min(next_size_ * 2, options_.buffer_max);
    } else if (size <= data.size() / 4) {
        next_size_ = std::max(next_size_ / 2, options_.buffer_min);
    }
    data.trim(size);
    co_return std::move(data);
}

future<void> socket_source::close() {
    closed_ = true;
    return make_ready_future<void>();
}

future<void> socket_sink::put(std::vector<temporary_buffer<char>> data) {
    if (data.size() == 1) {
        const std::span<const char> bytes(data[0].get(), data[0].size());
        co_await transfer(transfer::kind::write_all, *to_, bytes, abort_, std::source_location::current());
        co_return;
    }
    std::vector<iovec> pieces;
    pieces.reserve(data.size());
    for (temporary_buffer<char>& each : data) {
        pieces.push_back({each.get_write(), each.size()});
    }
    co_await transfer(transfer::kind::write_all, *to_, std::span<iovec>(pieces), abort_,
                      std::source_location::current());
}

future<void> socket_sink::close() {
    to_->shutdown(SHUT_WR);
    return make_ready_future<void>();
}

}  // namespace shale::net::detail
