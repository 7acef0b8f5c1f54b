// The completion ring of an AIO context, read from user space.
//
// io_setup returns the address of a mapping that the kernel fills with finished operations; reading it there costs a
// few loads where io_getevents costs a system call. The layout is not in any header, so it is believed only when
// magic, incompatible features and header length are those of the one layout there has ever been; else `usable()` is
// false and the caller falls back to the system call. One thread reads; the kernel alone writes `tail`.
#pragma once

#include <libaio.h>

#include <atomic>

namespace shale::detail {

class aio_ring {
public:
    aio_ring() = default;

    /// `context` as io_setup gave it, which is readable memory.
    explicit aio_ring(io_context* context) noexcept {
        auto* candidate = reinterpret_cast<header*>(context);
        if (candidate->magic == magic && candidate->incompat_features == 0 &&
            candidate->header_length == sizeof(header) && candidate->nr > 1) {
            ring_ = candidate;
        }
    }

    bool usable() const noexcept { return ring_ != nullptr; }

    /// True when no event waits. Relaxed: a hint, take() decides.
    bool empty() const noexcept {
        return std::atomic_ref(ring_->head).load(std::memory_order_relaxed) ==
               std::atomic_ref(ring_->tail).load(std::memory_order_relaxed);
    }

    /// Hands each waiting event, up to `max`, to `f` and frees its place; returns how many.
    template <class F>
    unsigned take(unsigned max, F&& f) noexcept {
        const std::atomic_ref shared_head(ring_->head);
        unsigned head = shared_head.load(std::memory_order_relaxed);
        // pairs with the kernel's write barrier between an event and the tail (aio_complete)
        const unsigned tail = std::atomic_ref(ring_->tail).load(std::memory_order_acquire);
        const unsigned size = ring_->nr;
        unsigned count = 0;
        while (head != tail && count < max) {
            f(ring_->events[head]);
            head = head + 1 == size ? 0 : head + 1;
            ++count;
        }
        if (count != 0) {
            // pairs with the kernel's read of head before it reuses the places (user_refill_reqs_available)
            shared_head.store(head, std::memory_order_release);
        }
        return count;
    }

private:
    static constexpr unsigned magic = 0xa10a10a1;

    struct header {
        unsigned id;
        unsigned nr;
        unsigned head;
        unsigned tail;
        unsigned magic;
        unsigned compat_features;
        unsigned incompat_features;
        unsigned header_length;
        io_event events[0];
    };
    static_assert(sizeof(header) == 32);

    header* ring_ = nullptr;
};

}  // namespace shale::detail
