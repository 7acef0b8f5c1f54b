// The runtime's own options on a command line: --smp, --cpuset, --poll and the rest of runtime_options.
#pragma once

#include <string>

#include "../../shard/runtime_options.hh"
#include "../options.hh"

namespace shale::detail {

/// Adds the group "Runtime", which writes to `runtime`. `log_levels` takes the text of --log-level, checked.
void add_runtime_flags(option_set& options, runtime_options& runtime, std::string& log_levels);

}  // namespace shale::detail
