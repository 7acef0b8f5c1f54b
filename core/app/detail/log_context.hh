// Log lines and assertions get the time on threads that are no shards, too: the one that waits for signals, helpers.
#pragma once

namespace shale::detail {

/// Installs a context hook (core/base/context.hh) that answers on every thread. Each shard installs its own when it is
/// made, which knows nothing outside shards, so this is to be called again once shards have started.
void install_log_context() noexcept;

}  // namespace shale::detail
