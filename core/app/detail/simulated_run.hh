// One simulated run of a program: the world for a seed, the program on a machine of it, the workload beside it.
//
// It is what runtime and crew are to a real run. Of the program there is one incarnation at a time; `life()` is its
// main, stop and exit functions. Killed incarnations leave their memory behind (core/sim/detail/process.hh).
#pragma once

#include <cstdint>
#include <expected>
#include <memory>
#include <optional>
#include <string>

#include "../../sim/check_twice.hh"
#include "../../sim/run_report.hh"
#include "../simulation.hh"
#include "program.hh"

namespace shale::detail {

struct simulation_options {
    bool enabled = false;
    std::uint64_t seed = 1;
    std::uint64_t seeds = 1;
    bool check = false;            ///< run each seed twice and compare
    std::string overrides;         ///< "disk.write_error=0 order=pct": sim::swarm_options::set()
    std::string program_defaults;  ///< the same, by the program, before those
    std::string json;              ///< a file that gets a line for each seed: sim::run_report::to_json()
};

/// What came of a run.
struct simulation_outcome : sim::run_report {
    unsigned shards = 0;
    unsigned incarnations = 0;
};

class simulated_run final : public simulation {
public:
    /// `main` is called for each incarnation. Without a workload the program runs by itself, and is told to stop when
    /// the storm, which then spares the machine, is over.
    simulated_run(std::string name, std::shared_ptr<program::main_function> main, simulated_workload workload);
    simulated_run(const simulated_run&) = delete;
    simulated_run& operator=(const simulated_run&) = delete;
    ~simulated_run();

    /// Fails with a sentence when the overrides name what there is not. May be called again.
    std::expected<simulation_outcome, std::string> run(std::uint64_t seed, std::optional<unsigned> shards,
                                                       const simulation_options& options, sim::trace* record);

    // -- For the program, within a turn of it ------------------------------------------------------------------------

    program& life() noexcept { return *life_; }
    void request_stop();
    void exit_now(int code);

    // -- For the workload --------------------------------------------------------------------------------------------

    const std::string& address() const noexcept override;
    unsigned shard_count() const noexcept override;
    std::uint64_t seed() const noexcept override;
    random_engine& random() noexcept override { return random_; }
    duration storm() const noexcept override;
    void calm() override;
    future<> power_cycle() override;
    future<> within(duration limit, future<> f) override;
    void note(std::string what) override;
    void count(std::string_view what, std::uint64_t by) override;

private:
    struct stage;

    future<int> live();
    future<> wait_for_the_end();
    void play(simulation_outcome& outcome);
    void stop(simulation_outcome& outcome);
    void judge(simulation_outcome& outcome);

    const std::string name_;
    const std::shared_ptr<program::main_function> main_;
    const simulated_workload workload_;
    random_engine random_{0};
    std::unique_ptr<stage> stage_;  ///< while run() runs
    program* life_ = nullptr;       ///< of the incarnation that runs
    sim::named_counts figures_;
};

}  // namespace shale::detail
