// One listening descriptor: opened with its options, accepting within its limits, closed.
//
// Accepting never fails for want of descriptors or memory, for what befell one connection, nor at the limit of
// connections: it pauses, says so at most once a second, and tries again; clients wait in the backlog meanwhile.
// Belongs to one shard, which is the one that accepts; the connections may go to others.
#pragma once

#include <memory>

#include "../../core/base/log.hh"
#include "../options.hh"
#include "connection_counts.hh"
#include "linked_abort.hh"

#include "../../core/async/coroutine.hh"

namespace shale::net::detail {

struct accepted_descriptor {
    int descriptor;
    socket_address remote;
};

class listening {
public:
    /// `connections_max` limits what is open of those counted in counts(). Throws std::system_error.
    static future<std::unique_ptr<listening>> open(socket_address address, listen_options options,
                                                   std::size_t connections_max);

    listening(int descriptor, const socket_address& local, const listen_options& options, std::size_t connections_max);
    listening(const listening&) = delete;
    listening& operator=(const listening&) = delete;
    /// Must have been closed.
    ~listening();

    const socket_address& local_address() const noexcept { return local_; }
    const std::shared_ptr<connection_counts>& counts() const noexcept { return counts_; }

    /// The next connection, not counted yet. Fails with the abort source's reason.
    future<accepted_descriptor> accept(abort_source& abort);

    /// Removes a Unix socket's path, too.
    future<void> close();

private:
    int descriptor_;
    socket_address local_;
    listen_options options_;
    std::size_t connections_max_;
    std::shared_ptr<connection_counts> counts_;
    rate_limit limit_line_{std::chrono::seconds(1)};
    rate_limit failure_line_{std::chrono::seconds(1)};
};

}  // namespace shale::net::detail
