// Streams of bytes over anything that gives or takes buffers: sockets, files, memory.
//
// A data_source gives buffers and a data_sink takes them; input_stream and output_stream are what programs use: reading
// exactly so many bytes, up to so many, or with a consumer; writing small pieces that are sent together. Bytes are not
// copied on the way in, nor on the way out when a whole buffer is given. The calls of one stream must follow one
// another: no call before the future of the one before is done. An output stream must be closed before it is
// destroyed, or what it still holds would be lost. Belongs to one shard. Names and meanings are Seastar's.
#pragma once

#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "../async/coroutine.hh"
#include "../shard/buffer.hh"

namespace shale {

/// Where bytes come from. Implemented by sockets and files.
class data_source_impl {
public:
    virtual ~data_source_impl() = default;
    /// The next bytes; an empty buffer at the end, then and ever after.
    virtual future<temporary_buffer<char>> get() = 0;
    /// Drops the next `n` bytes, and gives what was read beyond them. For sources that can seek.
    virtual future<temporary_buffer<char>> skip(std::uint64_t n);
    /// Nobody will ask any more.
    virtual future<void> close() { return make_ready_future<void>(); }
};

class data_source {
public:
    data_source() noexcept = default;
    explicit data_source(std::unique_ptr<data_source_impl> impl) noexcept : impl_(std::move(impl)) {}

    future<temporary_buffer<char>> get() { return impl_->get(); }
    future<temporary_buffer<char>> skip(std::uint64_t n) { return impl_->skip(n); }
    future<void> close() { return impl_->close(); }

private:
    std::unique_ptr<data_source_impl> impl_;
};

/// Where bytes go.
class data_sink_impl {
public:
    virtual ~data_sink_impl() = default;
    /// Takes all of `data`, in order. After a failure it is not known how much was taken, and nothing more may be put.
    virtual future<void> put(std::vector<temporary_buffer<char>> data) = 0;
    /// Sees to it that what was put is on its way.
    virtual future<void> flush() { return make_ready_future<void>(); }
    /// Nothing more will come.
    virtual future<void> close() = 0;
};

class data_sink {
public:
    data_sink() noexcept = default;
    explicit data_sink(std::unique_ptr<data_sink_impl> impl) noexcept : impl_(std::move(impl)) {}

    future<void> put(std::vector<temporary_buffer<char>> data) { return impl_->put(std::move(data)); }
    future<void> put(temporary_buffer<char> data);
    future<void> flush() { return impl_->flush(); }
    future<void> close() { return impl_->close(); }

private:
    std::unique_ptr<data_sink_impl> impl_;
};

/// What a consumer says: it wants more; or it has had enough, and gives back what it did not use; or it has used all of
/// this buffer and wants the next bytes skipped.
struct continue_consuming {};
template <class CharType>
class stop_consuming {
public:
    explicit stop_consuming(temporary_buffer<CharType> unused) noexcept : unused_(std::move(unused)) {}
    temporary_buffer<CharType>& get_buffer() noexcept { return unused_; }

private:
    temporary_buffer<CharType> unused_;
};
class skip_bytes {
public:
    explicit skip_bytes(std::uint64_t n) noexcept : n_(n) {}
    std::uint64_t get_value() const noexcept { return n_; }

private:
    std::uint64_t n_;
};
template <class CharType>
class consumption_result {
public:
    using tmp_buf = temporary_buffer<CharType>;
    using stop_consuming_type = stop_consuming<CharType>;

    consumption_result(continue_consuming said) noexcept : said_(said) {}
    consumption_result(stop_consuming_type said) noexcept : said_(std::move(said)) {}
    consumption_result(skip_bytes said) noexcept : said_(said) {}
    /// As Seastar's old consumers: nothing for more, unused bytes for enough.
    consumption_result(std::optional<tmp_buf> unused) noexcept {
        if (unused) {
            said_ = stop_consuming_type(std::move(*unused));
        }
    }

    auto& get() noexcept { return said_; }

private:
    std::variant<continue_consuming, stop_consuming_type, skip_bytes> said_;
};

template <class CharType = char>
class input_stream;
template <class CharType = char>
class output_stream;

template <>
class input_stream<char> {
public:
    using buffer = temporary_buffer<char>;

    input_stream() noexcept = default;
    explicit input_stream(data_source source) noexcept : source_(std::move(source)) {}
    input_stream(input_stream&&) noexcept = default;
    input_stream& operator=(input_stream&&) noexcept = default;

    /// Whatever comes next, as it comes; empty at the end.
    future<buffer> read();

    /// As read(), but at most `n` bytes.
    future<buffer> read_up_to(std::size_t n);

    /// Exactly `n` bytes in one piece; fewer only at the end.
    future<buffer> read_exactly(std::size_t n);

    /// Drops `n` bytes, or as many as there are.
    future<void> skip(std::uint64_t n);

    /// Gives what comes to `consumer(temporary_buffer<char>)`, which returns a consumption_result, or a future of one,
    /// until it has had enough or the end has been given to it as an empty buffer. The consumer is kept until then.
    template <class Consumer>
    future<void> consume(Consumer consumer);

    /// The end has been seen.
    bool eof() const noexcept { return eof_; }

    /// Nothing more is wanted. Call it before the stream is destroyed where the source asks for it (files do).
    future<void> close() { return source_.close(); }

    /// The source, for another stream on it; nothing may have been read.
    data_source detach() && {
        SHALE_ASSERT(buffer_.empty(), "a stream with {} unread bytes was detached", buffer_.size());
        return std::move(source_);
    }

private:
    /// Fills the empty buffer; at the end it stays empty and eof() is true.
    future<void> fill();

    data_source source_;
    buffer buffer_;
    bool eof_ = false;
};

template <>
class output_stream<char> {
public:
    using buffer = temporary_buffer<char>;

    output_stream() noexcept = default;
    /// Collects small writes up to `buffer_size` bytes.
    explicit output_stream(data_sink sink, std::size_t buffer_size = 8192) noexcept
        : sink_(std::move(sink)), size_(buffer_size) {}
    output_stream(output_stream&& other) noexcept = default;
    output_stream& operator=(output_stream&& other) noexcept = default;
    ~output_stream();

    // Copies; the memory may go once the call returns.
    future<void> write(const char* data, std::size_t size);
    future<void> write(std::string_view text) { return write(text.data(), text.size()); }
    future<void> write(const char* text) { return write(std::string_view(text)); }
    future<void> write(const std::string& text) { return write(std::string_view(text)); }

    // Takes the buffers over, and copies only small ones.
    future<void> write(buffer data);
    future<void> write(std::vector<buffer> data);

    /// Sends what has been written.
    future<void> flush();

    /// flush(), and the end: for a socket, the peer sees it. Whatever its outcome, the stream may be destroyed then.
    future<void> close();

    /// The sink, for another stream on it; everything must have been flushed.
    data_sink detach() &&;

private:
    bool holds_something() const noexcept { return filled_ != 0 || !whole_.empty(); }
    /// What was written by copying becomes a piece like the others.
    void seal();
    future<void> write_whole(buffer data);
    future<void> put_whole();

    data_sink sink_;
    std::vector<buffer> whole_;  ///< to go before what is in current_
    buffer current_;
    std::size_t filled_ = 0;      ///< of current_
    std::size_t held_bytes_ = 0;  ///< in whole_
    std::size_t size_ = 0;
    bool failed_ = false;  ///< or closed, or in the middle of sending
};

template <class Consumer>
future<void> input_stream<char>::consume(Consumer consumer) {
    while (true) {
        if (buffer_.empty() && !eof_) {
            co_await fill();
        }
        consumption_result<char> result = co_await futurize_invoke(consumer, std::move(buffer_));
        buffer_ = {};
        if (auto* stop = std::get_if<stop_consuming<char>>(&result.get())) {
            buffer_ = std::move(stop->get_buffer());
            co_return;
        }
        if (eof_) {
            co_return;
        }
        if (auto* jump = std::get_if<skip_bytes>(&result.get())) {
            co_await skip(jump->get_value());
        }
    }
}

/// Writes everything that `from` still has to `to`. Closes neither.
future<void> copy(input_stream<char>& from, output_stream<char>& to);

}  // namespace shale
