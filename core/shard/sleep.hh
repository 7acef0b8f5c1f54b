// Futures of time passing: `co_await sleep(10ms)`.
//
// A sleep is ready in the first turn at or after its deadline, never earlier; a duration of nothing or less takes one
// turn, and duration::max() is for ever. It belongs to one shard, costs one small block and one place in the timer
// wheel, and cannot be taken back: dropping the future leaves the timer running. What waits for something else with a
// limit should use sleep_abortable(), or a time-out of the call it waits for.
#pragma once

#include <source_location>

#include "../async/abort_source.hh"
#include "../async/future.hh"
#include "../base/time.hh"
#include "detail/timer_deadline.hh"

namespace shale {

/// What an aborted sleep fails with, whatever reason the source gave.
class sleep_aborted final : public abort_requested_exception {
public:
    const char* what() const noexcept override { return "sleep aborted"; }
};

namespace detail {
future<> sleep_until_ns(std::uint64_t deadline_ns, abort_source* abort, std::source_location site);
}

/// Ready at `when`.
template <class Clock, class Duration>
future<> sleep_until(std::chrono::time_point<Clock, Duration> when,
                     std::source_location site = std::source_location::current()) {
    return detail::sleep_until_ns(detail::timer_deadline_ns(when), nullptr, site);
}

/// Ready after `how_long`. Clock may be lowres_clock, which is up to 2.1 ms late and cheaper in numbers.
template <class Clock = clock>
future<> sleep(duration how_long, std::source_location site = std::source_location::current()) {
    return sleep_until(saturating_add<Clock>(Clock::now(), how_long), site);
}

/// As sleep(), but fails with sleep_aborted at once when `abort` fires, or if it has fired already. The source may be
/// destroyed before the sleep ends; it just cannot end it then.
template <class Clock = clock>
future<> sleep_abortable(duration how_long, abort_source& abort,
                         std::source_location site = std::source_location::current()) {
    return detail::sleep_until_ns(detail::timer_deadline_ns(saturating_add<Clock>(Clock::now(), how_long)), &abort,
                                  site);
}

}  // namespace shale
