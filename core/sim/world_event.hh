// What a simulated world tells those who watch it: requests that go out and come back, machines that start and end.
//
// Watching changes nothing in the run. It is for tests that act at a certain point of it, "at the seventh fdatasync":
// see world::until() and world::at_event().
#pragma once

#include <cstdint>
#include <string_view>

#include "../shard/platform.hh"

namespace shale::sim {

struct world_event {
    enum class kind : std::uint8_t {
        submitted,  ///< a request has left its shard: `op`
        completed,  ///< it has its `result`, and the shard will see it in its next turn
        started,    ///< a machine's program
        ended,      ///< in order: `result` is the exit code
        killed,     ///< the process alone
        power_lost,
    };
    kind what{};
    std::string_view machine;
    unsigned shard = 0;
    io_op op{};
    std::int32_t result = 0;
    std::uint64_t now_ns = 0;
    const io_request* request = nullptr;  ///< of submitted and completed; to look at, during the call only
};

/// "fdatasync".
std::string_view to_string(io_op op) noexcept;
std::string_view to_string(world_event::kind what) noexcept;

}  // namespace shale::sim
