// Memory for I/O: blocks that direct I/O can use, kept by each shard and handed out again without a system call.
//
// Blocks come in powers of two from 4 KiB to 2 MiB and are aligned to 4 KiB. Those of 64 KiB and more are carved from
// 2 MiB chunks that begin at a huge page and are advised as one, because a transfer of scattered small pages runs at
// half the speed of one that is contiguous; smaller ones come from ordinary chunks, so that an idle shard stays small.
// Larger blocks are mapped for the occasion. A block may be freed on any shard: it joins the free list there, and its
// chunk is given back to the system when the pools that hold its blocks have let go of all of them. Nothing is
// reserved before it is asked for. Under the sanitizers every block is malloc's, so that they see its lifetime.
//
// Access: a pool belongs to one shard; a chunk's count of blocks is the only thing that pools share.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <utility>

#include "../async/frame_pool.hh"
#include "buffer.hh"

namespace shale {

namespace detail {
struct io_chunk;
}

class aligned_pool;

/// One block, owned. Move-only; may be destroyed on any shard, and off shards too.
class io_buffer {
public:
    io_buffer() noexcept = default;

    /// At least `size` bytes, uninitialised, aligned to 4 KiB, from this shard's pool. Throws std::bad_alloc.
    explicit io_buffer(std::size_t size);

    io_buffer(io_buffer&& other) noexcept
        : data_(std::exchange(other.data_, nullptr)), size_(std::exchange(other.size_, 0)), chunk_(other.chunk_) {}
    io_buffer& operator=(io_buffer&& other) noexcept {
        if (this != &other) {
            reset();
            data_ = std::exchange(other.data_, nullptr);
            size_ = std::exchange(other.size_, 0);
            chunk_ = other.chunk_;
        }
        return *this;
    }
    ~io_buffer() { reset(); }

    explicit operator bool() const noexcept { return data_ != nullptr; }
    std::byte* data() const noexcept { return data_; }
    /// All of the block: what was asked for, rounded up.
    std::size_t size() const noexcept { return size_; }

    /// Gives the block back.
    void reset() noexcept {
        if (data_ != nullptr) {
            release();
        }
    }

    /// `size` bytes from `offset` on as a buffer that owns the block. Throws std::bad_alloc and then keeps it.
    template <class CharType>
    static temporary_buffer<CharType> to_buffer(io_buffer&& block, std::size_t offset, std::size_t size) {
        SHALE_ASSERT(offset <= block.size_ && size <= block.size_ - offset, "{} bytes at {} of {}", size, offset,
                     block.size_);
        auto* from = reinterpret_cast<CharType*>(block.data_ + offset);
        return {from, size, make_object_deleter(std::move(block))};
    }

private:
    friend class aligned_pool;
    void release() noexcept;

    std::byte* data_ = nullptr;
    std::size_t size_ = 0;
    detail::io_chunk* chunk_ = nullptr;  ///< null: a mapping or a malloc of its own
};

/// The free blocks of one shard.
class aligned_pool {
public:
    static constexpr std::size_t alignment = 4096;
    static constexpr std::size_t smallest = 4096;
    static constexpr std::size_t largest = std::size_t{2} << 20;  ///< blocks above are not kept
    static constexpr std::size_t huge_page = std::size_t{2} << 20;
    static constexpr std::size_t advised_from = 64 * 1024;            ///< blocks from this size on lie in huge pages
    static constexpr std::size_t small_chunk = 256 * 1024;            ///< where the others are carved from
    static constexpr std::size_t cached_max = std::size_t{64} << 20;  ///< free bytes a pool keeps at most
    static constexpr bool enabled = frame_pool_enabled;

    aligned_pool() = default;
    aligned_pool(const aligned_pool&) = delete;
    aligned_pool& operator=(const aligned_pool&) = delete;
    ~aligned_pool() { release_all(); }

    /// As io_buffer(size). A size of 0 gives the smallest block.
    io_buffer allocate(std::size_t size);

    /// Free bytes at hand, those not yet carved included.
    std::size_t cached() const noexcept { return cached_; }

    /// Lets go of every free block.
    void release_all() noexcept;

    /// For threads that are no shards.
    static io_buffer allocate_unpooled(std::size_t size);

private:
    friend class io_buffer;
    struct free_block {
        free_block* next;
        detail::io_chunk* chunk;
    };
    static constexpr unsigned class_count = 10;  ///< 4 KiB << 0 ... 4 KiB << 9

    void refill(unsigned size_class);
    void free(std::byte* block, std::size_t size, detail::io_chunk* chunk) noexcept;

    std::array<free_block*, class_count> lists_{};
    std::size_t cached_ = 0;
};

}  // namespace shale
