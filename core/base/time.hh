// Time as values: durations, points on a shard's clock, and points on the calendar. There is no clock access here.
//
// `clock::now()` is the time this shard took at the start of its turn: reading it is a load, never a system call, and
// in the simulation it is virtual. The shard layer defines it, so that base knows no shard. Where code wants "how long
// did this take" below the length of a turn it needs a profiler, not this clock. The names fit Seastar's users.
#pragma once

#include <chrono>
#include <cstdint>

namespace shale {

using duration = std::chrono::nanoseconds;

using namespace std::chrono_literals;

/// The monotonic clock of a shard: nanoseconds from an arbitrary origin that all shards of a runtime share.
class clock {
public:
    using duration = shale::duration;
    using rep = duration::rep;
    using period = duration::period;
    using time_point = std::chrono::time_point<clock, duration>;
    static constexpr bool is_steady = true;

    /// The time at which this shard's turn began. Only on a shard. Defined by the shard layer.
    static time_point now() noexcept;
};

/// The same time for those who do not mind being told late: timers on this clock fire up to a few milliseconds after
/// their deadline, together, so that many of them cost few wake-ups.
class lowres_clock {
public:
    using duration = shale::duration;
    using rep = duration::rep;
    using period = duration::period;
    using time_point = std::chrono::time_point<lowres_clock, duration>;
    static constexpr bool is_steady = true;

    /// As clock::now().
    static time_point now() noexcept;
};

/// The calendar, as this shard last read it: may jump. For people and protocols, never for measuring.
class wall_clock {
public:
    using duration = shale::duration;
    using rep = duration::rep;
    using period = duration::period;
    using time_point = std::chrono::time_point<wall_clock, duration>;
    static constexpr bool is_steady = false;

    /// Time since 1970-01-01 UTC. Only on a shard. Defined by the shard layer.
    static time_point now() noexcept;
};

using steady_clock_type = clock;
using time_point = clock::time_point;

/// Conversions to and from the bare nanoseconds that cross the seam. Times before the origin count as the origin.
constexpr std::uint64_t to_ns(clock::time_point t) noexcept {
    const auto ns = t.time_since_epoch().count();
    return ns < 0 ? 0 : static_cast<std::uint64_t>(ns);
}

/// Times beyond what the clock can hold (292 years) become its maximum.
constexpr clock::time_point from_ns(std::uint64_t ns) noexcept {
    constexpr auto max_ns = static_cast<std::uint64_t>(duration::max().count());
    return clock::time_point(duration(static_cast<duration::rep>(ns < max_ns ? ns : max_ns)));
}

/// `t + d` that stops at the ends of time instead of overflowing: a time-out of duration::max() means "never".
template <class Clock>
constexpr std::chrono::time_point<Clock, duration> saturating_add(std::chrono::time_point<Clock, duration> t,
                                                                  duration d) noexcept {
    duration::rep sum = 0;
    if (__builtin_add_overflow(t.time_since_epoch().count(), d.count(), &sum)) {
        sum = d.count() < 0 ? duration::min().count() : duration::max().count();
    }
    return std::chrono::time_point<Clock, duration>(duration(sum));
}

}  // namespace shale
