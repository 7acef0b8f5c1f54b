// A monotonic clock for one thread that costs one instruction instead of a vDSO call.
//
// CLOCK_MONOTONIC takes 23 ns here and the processor's time stamp counter 10, which tells when an idle turn is a
// handful of loads. So the counter is scaled to nanoseconds and anchored to CLOCK_MONOTONIC anew every few
// milliseconds; no error lives longer than that, whatever happened to the counter (migration, suspend, a host that
// moved us). Clocks of different shards agree to within some tens of nanoseconds. Used only where the kernel itself
// keeps time by the counter, which it does after having checked that it is constant, never stops and agrees between
// processors.
#pragma once

#include <cstdint>

#if defined(__x86_64__)
#include <x86intrin.h>
#endif

namespace shale::detail {

#if defined(__x86_64__)
inline std::uint64_t read_tsc() noexcept {
    return __rdtsc();
}
#else
inline std::uint64_t read_tsc() noexcept {
    return 0;
}
#endif

/// True when the kernel's clock source is the time stamp counter. Reads a file of /sys.
bool tsc_is_trusted() noexcept;

class tsc_clock {
public:
    /// With `use_tsc` false this is CLOCK_MONOTONIC itself.
    explicit tsc_clock(bool use_tsc) noexcept;

    /// Nanoseconds of CLOCK_MONOTONIC. Never runs backwards for its caller.
    std::uint64_t now() noexcept {
        // A counter that jumped back makes a huge difference, which is also not below the interval.
        const std::uint64_t elapsed = read_tsc() - anchor_tsc_;
        if (elapsed < interval_tsc_) [[likely]] {
            const std::uint64_t t = anchor_ns_ + (elapsed * ns_per_tsc_ >> scale_bits);
            return t > floor_ns_ ? t : floor_ns_;
        }
        return anchor_anew();
    }

private:
    static constexpr unsigned scale_bits = 32;

    std::uint64_t anchor_anew() noexcept;

    std::uint64_t anchor_tsc_ = 0;
    std::uint64_t anchor_ns_ = 0;
    std::uint64_t interval_tsc_ = 0;  ///< 0: the counter is not used (yet)
    std::uint64_t ns_per_tsc_ = 0;    ///< fixed point, scale_bits of fraction
    std::uint64_t floor_ns_ = 0;      ///< what was given out before the last anchoring
    std::uint64_t base_tsc_ = 0;      ///< start of the stretch over which the rate is measured
    std::uint64_t base_ns_ = 0;
    bool use_tsc_;
};

}  // namespace shale::detail
