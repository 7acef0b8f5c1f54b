// The state of one open connection, shared by its connected_socket and its streams; and the operations on it.
//
// The last of those that share it to go closes the descriptor, in the background: the request for that lies in the
// state itself, so closing cannot fail for lack of memory. An operation under way pins the state, so that it never
// uses a descriptor after its end, but does not keep the connection open: it completes with ECANCELED when that is
// closed. Belongs to one shard.
#pragma once

#include <boost/smart_ptr/intrusive_ptr.hpp>
#include <coroutine>
#include <memory>
#include <optional>
#include <source_location>

#include "../../core/async/abort_source.hh"
#include "../../core/async/coroutine.hh"
#include "../../core/shard/platform.hh"
#include "connection_counts.hh"

namespace shale::net::detail {

/// Sends a request whose outcome nobody waits for. A set_option of an int takes it as `value`.
void submit_and_forget(const io_request& request, int value = 0);

class connection : private io_request {
public:
    /// Takes the descriptor over. `counted_in`, if any, is told of the end.
    explicit connection(int descriptor, std::shared_ptr<connection_counts> counted_in = {}) noexcept
        : io_request{.op = io_op::close}, fd_(descriptor), counts_(std::move(counted_in)) {}

    /// -1 once closed.
    int descriptor() const noexcept { return fd_; }

    /// Ready when the descriptor is gone. What waits on it has completed by then. At once when it is closed already.
    future<void> close();

    /// Everything not sent yet is thrown away and the peer gets a reset. Then as if closed.
    void reset() noexcept;

    void shutdown(int how) noexcept;

    friend void intrusive_ptr_add_ref(connection* c) noexcept { ++c->references_; }
    friend void intrusive_ptr_release(connection* c) noexcept {
        if (--c->references_ == 0) {
            c->let_go();
        }
    }

    /// The state stays, open or closed, until unpin().
    void pin() noexcept { ++pins_; }
    void unpin() noexcept {
        --pins_;
        delete_if_unused();
    }

private:
    ~connection() = default;
    void let_go() noexcept;
    void delete_if_unused() noexcept;
    void start_close() noexcept;
    void closed() noexcept;

    int fd_;
    unsigned references_ = 0;  ///< of those that keep it open
    unsigned pins_ = 0;
    bool closing_ = false;
    std::optional<promise<void>> closed_;
    std::shared_ptr<connection_counts> counts_;
};

using connection_ptr = boost::intrusive_ptr<connection>;

}  // namespace shale::net::detail
