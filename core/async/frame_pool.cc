// The slow half of the frame pool: where blocks come from and go back to.
#include "frame_pool.hh"

namespace shale {

void* frame_pool::allocate_unpooled(std::size_t size) noexcept {
    const std::size_t rounded = size <= largest ? class_of(size) * granule : size;
    return ::operator new(rounded == 0 ? granule : rounded, std::nothrow);
}

void frame_pool::free_unpooled(void* block) noexcept {
    ::operator delete(block);
}

void frame_pool::release_all() noexcept {
    for (free_block*& head : lists_) {
        while (head != nullptr) {
            free_block* block = head;
            head = block->next;
            free_unpooled(block);
        }
    }
}

}  // namespace shale
