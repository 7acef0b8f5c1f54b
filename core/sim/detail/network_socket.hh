// A socket of the simulated network, and the requests that wait there.
//
// As on the real side an operation is tried when it is submitted and waits only when the attempt gives -EAGAIN; those
// of one direction are served in their order, each poll by itself. What kind of socket it is decides what an attempt
// does. The memory of a request is touched in an attempt alone, and only while whoever asked is alive.
#pragma once

#include <sys/uio.h>

#include <memory>
#include <span>
#include <vector>

#include "network_core.hh"
#include "network_options.hh"
#include "outside.hh"

namespace shale::sim::detail {

class net_socket : public open_handle, public std::enable_shared_from_this<net_socket> {
public:
    net_socket(network_core& core, net_host& at, handle_table& table, int family, int type);
    ~net_socket() override;

    // -- What each kind of socket does ----------------------------------------------------------------------------

    /// One try of an operation, for `from`: its result, or -EAGAIN when it has to wait.
    virtual std::int32_t attempt(io_request& request, requester& from) = 0;
    /// What poll would say of it.
    virtual short ready() const noexcept = 0;
    virtual std::int32_t shutdown(int how) = 0;
    virtual socket_name local_name() const = 0;
    /// False: it has no peer (ENOTCONN).
    virtual bool remote_name(socket_name& name) const = 0;
    /// Takes SO_ERROR: an errno or 0.
    virtual int take_error() noexcept = 0;
    /// SO_ACCEPTCONN.
    virtual bool listens() const noexcept { return false; }
    virtual void options_changed() {}

    // -- For the network ------------------------------------------------------------------------------------------

    /// Finishes the request now, or keeps it until it can be.
    void start(io_request& request, requester& from);
    /// False: it does not wait here.
    bool withdraw(io_request& request);
    std::int32_t begin_shutdown(int how);
    /// The program has closed it: what waits is -ECANCELED.
    void close();
    /// Those who asked are dead: nothing is finished any more.
    void forget_waiting() noexcept;
    /// The host has lost its power.
    void vanish();

    std::int32_t set_option(const io_request& request);
    std::int32_t get_option(const io_request& request);

    // -- For whoever has news -------------------------------------------------------------------------------------

    void news_to_read() { advance(in_), advance_polls(); }
    void news_to_write() { advance(out_), advance_polls(); }
    void news() { advance_polls(), advance(in_), advance(out_); }

    net_host& at() const noexcept { return at_; }
    handle_table& table() const noexcept { return table_; }
    const socket_options& options() const noexcept { return options_; }
    int family() const noexcept { return family_; }
    bool open() const noexcept { return open_; }
    std::uint64_t number() const noexcept { return number_; }

private:
    const std::shared_ptr<network_core> kept_;

protected:
    /// The end of the socket: the program, or its process, has let go of it.
    virtual void closed() = 0;
    /// Its end without a word to anyone.
    virtual void vanished() = 0;

    network_core& core_;
    socket_options options_;

private:
    struct waiting {
        io_request* request;
        requester* from;
        std::uint32_t checksum;  ///< of what a send's memory held when it began to wait
    };
    using waiting_list = std::vector<waiting>;

    waiting_list& list_of(const io_request& request) noexcept;
    std::int32_t attempt_any(io_request& request, requester& from);
    void advance(waiting_list& list);
    void advance_polls();
    void end(waiting_list& list);

    net_host& at_;
    handle_table& table_;
    const int family_;
    const std::uint64_t number_;
    bool open_ = true;
    waiting_list in_;   ///< recv, recvmsg, accept
    waiting_list out_;  ///< send, sendmsg, connect
    waiting_list polls_;
};

/// The memory of a recv, send or sendmsg; `room` holds the one part of the first two.
std::span<const iovec> memory_of(const io_request& request, iovec& room) noexcept;

}  // namespace shale::sim::detail
