// The simulated network: takes the socket requests of all machines over, and finishes each exactly once.
//
// The parts have files of their own: links between hosts (network_links), connections (network_stream, network_wire),
// listeners, connecting, datagrams, options. This one gives each request to the socket it is for, and does to all
// sockets of a process or a host what happens to those. Everything happens in the one thread of the world: within
// begin(), or in an event. A request is finished only while whoever asked is alive.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "network_core.hh"
#include "outside.hh"

namespace shale::sim::detail {

class stream;

class network {
public:
    /// All must outlive it, and no event may be run after it.
    network(event_queue& events, random_engine& random, const net_profile& profile, fault_counts& faults);
    network(const network&) = delete;
    network& operator=(const network&) = delete;
    ~network();

    // -- Machines ---------------------------------------------------------------------------------------------------

    /// A machine joins, with its power on. Addresses are literals of IPv4 or IPv6, and nobody else's.
    net_host& attach(std::string name, const std::vector<std::string>& addresses);
    /// Power loss: sockets end without a word, and nothing reaches the host until host_up().
    void host_down(net_host& h);
    void host_up(net_host& h);
    /// The process with these descriptors has died: the kernel closes its sockets, as soon as the event queue runs and
    /// unless the host goes down first.
    void process_died(handle_table& handles);

    // -- Requests ---------------------------------------------------------------------------------------------------

    /// Takes over a request about sockets, among them poll and close of a socket's descriptor.
    void begin(io_request& request, requester& from, net_host& at);
    /// io_op::cancel. True: it is finished with -ECANCELED. False: it runs to its end.
    bool withdraw(io_request& request, requester& from);

    /// Makes a datagram socket, for which the seam has no request: the descriptor or -errno. With a peer it is
    /// connected, and send, sendmsg, recv, recvmsg, poll, shutdown and close work on it.
    std::int32_t open_datagram(requester& from, net_host& at, const std::string& address, std::uint16_t port,
                               std::optional<std::pair<std::string, std::uint16_t>> peer = std::nullopt);
    /// sendto() from a datagram socket: bytes, or -errno.
    std::int32_t send_datagram(requester& from, std::int32_t fd, const std::string& address, std::uint16_t port,
                               std::string_view bytes);

    /// Removes the file of a Unix socket. False: there is none with this path, ask the disk.
    bool unlink(net_host& at, std::string_view path);
    bool has_unix_name(const net_host& at, std::string_view path) const;

    // -- Weather ----------------------------------------------------------------------------------------------------

    /// Closes one direction between two hosts for a while; no_deadline: until calm().
    void clog(const net_host& from, const net_host& to, std::uint64_t duration_ns);
    void partition(partition_mode mode, bool symmetric, std::uint64_t duration_ns);
    void swizzle(std::uint64_t duration_ns);
    /// Draws an outage: which links, and how long.
    void disturb() { core_.links.disturb(); }
    /// Opens all links and ends all faults of the profile. What broke stays broken.
    void calm();

    net_profile& profile() noexcept { return core_.profile; }
    /// Called with everything that happens; must not call back. For barriers and traces.
    void on_event(std::function<void(const network_event&)> watcher) { core_.on_event = std::move(watcher); }
    /// Connections of which somebody still knows.
    std::size_t connections() const noexcept { return core_.streams.size(); }

private:
    std::int32_t listen(const io_request& request, requester& from, net_host& at);
    std::int32_t start_connect(io_request& request, requester& from, net_host& at);
    void call(const std::shared_ptr<stream>& s, unsigned tries);
    bool answer(const std::shared_ptr<stream>& s, net_host& at);
    void resolve(io_request& request, requester& from, net_host& at);
    std::int32_t find_name(std::string_view name, resolve_answer& answer);
    void links_changed();

    const std::shared_ptr<network_core> shared_;
    network_core& core_;
};

}  // namespace shale::sim::detail
