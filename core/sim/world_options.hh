// What a simulated world is like: its seed, who steps next, what a turn costs, what may go wrong by itself.
//
// The defaults are kind: turns cost the same, nothing stalls and no fault point fires, so that a unit test sees exact
// times. A campaign fills in harsher ones (swarm.hh). All times are virtual nanoseconds.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "../base/limits.hh"
#include "disk_profile.hh"
#include "net_profile.hh"

namespace shale::sim {

struct trace;

namespace detail {
struct host;
}

/// Who takes the next turn, of the shards that have something to do.
enum class schedule : std::uint8_t {
    uniform,     ///< any of them, each as likely
    min_time,    ///< the one whose own clock is furthest behind, as on real cores, give or take `jitter_ns`
    pct,         ///< the one of the highest priority; priorities are drawn, and change at drawn turns
    starve_one,  ///< any but `starved`, unless it is alone
    replay,      ///< as `choices` says
};

struct schedule_options {
    schedule kind = schedule::uniform;
    std::uint64_t jitter_ns = 1'000;
    /// pct: this many times the shard in front falls behind all others, at turns drawn below `turns_expected`. A bug
    /// that takes d orderings right needs d - 1 of them (Burckhardt et al., ASPLOS 2010).
    unsigned change_points = 2;
    std::uint64_t turns_expected = 10'000;
    unsigned starved = 0;  ///< a shard's number in the world: in the order in which machines were added
    /// Nobody who could step is passed over more often than this in a row, or who waits for another might never end.
    unsigned passed_over_max = 2'000;
    bool record_choices = false;              ///< keep what world::choices() gives
    std::vector<std::uint32_t> choices = {};  ///< replay: what it gave
};

/// A turn now and then takes long, as when the kernel runs something else.
struct stall_options {
    double probability = 0;  ///< of each turn
    std::uint64_t min_ns = 1'000'000;
    std::uint64_t max_ns = 500'000'000;
};

struct fault_options {
    bool enabled = false;
    double activate = 0.25;  ///< probability that a fault point can fire at all in this run
    double fire = 0.25;      ///< and that it does when control comes there
    struct override_of {
        std::string name;
        double activate;
        double fire;
    };
    std::vector<override_of> overrides = {};  ///< by name; 0 is off
};

struct world_options {
    unsigned shards = 1;  ///< of the tester, the machine that at() and on() mean and that never fails
    std::uint64_t seed = 1;
    unsigned mailbox_capacity = 256;
    std::uint64_t turn_cost_ns = 200;  ///< virtual time that a turn takes, at least
    bool preempt_at_random = true;     ///< draw before each task whether it finds preemption due

    std::uint64_t turn_cost_max_ns = 0;    ///< at most, small costs being the likelier; 0: always turn_cost_ns
    std::uint64_t task_cost_max_ns = 0;    ///< time that passes within a turn before each task, at most
    std::uint64_t wake_delay_max_ns = 0;   ///< from a wake-up to the turn, at most
    std::uint64_t wall_offset_max_ns = 0;  ///< machines' wall clocks differ from the world's by at most this
    stall_options stalls = {};
    schedule_options order = {};
    fault_options faults = {};
    /// In force for the whole process as long as the world lives.
    shale::limits limits = {};

    /// Called with the failed futures that a program dropped unseen; world::dropped_failures() counts them anyway.
    std::function<void(std::string_view machine, unsigned shard, std::string_view message)> on_dropped_failure = {};

    /// What each machine's disk is like, and the network that joins them. Requests to what is not there complete with
    /// ENOSYS.
    std::optional<disk_profile> disk = {};
    std::optional<net_profile> network = {};
    /// Gives a new machine a disk or a network of another make, in the place of those.
    std::function<void(detail::host&)> connect = {};

    /// Where the run is written down for comparison; see check_twice.hh.
    trace* record = nullptr;
};

}  // namespace shale::sim
