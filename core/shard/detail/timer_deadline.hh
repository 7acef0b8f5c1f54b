// Which nanosecond of the shard's clock a deadline on each of the clocks means: the one place that knows that timers on
// lowres_clock are put off so that many share a wake-up. Never earlier than the deadline.
#pragma once

#include <cstdint>

#include "../../base/time.hh"

namespace shale::detail {

/// Deadlines on `clock` are exact.
inline std::uint64_t timer_deadline_ns(clock::time_point t) noexcept {
    return to_ns(t);
}

/// Deadlines on `lowres_clock` are put off to a common moment, every 2^21 ns = 2.1 ms: one wake-up serves many.
inline std::uint64_t timer_deadline_ns(lowres_clock::time_point t) noexcept {
    constexpr std::uint64_t step = std::uint64_t{1} << 21;
    return (to_ns(clock::time_point(t.time_since_epoch())) + (step - 1)) & ~(step - 1);
}

}  // namespace shale::detail
