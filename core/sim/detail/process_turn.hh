// Whose code runs: the way into a simulated shard, for its turns and for tests that act in its place.
#pragma once

#include "../../async/run_queue.hh"

namespace shale {
class fault_plan;
}

namespace shale::sim::detail {

class process;
class sim_platform;

/// While it lives, the calling code is code of one of a process's shards, and subject to the world's faults.
class process_turn {
public:
    process_turn(process& owner, unsigned shard);
    process_turn(const process_turn&) = delete;
    process_turn& operator=(const process_turn&) = delete;
    ~process_turn();

private:
    sim_platform& platform_;
    sim_platform* outer_;
    fault_plan* outer_plan_ = nullptr;
    run_queue_scope scope_;
};

}  // namespace shale::sim::detail
