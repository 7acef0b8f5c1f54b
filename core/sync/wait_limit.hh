// How long a wait may last: until a time, for a while, until an abort source fires, or both. Every wait of this folder
// takes one, and everything that says a limit converts to it: wait(10ms), wait(deadline), wait(abort), wait({10ms,
// &abort}).
#pragma once

#include <chrono>
#include <exception>

#include "../async/abort_source.hh"
#include "../async/timed_out.hh"
#include "../base/time.hh"
#include "../shard/platform.hh"

namespace shale {

class wait_limit {
public:
    /// For ever.
    wait_limit() noexcept = default;

    /// Until `deadline`.
    template <class Duration>
    wait_limit(std::chrono::time_point<clock, Duration> deadline, abort_source* abort = nullptr) noexcept
        : deadline_ns_(deadline_of(std::chrono::time_point_cast<duration>(deadline))), abort_(abort) {}

    /// For `length` from now on; duration::max() is for ever.
    template <class Rep, class Period>
    wait_limit(std::chrono::duration<Rep, Period> length, abort_source* abort = nullptr) noexcept
        : deadline_ns_(deadline_after(length)), abort_(abort) {}

    /// Until `abort` fires. The source must outlive the wait.
    wait_limit(abort_source& abort) noexcept : abort_(&abort) {}
    wait_limit(abort_source* abort) noexcept : abort_(abort) {}

    /// In the shard clock's terms; no_deadline for never.
    std::uint64_t deadline_ns() const noexcept { return deadline_ns_; }
    abort_source* abort() const noexcept { return abort_; }

private:
    static std::uint64_t deadline_of(clock::time_point t) noexcept {
        return t == clock::time_point::max() ? no_deadline : to_ns(t);
    }
    template <class Rep, class Period>
    static std::uint64_t deadline_after(std::chrono::duration<Rep, Period> length) noexcept {
        // What does not fit into nanoseconds is longer than anybody waits.
        if (length >= std::chrono::duration_cast<std::chrono::duration<Rep, Period>>(duration::max())) {
            return no_deadline;
        }
        return deadline_of(saturating_add(clock::now(), std::chrono::duration_cast<duration>(length)));
    }

    std::uint64_t deadline_ns_ = no_deadline;
    abort_source* abort_ = nullptr;
};

}  // namespace shale
