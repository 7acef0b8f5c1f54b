// What a server says of its process in INFO: the system's numbers, which differ from run to run.
//
// main() asks the system; a server that is given nothing says 0 everywhere, as in a simulation, where a reply must be
// the same in every run of a seed.
#pragma once

#include <cstdint>

namespace shale::kv {

struct process_usage {
    std::int64_t resident_bytes = 0;  ///< at most so far
    std::int64_t system_us = 0;       ///< CPU time
    std::int64_t user_us = 0;
};

struct process_facts {
    std::int64_t id = 0;
    /// Called on any shard. Null: there is nothing to say.
    process_usage (*usage)() noexcept = nullptr;
};

/// Of the process that runs this.
process_facts real_process() noexcept;

}  // namespace shale::kv
