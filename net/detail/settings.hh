// Options of sockets as the seam takes them.
#pragma once

#include <netinet/in.h>
#include <netinet/tcp.h>

#include <algorithm>
#include <chrono>
#include <vector>

#include "../../core/shard/platform.hh"
#include "../options.hh"

namespace shale::net::detail {

/// Whole seconds, at least one.
inline int option_seconds(duration d) noexcept {
    return static_cast<int>(
        std::clamp<std::chrono::seconds::rep>(std::chrono::duration_cast<std::chrono::seconds>(d).count(), 1, 32'767));
}

inline std::vector<socket_setting> keepalive_settings(const std::optional<keepalive_options>& keepalive) {
    if (!keepalive) {
        return {{SOL_SOCKET, SO_KEEPALIVE, 0}};
    }
    return {{IPPROTO_TCP, TCP_KEEPIDLE, option_seconds(keepalive->idle)},
            {IPPROTO_TCP, TCP_KEEPINTVL, option_seconds(keepalive->interval)},
            {IPPROTO_TCP, TCP_KEEPCNT, static_cast<int>(std::clamp(keepalive->probes, 1U, 127U))},
            {SOL_SOCKET, SO_KEEPALIVE, 1}};
}

}  // namespace shale::net::detail
