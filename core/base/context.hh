// The one thing base needs to know about whoever runs it: which shard this is and what time it has.
//
// Assertions and log lines say the shard and the time, but base knows neither shards nor clocks. So the shard layer
// installs one function here when the first runtime starts; until then, and on foreign threads, the answer is
// "unknown". The pointer is a constant-initialised atomic: the only mutable global of base beside the log levels and
// the fault hook. The function must not block, allocate, log or assert.
#pragma once

#include <atomic>
#include <cstdint>

namespace shale::detail {

/// Where and when the calling code runs.
struct execution_context {
    std::int32_t shard = -1;   ///< -1: not on a shard
    std::uint64_t now_ns = 0;  ///< monotonic (virtual in the simulation), 0: unknown
    std::int64_t wall_ns = 0;  ///< since 1970-01-01 UTC, 0: unknown
};

using context_hook = execution_context (*)() noexcept;

/// Set by the shard layer (release), read by assert.cc and log.cc (acquire). Null until then.
extern constinit std::atomic<context_hook> assert_context;

/// The caller's context, or an unknown one when no hook is installed.
execution_context current_context() noexcept;

}  // namespace shale::detail
