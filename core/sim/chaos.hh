// What goes wrong with machines in a simulated run, at times drawn from its seed: kills, power cycles, and whatever
// else can be begun and ended, such as a partition or a slow disk.
//
//     sim::chaos storm(world, {.span = 60s, .power_cycles = {3, 30}});
//     ... the test's clients work ...
//     storm.calm();                     // from now on everything must come right
//
// Everything is drawn when the storm begins, so that what the program does has no influence on what befalls it.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "../base/random.hh"
#include "../base/time.hh"

namespace shale::sim {

class machine;
class world;

/// Bounds of a drawn number, both included.
struct bounds {
    unsigned min = 0;
    unsigned max = 0;
};

/// Something that is wrong for a while.
struct disturbance {
    std::string name;  ///< for the history and the fault counts
    bounds times = {};
    duration length_min = std::chrono::milliseconds(1);
    duration length_max = std::chrono::seconds(1);
    std::function<void(random_engine&)> begin;  ///< draws its details from the engine alone
    std::function<void()> end;                  ///< puts it right; may be called though nothing is wrong
};

struct chaos_options {
    duration span = std::chrono::seconds(10);  ///< from now; nothing begins after it
    bounds power_cycles = {};
    bounds kills = {};
    bounds outages = {};  ///< of the network, if there is one: see detail::network::disturb()
    duration down_min = std::chrono::milliseconds(1);  ///< until a machine is started again
    duration down_max = std::chrono::seconds(2);
    /// A program that ends by itself is started again after such a time, as a service manager does; in the calm, too.
    bool start_ended = false;
    std::vector<machine*> machines = {};  ///< empty: all but the tester's
    std::vector<disturbance> disturbances = {};
};

class chaos {
public:
    /// The world outlives it.
    chaos(world& in, chaos_options options);
    chaos(const chaos&) = delete;
    chaos& operator=(const chaos&) = delete;
    /// Nothing further goes wrong, and what is down stays down.
    ~chaos();

    /// Nothing further goes wrong: what this took down is started, disturbances end, and so do all faults of the world
    /// (world::calm()).
    void calm();

    /// Kills, power cycles and disturbances so far.
    unsigned count() const noexcept { return count_; }

private:
    void plan_failures(bounds how_many, bool power);
    void plan_outages();
    void plan_disturbance(std::size_t which);
    void watch_ends();
    void fail(machine& victim, bool power, std::uint64_t down_ns);
    void start_again(machine& victim);
    std::uint64_t draw_moment() noexcept;
    void at(std::uint64_t when_ns, std::move_only_function<void()> what);
    void cancel_all() noexcept;

    struct plan;

    world& world_;
    const chaos_options options_;
    std::unique_ptr<plan> plan_;
    std::vector<machine*> victims_;
    std::vector<machine*> down_;
    std::shared_ptr<bool> watching_;  ///< kept by no one but this
    unsigned count_ = 0;
};

}  // namespace shale::sim
