// TCP and Unix stream sockets: connect, listen, accept, read, write, half-close, abort.
//
// Two ways to use a connection: input() and output() give streams; read_some() and write_all() work on the caller's
// own memory and allocate nothing, for servers that keep their buffers. Everything that waits takes an abort source,
// and an aborted wait had no effect or was done. Dropping an open connection closes it in the background, once its
// streams are gone too. Options are structs whose defaults limit what a stranger can cost (options.hh).
// A connection belongs to the shard that connected or accepted it. Names and meanings are Seastar's, but listen() and
// what asks the kernel give futures: an address in use is an error of listen(), not of the first accept().
#pragma once

#include <memory>
#include <source_location>
#include <span>

#include "../core/sync/stream.hh"
#include "detail/transfer.hh"
#include "options.hh"

namespace shale::net {

namespace detail {
class acceptor;
}

class connected_socket {
public:
    /// Not connected.
    connected_socket() noexcept = default;
    /// Takes over the state of an open connection.
    explicit connected_socket(detail::connection_ptr state) noexcept : state_(std::move(state)) {}

    /// False once closed, aborted, moved from.
    explicit operator bool() const noexcept { return state_ && state_->descriptor() >= 0; }

    // -- Streams. One of each at a time. Closing the output is a half-close; the input may go on. ------------------

    input_stream<char> input(const input_options& options = {}, abort_source* abort = nullptr);
    output_stream<char> output(std::size_t buffer_size = 8192, abort_source* abort = nullptr);

    // -- The caller's own memory, which must stay until the co_await returns. co_await the call itself. Each throws
    //    std::system_error, with ECANCELED when the connection was closed meanwhile, or the abort source's reason.
    //    At most one read and one write at a time. ------------------------------------------------------------------

    /// Up to room.size() bytes, as soon as there are any; 0 when the peer has finished sending.
    detail::transfer read_some(std::span<char> room, abort_source* abort = nullptr,
                               std::source_location site = std::source_location::current()) noexcept {
        return {detail::transfer::kind::read_some, state(), room, abort, site};
    }
    /// As many of the bytes as the kernel takes, at least one; gives their number.
    detail::transfer write_some(std::span<const char> bytes, abort_source* abort = nullptr,
                                std::source_location site = std::source_location::current()) noexcept {
        return {detail::transfer::kind::write_some, state(), bytes, abort, site};
    }
    detail::transfer write_some(std::span<iovec> pieces, abort_source* abort = nullptr,
                                std::source_location site = std::source_location::current()) noexcept {
        return {detail::transfer::kind::write_some, state(), pieces, abort, site};
    }
    /// All of the bytes; gives their number. After a failure or abort, part of them has gone out.
    detail::transfer write_all(std::span<const char> bytes, abort_source* abort = nullptr,
                               std::source_location site = std::source_location::current()) noexcept {
        return {detail::transfer::kind::write_all, state(), bytes, abort, site};
    }
    /// The same for pieces, in one call of the kernel if it takes them. `pieces` is changed on the way.
    detail::transfer write_all(std::span<iovec> pieces, abort_source* abort = nullptr,
                               std::source_location site = std::source_location::current()) noexcept {
        return {detail::transfer::kind::write_all, state(), pieces, abort, site};
    }
    // The same without exceptions, for servers to whom a lost client is an everyday matter: bytes, or -errno
    // (-ECANCELED when aborted or closed here).
    detail::try_transfer try_read_some(std::span<char> room, abort_source* abort = nullptr,
                                       std::source_location site = std::source_location::current()) noexcept {
        return {detail::transfer::kind::read_some, state(), room, abort, site};
    }
    detail::try_transfer try_write_some(std::span<const char> bytes, abort_source* abort = nullptr,
                                        std::source_location site = std::source_location::current()) noexcept {
        return {detail::transfer::kind::write_some, state(), bytes, abort, site};
    }
    detail::try_transfer try_write_some(std::span<iovec> pieces, abort_source* abort = nullptr,
                                        std::source_location site = std::source_location::current()) noexcept {
        return {detail::transfer::kind::write_some, state(), pieces, abort, site};
    }
    detail::try_transfer try_write_all(std::span<const char> bytes, abort_source* abort = nullptr,
                                       std::source_location site = std::source_location::current()) noexcept {
        return {detail::transfer::kind::write_all, state(), bytes, abort, site};
    }
    detail::try_transfer try_write_all(std::span<iovec> pieces, abort_source* abort = nullptr,
                                       std::source_location site = std::source_location::current()) noexcept {
        return {detail::transfer::kind::write_all, state(), pieces, abort, site};
    }

    /// Waits until there is something to read, or its end, without holding any memory meanwhile.
    detail::transfer wait_readable(abort_source* abort = nullptr,
                                   std::source_location site = std::source_location::current()) noexcept;
    /// Waits until the peer has finished sending, or is gone, though there may be unread bytes before that.
    detail::transfer wait_input_shutdown(abort_source* abort = nullptr,
                                         std::source_location site = std::source_location::current()) noexcept;

    // -- The end ---------------------------------------------------------------------------------------------------

    /// The peer sees the end of what was sent. What it sends can still be read.
    void shutdown_output() noexcept;
    /// A read that waits, and those after it, see the end.
    void shutdown_input() noexcept;
    /// Both directions, at once, without waiting: what was not sent yet is lost, and the peer gets a reset.
    void abort() noexcept;
    /// Closes; ready once the descriptor is gone. What the kernel has taken is still sent. Reads and writes under way
    /// fail with ECANCELED.
    future<void> close();

    // -- Questions and settings ------------------------------------------------------------------------------------

    future<socket_address> local_address() const;
    future<socket_address> remote_address() const;
    future<void> set_nodelay(bool nodelay);
    future<bool> get_nodelay() const;
    future<void> set_keepalive(std::optional<keepalive_options> options);
    future<bool> get_keepalive() const;
    /// Any option of socket(7) or tcp(7) whose value is an int.
    future<void> set_option(int level, int name, int value);
    future<int> get_option(int level, int name) const;

    /// The descriptor, for what is not offered here; -1 once closed.
    int descriptor() const noexcept { return state_ ? state_->descriptor() : -1; }

private:
    detail::connection& state() const noexcept {
        SHALE_ASSERT(state_ != nullptr, "a socket that was never connected, or was moved from, is used");
        return *state_;
    }

    detail::connection_ptr state_;
};

struct accept_result {
    connected_socket connection;
    socket_address remote_address;  ///< without a path for most clients of Unix sockets
};

class server_socket {
public:
    server_socket() noexcept;
    explicit server_socket(std::shared_ptr<detail::acceptor> impl) noexcept;
    server_socket(server_socket&&) noexcept;
    server_socket& operator=(server_socket&&) noexcept;
    /// Stops listening in the background. Better: co_await close().
    ~server_socket();

    explicit operator bool() const noexcept { return impl_ != nullptr; }

    /// The next connection for this shard. Fails with ECONNABORTED after abort_accept() or close(), or with the abort
    /// source's reason. Running out of descriptors is no failure: it pauses and tries again.
    future<accept_result> accept(abort_source* abort = nullptr);

    /// Calls of accept(), now and from now on, fail; connections that came and were not accepted are closed.
    void abort_accept() noexcept;

    /// Stops listening; with hand-over the address is free once all shards have. Connections accepted live on.
    future<void> close();

    /// With the port that was chosen when port 0 was asked for.
    const socket_address& local_address() const noexcept;

private:
    std::shared_ptr<detail::acceptor> impl_;
};

/// Listens at `address` for this shard. A server on several shards calls it on each of them with the same address, and
/// each gets its share of the connections (see accept_balance); to let the kernel choose a port, listen with port 0
/// on one shard first and use its local_address() on the others. Fails with std::system_error: EADDRINUSE, also when
/// this shard listens there already; EACCES; EADDRNOTAVAIL.
future<server_socket> listen(socket_address address, listen_options options = {});

/// Fails with std::system_error (ECONNREFUSED, ETIMEDOUT, EHOSTUNREACH, ...), or with the abort source's reason.
future<connected_socket> connect(socket_address address, connect_options options = {}, abort_source* abort = nullptr);
inline future<connected_socket> connect(socket_address address, abort_source* abort) {
    return connect(address, {}, abort);
}

}  // namespace shale::net

namespace shale {
// Where Seastar has them.
using net::accept_result;
using net::connect;
using net::connect_options;
using net::connected_socket;
using net::listen;
using net::listen_options;
using net::server_socket;
}  // namespace shale
