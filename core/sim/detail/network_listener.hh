// A listening socket: its name, the connections that wait to be accepted, and those about to.
//
// A connection takes its place in the backlog when its first packet is answered, and can be accepted once the client
// has answered that. With the backlog full first packets are dropped, and the client tries again.
#pragma once

#include <deque>
#include <memory>

#include "network_stream.hh"

namespace shale::sim::detail {

class listening_socket final : public net_socket {
public:
    /// Enters its name at the host. `name` must be free there; see may_listen().
    listening_socket(network_core& core, net_host& at, handle_table& table, const socket_name& name,
                     const listen_parameters& parameters, const socket_options& options);
    ~listening_socket() override;

    std::int32_t attempt(io_request& request, requester& from) override;
    short ready() const noexcept override;
    std::int32_t shutdown(int how) override;
    socket_name local_name() const override { return name_; }
    bool remote_name(socket_name&) const override { return false; }
    int take_error() noexcept override { return 0; }
    bool listens() const noexcept override { return listening_; }

    const socket_name& name() const noexcept { return name_; }
    bool shares_port() const noexcept { return reuse_port_; }
    /// True when it takes connections to that address.
    bool serves(const ip_endpoint& to) const noexcept;
    /// True when a name of this family could lead to the same connections.
    bool overlaps(const ip_endpoint& other, bool other_takes_both) const noexcept;
    bool takes_both_families() const noexcept { return takes_both_; }
    bool full() const noexcept { return queue_.size() + handshakes_.size() > backlog_; }

    /// A connection begins, can be accepted (false: not any more), has failed before it could.
    void begins(stream& s);
    bool established(const std::shared_ptr<stream>& s);
    void left(const stream& s) noexcept;

private:
    void closed() override { stop(true); }
    void vanished() override { stop(false); }
    void stop(bool tell_clients);
    void forget_name() noexcept;
    std::int32_t accept_one(io_request& request, requester& from);

    const socket_name name_;
    const std::size_t backlog_;
    const bool reuse_port_;
    const bool takes_both_;
    bool listening_ = true;
    std::vector<const stream*> handshakes_;  ///< in the order in which they began
    std::deque<std::shared_ptr<stream>> queue_;
};

/// 0, or why nothing can listen there: -EADDRNOTAVAIL, -EADDRINUSE. Chooses the port where it is 0.
std::int32_t may_listen(network_core& core, net_host& at, socket_name& name, const listen_parameters& parameters);

/// A port that neither listeners nor connections at `at` use; 0 when there is none.
std::uint16_t free_port(network_core& core, const net_host& at, const ip_address& local);

/// Who at `at` takes connections to `to`, by draw among those that share the port; null: nobody.
listening_socket* find_listener(network_core& core, net_host& at, const socket_name& to);

}  // namespace shale::sim::detail
