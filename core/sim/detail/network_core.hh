// What all parts of the simulated network share: time, chance, the profile, the links, and who exists.
//
// Sockets and streams enter themselves here under numbers that grow, so that whatever is done to all of them is done in
// the order in which they were made, and keep this alive: descriptor tables and events may outlive the network.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>

#include "network_links.hh"

namespace shale::sim::detail {

class net_socket;
class stream;

/// What watchers of the network are told, when it happens. `from` and `to` are hosts' numbers.
struct network_event {
    enum class kind : std::uint8_t {
        connected,    ///< `from` has connected to `to`
        accepted,     ///< a program at `to` has taken a connection made by `from`
        sent,         ///< `bytes` were taken from a program
        arrived,      ///< they can be read
        finished,     ///< `to` has got a FIN
        reset,        ///< `to` has got a RST
        timed_out,    ///< `from` has given a connection up
        datagram,     ///< of so many bytes, arrived
        links,        ///< links were closed or opened
        host_failed,  ///< `from` has lost its power
    };
    kind what{};
    std::uint32_t from = 0;
    std::uint32_t to = 0;
    std::uint64_t bytes = 0;
    std::uint64_t now_ns = 0;
};

struct network_core : std::enable_shared_from_this<network_core> {
    network_core(event_queue& e, random_engine& r, const net_profile& p, fault_counts& f)
        : events(e), random(r), profile(p), faults(f), links(e, r, profile, f) {}
    network_core(const network_core&) = delete;
    network_core& operator=(const network_core&) = delete;

    void tell(network_event::kind what, const net_host& from, const net_host& to, std::uint64_t bytes = 0) {
        if (on_event) {
            on_event({what, from.id, to.id, bytes, events.now_ns()});
        }
    }

    /// A fault of this class strikes now, by draw.
    bool strikes(double probability, std::string_view name) {
        if (probability <= 0 || !random.chance(probability)) {
            return false;
        }
        faults.add(name);
        return true;
    }

    event_queue& events;
    random_engine& random;
    net_profile profile;
    fault_counts& faults;
    network_links links;
    std::function<void(const network_event&)> on_event;
    std::map<std::uint64_t, net_socket*> sockets;
    std::map<std::uint64_t, stream*> streams;
    std::uint64_t next_number = 1;
};

}  // namespace shale::sim::detail
