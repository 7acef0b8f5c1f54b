// Chunks, and the way of a block from a chunk to a list to a user and back.
#include "aligned_pool.hh"

#include <sys/mman.h>

#include <atomic>
#include <bit>
#include <cstdlib>
#include <memory>
#include <new>

#include "../base/align.hh"
#include "../base/fault_point.hh"
#include "shard.hh"

namespace shale {

namespace detail {

/// Memory from the system that blocks of one size were carved from.
struct io_chunk {
    std::byte* memory;
    std::size_t size;
    std::atomic<std::uint32_t> blocks;  ///< that a pool or a user has
};

namespace {

/// Maps `size` bytes that begin at a multiple of `alignment`; null when the system has none.
std::byte* map_aligned(std::size_t size, std::size_t alignment) noexcept {
    const std::size_t room = size + alignment;
    void* mapped = ::mmap(nullptr, room, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (mapped == MAP_FAILED) {
        return nullptr;
    }
    auto* begin = static_cast<std::byte*>(mapped);
    const std::uintptr_t address = reinterpret_cast<std::uintptr_t>(begin);
    const std::size_t before = align_up(address, alignment) - address;
    if (before != 0) {
        ::munmap(begin, before);
    }
    ::munmap(begin + before + size, room - before - size);
    if (alignment >= aligned_pool::huge_page) {
        ::madvise(begin + before, size, MADV_HUGEPAGE);  // advice: a kernel without huge pages may refuse
    }
    return begin + before;
}

void let_go(io_chunk& chunk) noexcept {
    // acq_rel: pairs with itself. The last pool must see that the others are done with the memory it unmaps.
    if (chunk.blocks.fetch_sub(1, std::memory_order_acq_rel) == 1) {
        ::munmap(chunk.memory, chunk.size);
        delete &chunk;
    }
}

/// Blocks too large to keep, and all of them under a sanitizer.
std::size_t unpooled_size(std::size_t size) noexcept {
    return align_up(size == 0 ? std::size_t{1} : size, aligned_pool::alignment);
}

bool is_mapped(std::size_t size) noexcept {
    return aligned_pool::enabled && size > aligned_pool::largest;
}

}  // namespace
}  // namespace detail

io_buffer aligned_pool::allocate_unpooled(std::size_t size) {
    io_buffer made;
    const std::size_t rounded = detail::unpooled_size(size);
    made.data_ = detail::is_mapped(rounded) ? detail::map_aligned(rounded, huge_page)
                                            : static_cast<std::byte*>(std::aligned_alloc(alignment, rounded));
    if (made.data_ == nullptr) {
        throw std::bad_alloc();
    }
    made.size_ = rounded;
    return made;
}

io_buffer aligned_pool::allocate(std::size_t size) {
    if (!enabled || size > largest) {
        return allocate_unpooled(size);
    }
    const auto size_class = size <= smallest ? 0U : static_cast<unsigned>(std::bit_width((size - 1) / smallest));
    if (lists_[size_class] == nullptr) {
        refill(size_class);
    }
    free_block* block = lists_[size_class];
    lists_[size_class] = block->next;
    io_buffer made;
    made.chunk_ = block->chunk;
    made.size_ = smallest << size_class;
    made.data_ = reinterpret_cast<std::byte*>(block);
    cached_ -= made.size_;
    return made;
}

void aligned_pool::refill(unsigned size_class) {
    const std::size_t size = smallest << size_class;
    const bool advised = size >= advised_from;
    const std::size_t bytes = advised ? huge_page : small_chunk;
    auto chunk = std::make_unique<detail::io_chunk>();
    chunk->size = bytes;
    chunk->memory = detail::map_aligned(bytes, advised ? huge_page : alignment);
    if (chunk->memory == nullptr) {
        throw std::bad_alloc();
    }
    const auto count = static_cast<std::uint32_t>(bytes / size);
    chunk->blocks.store(count, std::memory_order_relaxed);  // nobody else knows the chunk yet
    // The first block of the chunk ends on top of the list. Linking touches each block's first page: the cost of a
    // list without a table beside it, and for advised chunks one huge page in any case.
    for (std::uint32_t i = count; i-- > 0;) {
        lists_[size_class] = ::new (chunk->memory + i * size) free_block{lists_[size_class], chunk.get()};
    }
    chunk.release();
    cached_ += bytes;
}

void aligned_pool::free(std::byte* block, std::size_t size, detail::io_chunk* chunk) noexcept {
    if (cached_ + size > cached_max || FAULT("pool.block_not_kept")) {
        detail::let_go(*chunk);
        return;
    }
    const auto size_class = static_cast<unsigned>(std::countr_zero(size / smallest));
    lists_[size_class] = ::new (block) free_block{lists_[size_class], chunk};
    cached_ += size;
}

void aligned_pool::release_all() noexcept {
    for (free_block*& list : lists_) {
        while (list != nullptr) {
            free_block* block = std::exchange(list, list->next);
            detail::let_go(*block->chunk);
        }
    }
    cached_ = 0;
}

io_buffer::io_buffer(std::size_t size)
    : io_buffer(on_shard() ? this_shard().io_buffers().allocate(size) : aligned_pool::allocate_unpooled(size)) {}

void io_buffer::release() noexcept {
    std::byte* block = std::exchange(data_, nullptr);
    if (chunk_ == nullptr) {
        if (detail::is_mapped(size_)) {
            ::munmap(block, size_);
        } else {
            std::free(block);
        }
    } else if (on_shard()) {
        this_shard().io_buffers().free(block, size_, chunk_);
    } else {
        detail::let_go(*chunk_);
    }
}

}  // namespace shale
