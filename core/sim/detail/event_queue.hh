// What will happen in a simulated world, in the order of virtual time: disks that finish, packets that arrive, faults.
//
// Events of one moment run in the order in which they were added, so that the same program gives the same run. Only
// running an event moves the queue's time, and never backwards. An event belongs to no shard: it runs between the
// turns of all of them, changes the outside world, and reaches a program only through what its platform reaps.
#pragma once

#include <cstdint>
#include <functional>
#include <map>

#include "../../shard/platform.hh"

namespace shale::sim::detail {

class event_queue {
public:
    using action = std::move_only_function<void()>;

    /// Names an event that has not run; to be forgotten once it has.
    struct id {
        std::uint64_t when_ns = 0;
        std::uint64_t number = 0;
        friend auto operator<=>(const id&, const id&) = default;
    };

    /// The world's time: that of the turn or event that runs now. Nanoseconds, the terms of platform::now().
    std::uint64_t now_ns() const noexcept { return now_ns_; }

    /// Adds an event; one for the past runs now, that is, as soon as those due have run.
    id at(std::uint64_t when_ns, action what);
    id after(std::uint64_t delay_ns, action what) { return at(now_ns_ + delay_ns, std::move(what)); }

    /// Takes an event back. False: it has run, or was taken back before.
    bool cancel(const id& event) noexcept { return events_.erase(event) != 0; }

    bool empty() const noexcept { return events_.empty(); }
    std::uint64_t next_ns() const noexcept { return events_.empty() ? no_deadline : events_.begin()->first.when_ns; }
    /// Events run so far.
    std::uint64_t count() const noexcept { return count_; }

    /// Moves time on to `now_ns`, which may not pass next_ns(). What lies in the past leaves time as it is.
    void advance(std::uint64_t now_ns) noexcept;

    /// Runs the first event, at its time. There must be one.
    void run_next();

private:
    std::uint64_t now_ns_ = 1'000'000'000;
    std::uint64_t next_number_ = 1;
    std::uint64_t count_ = 0;
    std::map<id, action> events_;
};

}  // namespace shale::sim::detail
