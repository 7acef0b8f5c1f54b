// Where a shard's time goes: every nanosecond of its thread is charged to exactly one phase.
//
// Charging is after the fact: mark(p) says "everything since the last mark was p". A turn in which nothing happens
// makes no mark of its own, so it costs no clock reading beyond the one every turn makes, and counts as spinning.
// The time of tasks is charged to their scheduling group as well (run_queue). Belongs to one shard.
#pragma once

#include <array>
#include <cstdint>
#include <string_view>

namespace shale {

enum class phase : std::uint8_t {
    spin,      ///< looking for something to do and finding nothing
    reap,      ///< collecting what finished outside: disk, sockets, helpers
    timers,    ///< running timers' callbacks
    messages,  ///< receiving from and publishing to other shards
    tasks,     ///< running tasks, of any group
    submit,    ///< handing requests to the outside, including sockets tried at once
    sleep,     ///< in the kernel, waiting
};
inline constexpr unsigned phase_count = 7;

constexpr std::string_view to_string(phase p) noexcept {
    constexpr std::array<std::string_view, phase_count> names{"spin",  "reap",   "timers", "messages",
                                                              "tasks", "submit", "sleep"};
    return names[static_cast<unsigned>(p)];
}

class phase_clock {
public:
    explicit phase_clock(std::uint64_t now_ns) noexcept : last_ns_(now_ns) {}

    /// Charges the time since the last mark to `p` and returns it.
    std::uint64_t mark(phase p, std::uint64_t now_ns) noexcept {
        const std::uint64_t elapsed = now_ns - last_ns_;
        spent_ns_[static_cast<unsigned>(p)] += elapsed;
        last_ns_ = now_ns;
        return elapsed;
    }

    std::uint64_t last_ns() const noexcept { return last_ns_; }  ///< of the last mark
    std::uint64_t spent_ns(phase p) const noexcept { return spent_ns_[static_cast<unsigned>(p)]; }

private:
    std::uint64_t last_ns_;
    std::array<std::uint64_t, phase_count> spent_ns_{};
};

}  // namespace shale
