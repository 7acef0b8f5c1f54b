// The atomics policy: what code shared between threads may use of the memory model, and nothing else.
//
// Lock-free code in Shale is a template over a policy like `std_atomics`, so that the very same lines run in production
// on std::atomic and under the exhaustive explorer of tests/model, which follows every interleaving and every stale
// read the C++ memory model allows. A policy has an atomic cell, a plain cell (in production the bare type; in the
// explorer one that reports data races), a fence for the compiler alone, a prefetch, and the scan for changed counters.
// There is no stand-alone hardware fence: ThreadSanitizer cannot see one, and the protocols here do not need one.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>

namespace shale {

/// What separates data of different writers. Two adjacent lines are fetched together by some processors, which costs
/// little for the data that stand so here.
inline constexpr std::size_t cache_line = 64;

/// The policy of production code.
struct std_atomics {
    template <class T>
    using atomic = std::atomic<T>;

    /// A cell written and read by different threads, which something else must order.
    template <class T>
    using plain = T;

    /// Arrays given to next_change() are padded to a multiple of this.
    static constexpr unsigned counters_per_line = cache_line / sizeof(std::uint32_t);

    /// Keeps the compiler from moving memory accesses across; costs no instruction. Only half of a fence: its other
    /// half is the heavy barrier (membarrier) that the rare side makes on behalf of all threads.
    static void light_barrier() noexcept {
        std::atomic_signal_fence(std::memory_order_seq_cst);  // pairs with the heavy barrier in mailbox::try_sleep()
    }

    /// Fetches the first two cache lines of what another thread wrote, to be written here too.
    static void prefetch(const void* address) noexcept {
        __builtin_prefetch(address, 1);
        __builtin_prefetch(static_cast<const char*>(address) + cache_line, 1);
    }

    /// The first index from `begin` at which a counter differs from what was last seen, or `count`. Relaxed: a hint
    /// where to look, the caller loads with acquire there. Both arrays are aligned to a cache line and padded with
    /// equal counters. Compares a line at a time.
    static unsigned next_change(const std::atomic<std::uint32_t>* counters, const std::uint32_t* seen, unsigned begin,
                                unsigned count) noexcept;
};

namespace detail {

inline unsigned next_change_one_by_one(const std::atomic<std::uint32_t>* counters, const std::uint32_t* seen,
                                       unsigned begin, unsigned end) noexcept {
    while (begin < end && counters[begin].load(std::memory_order_relaxed) == seen[begin]) {
        ++begin;
    }
    return begin;
}

#if defined(__SANITIZE_THREAD__)
inline constexpr bool compare_by_vector = false;
#elif defined(__has_feature)
#if __has_feature(thread_sanitizer)
inline constexpr bool compare_by_vector = false;
#else
inline constexpr bool compare_by_vector = true;
#endif
#else
inline constexpr bool compare_by_vector = true;
#endif

/// Whether two cache lines differ. Vectors of 16 bytes, which every 64-bit processor has and reads with each counter in
/// one piece. For the language these are plain reads, so ThreadSanitizer is spared them.
inline bool lines_differ(const void* a, const void* b) noexcept {
    using vector [[gnu::may_alias, gnu::vector_size(16)]] = std::uint64_t;
    const auto* x = static_cast<const vector*>(a);
    const auto* y = static_cast<const vector*>(b);
    const vector changed = ((x[0] ^ y[0]) | (x[1] ^ y[1])) | ((x[2] ^ y[2]) | (x[3] ^ y[3]));
    return (changed[0] | changed[1]) != 0;
}

}  // namespace detail

inline unsigned std_atomics::next_change(const std::atomic<std::uint32_t>* counters, const std::uint32_t* seen,
                                         unsigned begin, unsigned count) noexcept {
    static_assert(std::atomic<std::uint32_t>::is_always_lock_free && sizeof(std::atomic<std::uint32_t>) == 4);
    const unsigned line_end = (begin + counters_per_line - 1) / counters_per_line * counters_per_line;
    begin = detail::next_change_one_by_one(counters, seen, begin, line_end < count ? line_end : count);
    if (!detail::compare_by_vector || begin != line_end) {
        return detail::next_change_one_by_one(counters, seen, begin, begin < line_end ? begin : count);
    }
    light_barrier();  // what the compiler has read of the lines before is no answer now
    while (begin < count && !detail::lines_differ(counters + begin, seen + begin)) {
        begin += counters_per_line;
    }
    return detail::next_change_one_by_one(counters, seen, begin < count ? begin : count, count);
}

}  // namespace shale
