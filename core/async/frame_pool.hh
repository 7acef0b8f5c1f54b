// Free lists for the small blocks a shard allocates all the time: tasks, continuations, coroutine frames, messages.
//
// A block comes from malloc the first time and is kept on the list of its size class when freed, so the steady state
// is one pop and one push with no lock. Blocks are malloc'ed one by one, never carved from a slab: a block freed on
// another shard simply joins that shard's list, and a list may be emptied at any time. Under the sanitizers the pool
// passes through to malloc, so that they see every lifetime. Belongs to one shard.
#pragma once

#include <array>
#include <cstddef>
#include <new>

namespace shale {

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
inline constexpr bool frame_pool_enabled = false;
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
inline constexpr bool frame_pool_enabled = false;
#else
inline constexpr bool frame_pool_enabled = true;
#endif
#else
inline constexpr bool frame_pool_enabled = true;
#endif

class frame_pool {
public:
    static constexpr std::size_t granule = 64;    ///< bytes; every block is rounded up to a multiple of it
    static constexpr std::size_t largest = 2048;  ///< bytes; larger blocks go straight to malloc

    frame_pool() = default;
    frame_pool(const frame_pool&) = delete;
    frame_pool& operator=(const frame_pool&) = delete;
    ~frame_pool() { release_all(); }

    /// A block of at least `size` bytes, aligned for any fundamental type; null when malloc has none.
    void* allocate(std::size_t size) noexcept {
        ++live_;
        if (frame_pool_enabled && size <= largest) {
            free_block*& head = lists_[class_of(size)];
            if (head != nullptr) [[likely]] {
                free_block* block = head;
                head = block->next;
                return block;
            }
        }
        return allocate_unpooled(size);
    }

    /// Takes back a block from any frame_pool's allocate(); `size` is what was asked for then.
    void free(void* block, std::size_t size) noexcept {
        --live_;
        if (frame_pool_enabled && size <= largest) [[likely]] {
            free_block*& head = lists_[class_of(size)];
            head = ::new (block) free_block{head};
            return;
        }
        free_unpooled(block);
    }

    /// Blocks handed out by this pool minus blocks given back to it; may be negative where blocks migrate.
    std::ptrdiff_t live() const noexcept { return live_; }

    /// Gives every cached block back to malloc.
    void release_all() noexcept;

    /// For threads without a shard, and for the pool's own misses. Rounded like pooled blocks, so they may migrate.
    static void* allocate_unpooled(std::size_t size) noexcept;
    static void free_unpooled(void* block) noexcept;

private:
    struct free_block {
        free_block* next;
    };
    static constexpr std::size_t class_of(std::size_t size) noexcept { return (size + granule - 1) / granule; }

    std::array<free_block*, largest / granule + 1> lists_{};
    std::ptrdiff_t live_ = 0;
};

}  // namespace shale
