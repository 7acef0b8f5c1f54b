// What a connection has to send: a chain of memory blocks, and of large values that are sent from where they lie.
//
// Small replies are packed into blocks one behind the other, so a pipeline of thousands costs a few allocations and
// one gathering send. A large value is attached instead of copied: the chain holds a reference that keeps the value
// alive until its last byte has been sent. References belong to the shard that made them; take_copy() gives bytes that
// may cross to another shard. The first block is kept for the next turn unless release() is called.
#pragma once

#include <sys/uio.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include <shale/core/base/assert.hh>

namespace shale::kv {

/// Keeps bytes alive. `release(owner)` is called once, on the shard that made the reference.
struct bytes_owner {
    void* owner = nullptr;
    void (*release)(void* owner) noexcept = nullptr;
};

class output {
public:
    output() = default;
    output(output&&) noexcept;
    output& operator=(output&&) noexcept;
    ~output() { release(); }

    std::size_t size() const noexcept { return size_; }
    bool empty() const noexcept { return size_ == 0; }

    /// Space for `bytes` more bytes in one piece; commit() says how many of them were written.
    char* reserve(std::size_t bytes) {
        if (static_cast<std::size_t>(limit_ - end_) < bytes) [[unlikely]] {
            add_block(bytes);
        }
        return end_;
    }
    void commit(std::size_t bytes) noexcept {
        end_ += bytes;
        size_ += bytes;
    }

    void append(std::string_view text) {
        if (text.size() > static_cast<std::size_t>(limit_ - end_)) [[unlikely]] {
            append_long(text);
            return;
        }
        std::copy(text.begin(), text.end(), end_);
        commit(text.size());
    }

    /// `text` is sent from where it is; it must not change until `owner` is released.
    void attach(std::string_view text, bytes_owner owner);

    /// Moves all of `other` behind what is here.
    void append(output&& other);

    /// Describes up to `max` pieces from the front; returns how many.
    unsigned gather(iovec* pieces, unsigned max) const noexcept;

    /// Forgets the first `bytes` bytes: they have been sent.
    void consume(std::size_t bytes) noexcept;

    /// Everything as one string; what was attached is copied and let go.
    std::string take_copy();

    /// Back to empty; the first block is kept.
    void clear() noexcept;

    /// Back to empty, holding no memory.
    void release() noexcept;

private:
    struct piece {
        std::unique_ptr<char[]> block;  // null: attached
        char* begin = nullptr;
        char* end = nullptr;  // of the last block: end_ instead
        std::size_t capacity = 0;
        bytes_owner owner{};
    };

    void add_block(std::size_t bytes);
    void append_long(std::string_view text);
    void seal() noexcept;
    void drop(piece& old) noexcept;

    std::vector<piece> pieces_;
    std::size_t first_ = 0;  // pieces before it are sent
    char* end_ = nullptr;    // where the next byte goes; null or the end of an attachment: nowhere
    char* limit_ = nullptr;
    std::size_t size_ = 0;
};

}  // namespace shale::kv
