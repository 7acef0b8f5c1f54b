// Connecting: the first packet, who answers it, and how often it is sent when nobody does.
#include "network.hh"

#include <netinet/in.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>

#include "network_listener.hh"

namespace shale::sim::detail {

namespace {

constexpr std::uint64_t first_retry_ns = 1'000'000'000;

/// The address and port that a connection of `at` to `to` is made from.
std::int32_t choose_local(network_core& core, net_host& at, const socket_name& to, socket_name& local) {
    if (local.ip.ip.is_any()) {
        const ip_address* mine = at.address_like(to.ip.ip);
        if (to.ip.ip.is_loopback()) {
            local.ip.ip = ip_address::loopback(to.ip.ip.is_v4() ? AF_INET : AF_INET6);
        } else if (at.has(to.ip.ip)) {
            local.ip.ip = to.ip.ip;
        } else if (mine != nullptr) {
            local.ip.ip = *mine;
        } else {
            return -ENETUNREACH;
        }
    } else if (!at.has(local.ip.ip)) {
        return -EADDRNOTAVAIL;
    } else if (local.ip.ip.is_loopback() && !at.has(to.ip.ip)) {
        return -EINVAL;
    }
    // The same port may serve connections to different peers.
    const auto taken = [&](std::uint16_t port) {
        const auto known = at.connections.find({port, local.ip.ip, to.ip});
        return known != at.connections.end() && (known->second == 0 || known->second > core.events.now_ns());
    };
    const auto listened_on = [&](std::uint16_t port) {
        return std::ranges::any_of(at.listeners, [&](const listening_socket* l) {
            return l->overlaps({local.ip.ip, port}, false);
        });
    };
    if (local.ip.port != 0) {
        return listened_on(local.ip.port) ? -EADDRINUSE : taken(local.ip.port) ? -EADDRNOTAVAIL : 0;
    }
    const std::uint32_t first = core.profile.ephemeral_first;
    const std::uint32_t count = core.profile.ephemeral_last - first + 1U;
    const std::uint64_t start = core.random.below(count);
    for (std::uint32_t i = 0; i < count; ++i) {
        const auto port = static_cast<std::uint16_t>(first + (start + i) % count);
        if (!taken(port) && !listened_on(port)) {
            local.ip.port = port;
            return 0;
        }
    }
    core.faults.add("net.ports_used_up");
    return -EADDRNOTAVAIL;
}

}  // namespace

void stream::meet(net_host& host, const std::shared_ptr<listening_socket>& at) {
    end& s = ends_[server];
    s.at = &host;
    s.name = remote_;
    s.name.family = at->family();
    listener = at;
    at->begins(*this);
    add(server, packet::kind::hello);
}

void stream::fail_connect(int error) {
    end& c = ends_[client];
    if (!c.connecting) {
        return;
    }
    forget(connect_deadline);
    go(client);
    c.error = error;
    wake(client);
}

std::int32_t network::start_connect(io_request& request, requester& from, net_host& at) {
    socket_name to;
    if (const std::int32_t error = read_name(request.data, request.size, to); error != 0) {
        return error;
    }
    socket_name local{.family = to.family, .ip = {ip_address::any(to.family), 0}, .path = {}};
    if (request.extra != nullptr && to.family != AF_UNIX) {
        const auto size = static_cast<const sockaddr*>(request.extra)->sa_family == AF_INET6 ? sizeof(sockaddr_in6)
                                                                                             : sizeof(sockaddr_in);
        const std::int32_t error = read_name(request.extra, static_cast<std::uint32_t>(size), local);
        if (error != 0 || local.family != to.family) {
            return error != 0 ? error : -EAFNOSUPPORT;
        }
    }
    if (from.handles().full()) {
        return -EMFILE;
    }
    if (to.family == AF_UNIX) {
        if (!at.paths.contains(to.path)) {
            return to.path.starts_with('\0') ? -ECONNREFUSED : -ENOENT;
        }
        const listening_socket* l = find_listener(core_, at, to);
        if (l == nullptr || l->full()) {
            return l == nullptr ? -ECONNREFUSED : -EAGAIN;
        }
    } else {
        if (to.ip.ip.is_any()) {
            to.ip.ip = ip_address::loopback(to.family);
        }
        if (const std::int32_t error = choose_local(core_, at, to, local); error != 0) {
            return error;
        }
        at.connections[{local.ip.port, local.ip.ip, to.ip}] = 0;
    }
    auto made = std::make_shared<stream>(core_, at, local, to);
    auto socket = std::make_shared<stream_socket>(core_, at, from.handles(), made, stream::client);
    socket->set_descriptor(from.handles().add(socket));
    made->connect_deadline = core_.events.after(core_.profile.connect_timeout_ns, [this, waits = std::weak_ptr(made)] {
        if (const auto s = waits.lock()) {
            core_.faults.add("net.connect_timed_out");
            s->connect_deadline.reset();
            s->fail_connect(ETIMEDOUT);
        }
    });
    socket->start(request, from);
    call(made, 0);
    return 0;
}

// Sends the first packet, for the `tries`-th time.
void network::call(const std::shared_ptr<stream>& s, unsigned tries) {
    const socket_name& to = s->remote();
    net_host& from = *s->at(stream::client).at;
    net_host* const host = s->local_only() || from.has(to.ip.ip) ? &from : core_.links.find(to.ip.ip);
    if (host == nullptr) {
        core_.events.after(core_.profile.unreachable_ns, [s] { s->fail_connect(EHOSTUNREACH); });
        return;
    }
    if (s->local_only()) {
        answer(s, *host);
        return;
    }
    core_.events.after(core_.links.latency_ns(from, *host), [this, s, host, tries] {
        if (s->at(stream::client).connecting && !answer(s, *host)) {
            core_.events.after(first_retry_ns << std::min(tries, 10U), [this, s, tries] {
                if (s->at(stream::client).connecting) {
                    call(s, tries + 1);
                }
            });
        }
    });
}

// The first packet is at its end. False: nothing comes back.
bool network::answer(const std::shared_ptr<stream>& s, net_host& host) {
    net_host& from = *s->at(stream::client).at;
    if (core_.links.blocked(from, host) || core_.links.blocked(host, from)) {
        return false;
    }
    if (&from != &host && core_.strikes(core_.profile.syn_loss, "net.syn_lost")) {
        return false;
    }
    listening_socket* const l = find_listener(core_, host, s->remote());
    if (l == nullptr) {
        const std::uint64_t latency = s->local_only() ? 0 : core_.links.latency_ns(host, from);
        core_.events.after(latency, [s] { s->fail_connect(ECONNREFUSED); });
        return true;
    }
    if (l->full()) {
        core_.faults.add("net.backlog_full");
        return false;
    }
    s->meet(host, std::static_pointer_cast<listening_socket>(l->shared_from_this()));
    return true;
}

}  // namespace shale::sim::detail
