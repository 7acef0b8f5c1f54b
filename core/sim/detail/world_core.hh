// What all parts of a simulated world share: time, randomness, the record of the run, and those who watch it.
//
// It belongs to the world and knows no machine, so that a platform or a disk needs nothing above it.
#pragma once

#include <deque>
#include <functional>
#include <string>
#include <vector>

#include "../fault_counts.hh"
#include "../two_stage_faults.hh"
#include "../world_event.hh"
#include "../world_options.hh"
#include "event_hash.hh"
#include "event_queue.hh"
#include "history.hh"
#include "outside.hh"

namespace shale::sim::detail {

class sim_platform;

struct world_core {
    explicit world_core(const world_options& o) : options(o), streams(o.seed) {}
    world_core(const world_core&) = delete;
    world_core& operator=(const world_core&) = delete;

    /// Waits for the n-th event of some kind.
    struct watcher {
        std::function<bool(const world_event&)> matches;
        unsigned left;  ///< matches to come; 0: done
        std::move_only_function<void(const world_event&)> act;
    };

    /// Tells the watchers; those that are added meanwhile see the next event.
    void tell(const world_event& event);

    /// Ends what is folded into the hash for one turn or event of `who`.
    void end_entry(std::string_view who, std::uint64_t tasks, std::uint64_t drawn, std::uint64_t clock_ns);

    /// Questions to the streams by programs: entropy and faults.
    std::uint64_t draws() const noexcept { return entropy_drawn + plan.asked(); }

    const world_options options;
    random_streams streams;
    random_engine choice_random = streams.schedule.fork();   ///< who steps next
    random_engine cost_random = streams.schedule.fork();     ///< what turns cost, stalls
    random_engine preempt_random = streams.schedule.fork();  ///< when tasks give way
    random_engine reap_random = streams.schedule.fork();     ///< the order of completions
    event_queue events;
    event_hash hash;
    history past;
    fault_counts faults;
    two_stage_faults plan{options.faults, streams.faults(), faults};
    std::deque<watcher> watchers;  ///< a deque: one that acts may add others
    unsigned telling = 0;
    std::uint64_t entropy_drawn = 0;   ///< bytes that programs asked for
    sim_platform* stepping = nullptr;  ///< whose turn it is
    std::vector<std::string> dropped_failures;
};

}  // namespace shale::sim::detail
