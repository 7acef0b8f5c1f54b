// temporary_buffer: a piece of memory on its way through the program, and who owns it.
//
// It is a pointer, a size and a deleter: moving is cheap, copying is spelled clone(), and share() makes further views
// of the same memory, so that data read once is passed on without being copied. trim() and trim_front() narrow the
// view and free nothing. A buffer belongs to one shard; to send one elsewhere, send an unshared one or a clone.
// Names and meanings are Seastar's.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdlib>
#include <cstring>
#include <new>
#include <span>
#include <string_view>
#include <utility>

#include "deleter.hh"

namespace shale {

template <class CharType>
class temporary_buffer {
    static_assert(sizeof(CharType) == 1, "a buffer is a sequence of bytes");

public:
    temporary_buffer() noexcept = default;

    /// `size` bytes of uninitialised memory of its own. Throws std::bad_alloc.
    explicit temporary_buffer(std::size_t size) {
        if (size > 0) {
            data_ = static_cast<CharType*>(checked(std::malloc(size)));
            size_ = size;
            deleter_ = deleter::of_malloc(data_);
        }
    }

    /// A copy of `size` bytes at `source`.
    temporary_buffer(const CharType* source, std::size_t size) : temporary_buffer(size) {
        if (size > 0) {
            std::memcpy(data_, source, size);
        }
    }

    /// Memory that somebody else made, and what keeps it alive.
    temporary_buffer(CharType* data, std::size_t size, deleter owner) noexcept
        : data_(data), size_(size), deleter_(std::move(owner)) {}

    temporary_buffer(temporary_buffer&& other) noexcept
        : data_(std::exchange(other.data_, nullptr)),
          size_(std::exchange(other.size_, 0)),
          deleter_(std::move(other.deleter_)) {}
    temporary_buffer& operator=(temporary_buffer&& other) noexcept {
        if (this != &other) {
            data_ = std::exchange(other.data_, nullptr);
            size_ = std::exchange(other.size_, 0);
            deleter_ = std::move(other.deleter_);
        }
        return *this;
    }
    ~temporary_buffer() = default;

    /// `size` bytes whose address is a multiple of `alignment`, a power of two: what direct I/O asks for.
    static temporary_buffer aligned(std::size_t alignment, std::size_t size) {
        SHALE_ASSERT(alignment != 0 && (alignment & (alignment - 1)) == 0, "alignment is {}", alignment);
        if (size == 0) {
            return {};
        }
        const std::size_t unit = std::max(alignment, sizeof(void*));
        const std::size_t rounded = (size + unit - 1) & ~(unit - 1);
        auto* data = static_cast<CharType*>(checked(std::aligned_alloc(unit, rounded)));
        return {data, size, deleter::of_malloc(data)};
    }

    static temporary_buffer copy_of(std::string_view text) {
        return temporary_buffer(reinterpret_cast<const CharType*>(text.data()), text.size());
    }

    const CharType* get() const noexcept { return data_; }
    CharType* get_write() noexcept { return data_; }
    std::size_t size() const noexcept { return size_; }
    bool empty() const noexcept { return size_ == 0; }
    explicit operator bool() const noexcept { return size_ != 0; }
    const CharType* begin() const noexcept { return data_; }
    const CharType* end() const noexcept { return data_ + size_; }
    CharType operator[](std::size_t index) const noexcept {
        SHALE_DEBUG_ASSERT(index < size_, "index {} of {}", index, size_);
        return data_[index];
    }

    std::string_view view() const noexcept { return {reinterpret_cast<const char*>(data_), size_}; }
    operator std::string_view() const noexcept { return view(); }
    std::span<const std::byte> bytes() const noexcept { return std::as_bytes(std::span(data_, size_)); }
    friend bool operator==(const temporary_buffer& a, const temporary_buffer& b) noexcept {
        return a.view() == b.view();
    }

    /// The first min(size, size()) bytes, as another owner of the same memory.
    temporary_buffer prefix(std::size_t size) { return share(0, std::min(size, size_)); }

    /// Another owner of the same memory. May allocate (std::bad_alloc).
    temporary_buffer share() { return {data_, size_, deleter_.share()}; }

    /// Another owner of `size` bytes from `offset` on, which must exist.
    temporary_buffer share(std::size_t offset, std::size_t size) {
        SHALE_ASSERT(offset <= size_ && size <= size_ - offset, "{} bytes at {} of {}", size, offset, size_);
        return {data_ + offset, size, deleter_.share()};
    }

    /// Memory of its own with the same bytes.
    temporary_buffer clone() const { return temporary_buffer(data_, size_); }

    /// Keeps the first `size` bytes, of which there must be as many.
    void trim(std::size_t size) noexcept {
        SHALE_ASSERT(size <= size_, "trim to {} of {} bytes", size, size_);
        size_ = size;
    }
    /// Drops the first `size` bytes, of which there must be as many.
    void trim_front(std::size_t size) noexcept {
        SHALE_ASSERT(size <= size_, "trim {} of {} bytes", size, size_);
        data_ += size;
        size_ -= size;
    }

    /// Gives the ownership away: the memory lives as long as the deleter; the buffer is empty then.
    deleter release() noexcept {
        data_ = nullptr;
        size_ = 0;
        return std::move(deleter_);
    }

private:
    static void* checked(void* block) {
        if (block == nullptr) [[unlikely]] {
            throw std::bad_alloc();
        }
        return block;
    }

    CharType* data_ = nullptr;
    std::size_t size_ = 0;
    deleter deleter_;
};

}  // namespace shale
