// What can be chosen about a runtime. A plain struct: an embedding program fills it in, and app_template fills it
// from the command line (core/app/app_template.hh); neither knows the other.
#pragma once

#include <optional>
#include <vector>

#include "../base/time.hh"
#include "placement.hh"

namespace shale {

struct runtime_options {
    /// How many shards, and where. See placement.hh.
    placement_request placement;

    /// Never sleep: the lowest latency, for the price of every shard's whole CPU.
    bool poll = false;

    /// How long a shard without work spins before it sleeps. Taken as 0 when there are more shards than CPUs.
    duration idle_poll = 50us;

    /// How long tasks run in a turn. A single one that runs on is asked to give way within as long again, or 8 ms.
    duration task_quota = 500us;

    /// From the request to stop until everything must have stopped. 0 waits for ever.
    duration stop_timeout = 30s;

    /// Whether SIGINT and SIGTERM stop this runtime. At most one in a process.
    bool handle_signals = false;
};

}  // namespace shale
