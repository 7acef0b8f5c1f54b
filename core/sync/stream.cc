// Buffers in, pieces out, and back. See stream.hh.
#include "stream.hh"

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "../base/error.hh"

namespace shale {

namespace {

/// Below this many bytes a copy is cheaper than another piece in the vector that goes to the kernel.
constexpr std::size_t worth_keeping_whole = 512;

std::vector<temporary_buffer<char>> one(temporary_buffer<char>&& data) {
    std::vector<temporary_buffer<char>> list;
    list.push_back(std::move(data));
    return list;
}

}  // namespace

future<temporary_buffer<char>> data_source_impl::skip(std::uint64_t n) {
    while (true) {
        temporary_buffer<char> data = co_await get();
        if (data.empty() || data.size() > n) {
            data.trim_front(data.empty() ? 0 : static_cast<std::size_t>(n));
            co_return std::move(data);
        }
        n -= data.size();
    }
}

future<void> data_sink::put(temporary_buffer<char> data) {
    return impl_->put(one(std::move(data)));
}

future<void> input_stream<char>::fill() {
    buffer_ = co_await source_.get();
    eof_ = buffer_.empty();
}

future<temporary_buffer<char>> input_stream<char>::read() {
    if (!buffer_.empty()) {
        return make_ready_future<buffer>(std::move(buffer_));
    }
    if (eof_) {
        return make_ready_future<buffer>();
    }
    return source_.get().then([this](buffer data) {
        eof_ = data.empty();
        return data;
    });
}

future<temporary_buffer<char>> input_stream<char>::read_up_to(std::size_t n) {
    if (buffer_.empty() && !eof_) {
        co_await fill();
    }
    if (buffer_.size() <= n) {
        co_return std::move(buffer_);
    }
    buffer taken = buffer_.share(0, n);
    buffer_.trim_front(n);
    co_return std::move(taken);
}

future<temporary_buffer<char>> input_stream<char>::read_exactly(std::size_t n) {
    if (buffer_.empty() && !eof_) {
        co_await fill();
    }
    if (buffer_.size() > n) {
        buffer taken = buffer_.share(0, n);
        buffer_.trim_front(n);
        co_return std::move(taken);
    }
    if (buffer_.size() == n || eof_) {
        co_return std::move(buffer_);
    }
    // In pieces: they are put together, and what came in the last one beyond `n` stays.
    buffer whole(n);
    std::size_t have = 0;
    while (have < n) {
        const std::size_t take = std::min(n - have, buffer_.size());
        std::memcpy(whole.get_write() + have, buffer_.get(), take);
        buffer_.trim_front(take);
        have += take;
        if (have < n) {
            co_await fill();
            if (eof_) {
                break;
            }
        }
    }
    whole.trim(have);
    co_return std::move(whole);
}

future<void> input_stream<char>::skip(std::uint64_t n) {
    const std::size_t here = static_cast<std::size_t>(std::min<std::uint64_t>(n, buffer_.size()));
    buffer_.trim_front(here);
    n -= here;
    if (n != 0 && !eof_) {
        buffer_ = co_await source_.skip(n);
    }
}

output_stream<char>::~output_stream() {
    SHALE_ASSERT(failed_ || !holds_something(), "an output stream is destroyed with {} bytes unsent; co_await close()",
                 filled_ + held_bytes_);
}

void output_stream<char>::seal() {
    if (filled_ != 0) {
        held_bytes_ += filled_;
        buffer full = filled_ == current_.size() ? std::move(current_) : current_.share(0, filled_);
        if (!current_.empty()) {
            current_.trim_front(filled_);
        }
        filled_ = 0;
        whole_.push_back(std::move(full));
    }
}

future<void> output_stream<char>::put_whole() {
    if (failed_) {
        throw_system_error(EPIPE, "write to an output stream that has failed, been closed, or not ended its last call");
    }
    held_bytes_ = 0;
    failed_ = true;  // until it has succeeded
    co_await sink_.put(std::exchange(whole_, {}));
    failed_ = false;
}

future<void> output_stream<char>::write(const char* data, std::size_t size) {
    if (size == 0) {
        return make_ready_future<void>();
    }
    if (filled_ + size < current_.size()) [[likely]] {
        std::memcpy(current_.get_write() + filled_, data, size);
        filled_ += size;
        return make_ready_future<void>();
    }
    if (size >= size_) {
        return write_whole(buffer(data, size));
    }
    if (current_.empty()) {
        current_ = buffer(size_);
    }
    const std::size_t first = std::min(size, current_.size() - filled_);
    std::memcpy(current_.get_write() + filled_, data, first);
    filled_ += first;
    if (filled_ < current_.size()) {
        return make_ready_future<void>();
    }
    seal();
    if (first < size) {
        current_ = buffer(size_);
        std::memcpy(current_.get_write(), data + first, size - first);
        filled_ = size - first;
    }
    if (held_bytes_ < size_) {
        return make_ready_future<void>();
    }
    return put_whole();  // what has just been begun stays behind
}

future<void> output_stream<char>::write(buffer data) {
    if (data.size() < std::min(worth_keeping_whole, size_)) {
        return write(data.get(), data.size());
    }
    return write_whole(std::move(data));
}

future<void> output_stream<char>::write_whole(buffer data) {
    seal();
    held_bytes_ += data.size();
    whole_.push_back(std::move(data));
    return held_bytes_ < size_ ? make_ready_future<void>() : put_whole();
}

future<void> output_stream<char>::write(std::vector<buffer> data) {
    for (buffer& each : data) {
        co_await write(std::move(each));
    }
}

future<void> output_stream<char>::flush() {
    seal();
    if (!whole_.empty()) {
        co_await put_whole();
    }
    co_await sink_.flush();
}

future<void> output_stream<char>::close() {
    std::expected<void, std::exception_ptr> sent;
    if (!failed_) {
        sent = co_await as_result(flush());
    }
    failed_ = true;  // nothing more may be written
    whole_.clear();
    co_await sink_.close();
    if (!sent) {
        std::rethrow_exception(sent.error());
    }
}

data_sink output_stream<char>::detach() && {
    SHALE_ASSERT(!holds_something(), "an output stream with {} bytes unsent was detached; flush() first",
                 filled_ + held_bytes_);
    return std::move(sink_);
}

future<void> copy(input_stream<char>& from, output_stream<char>& to) {
    while (true) {
        temporary_buffer<char> data = co_await from.read();
        if (data.empty()) {
            co_return;
        }
        co_await to.write(std::move(data));
    }
}

}  // namespace shale
