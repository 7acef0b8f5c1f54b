// The hosts of the simulated world and the links between them: who can reach whom, and how long it takes.
//
// Each ordered pair of hosts has a link of its own, so that one direction can be closed while the other is open. A link
// is closed by any number of outages at a time and opens when the last has passed; what lies on it waits, as TCP's
// retransmissions make it, or is lost, as datagrams are: that is for those who send to decide.
#pragma once

#include <deque>
#include <functional>
#include <map>
#include <string>
#include <string_view>
#include <tuple>
#include <vector>

#include "../fault_counts.hh"
#include "../net_profile.hh"
#include "event_queue.hh"
#include "network_address.hh"

namespace shale::sim::detail {

class datagram_socket;
class listening_socket;

/// A machine's place in the network. It outlives the programs that run there; their sockets enter their names here.
struct net_host {
    /// A connection made here: its port, address and peer. Ordered by port, so that a port's users stand together.
    using connection_name = std::tuple<std::uint16_t, ip_address, ip_endpoint>;

    std::uint32_t id = 0;
    std::string name;
    std::vector<ip_address> addresses;
    bool up = true;

    std::vector<listening_socket*> listeners;
    std::vector<datagram_socket*> datagram_sockets;
    /// Unix sockets by path. Null: a socket file whose program is gone.
    std::map<std::string, listening_socket*> paths;
    /// Connections made here: 0 while it lives, then until when its port is kept (TIME_WAIT).
    std::map<connection_name, std::uint64_t> connections;

    /// True for addresses of its own, and those of the loopback.
    bool has(const ip_address& ip) const noexcept;
    /// One of its addresses of the same family as `like`; null when it has none.
    const ip_address* address_like(const ip_address& like) const noexcept;
};

class network_links {
public:
    /// All must outlive this. `profile` may change at any time.
    network_links(event_queue& events, random_engine& random, const net_profile& profile, fault_counts& faults)
        : events_(events), random_(random), profile_(profile), faults_(faults) {}

    net_host& attach(std::string name, std::vector<ip_address> addresses);
    /// Null: nobody has it.
    net_host* find(const ip_address& ip) noexcept;
    net_host* find(std::string_view name) noexcept;
    std::deque<net_host>& hosts() noexcept { return hosts_; }

    /// True when nothing gets from one to the other now: the link is closed, or the receiver is without power.
    bool blocked(const net_host& from, const net_host& to) const noexcept;
    /// Draws how long a packet is under way.
    std::uint64_t latency_ns(const net_host& from, const net_host& to) noexcept;

    /// Closes one direction, from `start_ns` later on and for so long; no_deadline: until heal().
    void close(const net_host& from, const net_host& to, std::uint64_t duration_ns, std::uint64_t start_ns = 0);
    /// Draws two sides and closes the links between them, or, asymmetric, those of one direction.
    void partition(partition_mode mode, bool symmetric, std::uint64_t duration_ns);
    /// Swizzle-clogging: some hosts lose their links one after the other, and get them back in another order.
    void swizzle(std::uint64_t duration_ns);
    /// Draws one of these, or a clogged link, and how long it lasts.
    void disturb();
    /// Opens all links, for good: outages that were to begin or to end are forgotten.
    void heal();

    /// Called whenever what blocked() says may have changed.
    std::function<void()> changed;

private:
    void change(std::uint32_t from, std::uint32_t to, int outages);
    void close_both(const net_host& a, const net_host& b, bool symmetric, std::uint64_t duration_ns,
                    std::uint64_t start_ns);

    event_queue& events_;
    random_engine& random_;
    const net_profile& profile_;
    fault_counts& faults_;
    std::deque<net_host> hosts_;                 ///< never moved
    std::vector<std::vector<unsigned>> closed_;  ///< outages by sender and receiver
    std::uint64_t epoch_ = 0;                    ///< heal() ends it, and all that was planned in it
};

}  // namespace shale::sim::detail
