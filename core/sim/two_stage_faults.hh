// Which FAULT points fire in a simulated run, and which PROBE points control came to.
//
// In two stages, as FoundationDB's buggify does it: for each run it is drawn which points can fire at all, and each of
// those then fires now and then. So most runs have a few faults and go deep, instead of all runs having all faults and
// ending at the first. Each point draws from a stream made of the seed and its name: one more point in the code changes
// nothing for the others. It answers only for code of the world's own shards, on the world's thread.
#pragma once

#include <map>
#include <string>

#include "../async/run_queue.hh"
#include "../base/fault_point.hh"
#include "../base/random.hh"
#include "fault_counts.hh"
#include "world_options.hh"

namespace shale::sim {

class two_stage_faults final : public fault_plan {
public:
    /// Counts what fires in `fired`, which outlives it.
    two_stage_faults(fault_options options, std::uint64_t seed, fault_counts& fired)
        : options_(std::move(options)), seed_(seed), fired_(fired) {}

    bool fire(std::string_view name, std::uint64_t name_hash) noexcept override;
    void hit(std::string_view name, std::uint64_t name_hash) noexcept override;

    /// None fires from now on.
    void end() noexcept { ended_ = true; }

    /// Questions answered so far.
    std::uint64_t asked() const noexcept { return asked_; }
    const fault_counts& probes() const noexcept { return probes_; }

private:
    struct point {
        random_engine random;
        double fire;  ///< 0: it was not activated
    };

    bool is_ours() const noexcept { return home_ == &shale::detail::current_run_queue && this_run_queue() != nullptr; }
    point& find(std::string_view name, std::uint64_t name_hash);

    const fault_options options_;
    const std::uint64_t seed_;
    fault_counts& fired_;
    fault_counts probes_;
    std::uint64_t asked_ = 0;
    bool ended_ = false;
    run_queue* const* const home_ = &shale::detail::current_run_queue;  ///< names the thread
    std::map<std::uint64_t, point> points_;                             ///< by the names' hashes
};

}  // namespace shale::sim
