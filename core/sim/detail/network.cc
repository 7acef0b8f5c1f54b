// See network.hh.
#include "network.hh"

#include <netinet/in.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>

#include "../../base/assert.hh"
#include "network_datagram.hh"
#include "network_listener.hh"
#include "network_stream.hh"

namespace shale::sim::detail {

namespace {

/// All sockets of which `wanted` is true, in the order in which they were made.
template <class Predicate>
std::vector<std::shared_ptr<net_socket>> select(network_core& core, Predicate&& wanted) {
    std::vector<std::shared_ptr<net_socket>> found;
    for (const auto& [number, socket] : core.sockets) {
        if (wanted(*socket)) {
            found.push_back(socket->shared_from_this());
        }
    }
    return found;
}

void add_answer(resolve_answer& answer, const ip_address& ip) {
    if (answer.count < resolve_answer::capacity) {
        resolve_answer::address& to = answer.addresses[answer.count++];
        const socket_name name{.family = ip.is_v4() ? AF_INET : AF_INET6, .ip = {ip, 0}, .path = {}};
        to.length = static_cast<std::uint32_t>(write_name(name, to.bytes));
    }
}

}  // namespace

network::network(event_queue& events, random_engine& random, const net_profile& profile, fault_counts& faults)
    : shared_(std::make_shared<network_core>(events, random, profile, faults)), core_(*shared_) {
    core_.links.changed = [this] { links_changed(); };
}

network::~network() {
    core_.links.changed = nullptr;
    core_.on_event = nullptr;
}

net_host& network::attach(std::string name, const std::vector<std::string>& addresses) {
    std::vector<ip_address> parsed;
    for (const std::string& literal : addresses) {
        const auto ip = ip_address::parse(literal);
        SHALE_ASSERT(ip && core_.links.find(*ip) == nullptr, "{} is no address, or somebody else's", literal);
        parsed.push_back(*ip);
    }
    SHALE_ASSERT(core_.links.find(name) == nullptr, "there is a host named {}", name);
    return core_.links.attach(std::move(name), std::move(parsed));
}

void network::links_changed() {
    std::vector<std::shared_ptr<stream>> all;
    for (const auto& [number, s] : core_.streams) {
        all.push_back(s->shared_from_this());
    }
    for (const auto& s : all) {
        s->links_changed();
    }
    if (!core_.links.hosts().empty()) {
        const net_host& any = core_.links.hosts().front();
        core_.tell(network_event::kind::links, any, any);
    }
}

void network::host_down(net_host& h) {
    h.up = false;
    for (const auto& socket : select(core_, [&](const net_socket& s) { return &s.at() == &h; })) {
        socket->vanish();
    }
    // What no program holds: in a backlog, or closed and still being sent.
    std::vector<std::shared_ptr<stream>> all;
    for (const auto& [number, s] : core_.streams) {
        all.push_back(s->shared_from_this());
    }
    for (const auto& s : all) {
        for (unsigned side : {stream::client, stream::server}) {
            if (s->at(side).at == &h && !s->at(side).gone) {
                s->vanish(side);
            }
        }
    }
    core_.tell(network_event::kind::host_failed, h, h);
    links_changed();
}

void network::host_up(net_host& h) {
    h.up = true;
    links_changed();
}

void network::process_died(handle_table& handles) {
    for (const auto& socket : select(core_, [&](const net_socket& s) { return &s.table() == &handles; })) {
        socket->forget_waiting();
        core_.events.after(0, [socket] { socket->close(); });
    }
}

void network::begin(io_request& request, requester& from, net_host& at) {
    switch (request.op) {
        case io_op::listen:
            from.finish(request, listen(request, from, at));
            return;
        case io_op::connect:
            if (const std::int32_t error = start_connect(request, from, at); error != 0) {
                from.finish(request, error);
            }
            return;
        case io_op::resolve:
            resolve(request, from, at);
            return;
        case io_op::recv:
            if (request.size == 0) {
                from.finish(request, 0);
                return;
            }
            break;
        default:
            break;
    }
    const auto handle = from.handles().find(request.fd);
    if (!handle || handle->what != open_handle::kind::socket) {
        from.finish(request, handle ? -ENOTSOCK : -EBADF);
        return;
    }
    auto& socket = static_cast<net_socket&>(*handle);
    switch (request.op) {
        case io_op::close:
            from.handles().remove(request.fd);
            socket.close();
            from.finish(request, 0);
            break;
        case io_op::shutdown:
            from.finish(request, socket.begin_shutdown(static_cast<int>(request.size)));
            break;
        case io_op::set_option:
            from.finish(request, socket.set_option(request));
            break;
        case io_op::get_option:
            from.finish(request, socket.get_option(request));
            break;
        case io_op::local_address:
            from.finish(request, write_name(socket.local_name(), request.data));
            break;
        case io_op::remote_address: {
            socket_name name;
            from.finish(request, socket.remote_name(name) ? write_name(name, request.data) : -ENOTCONN);
            break;
        }
        default:
            socket.start(request, from);
            break;
    }
}

bool network::withdraw(io_request& request, requester& from) {
    if (request.op != io_op::connect) {
        const auto handle = from.handles().find(request.fd);
        return handle && handle->what == open_handle::kind::socket &&
               static_cast<net_socket&>(*handle).withdraw(request);
    }
    for (const auto& socket : select(core_, [&](const net_socket& s) { return &s.table() == &from.handles(); })) {
        if (socket->withdraw(request)) {
            from.handles().remove(static_cast<stream_socket&>(*socket).descriptor());
            socket->close();
            return true;
        }
    }
    return false;
}

std::int32_t network::listen(const io_request& request, requester& from, net_host& at) {
    const auto& parameters = *static_cast<const listen_parameters*>(request.extra);
    socket_name name;
    std::int32_t result = read_name(request.data, request.size, name);
    if (result == 0 && from.handles().full()) {
        result = -EMFILE;
    }
    if (result != 0) {
        return result;
    }
    socket_options options(name.family, SOCK_STREAM);
    const auto set = [&](int level, int option, int value) {
        result = result == 0 ? options.set(level, option, &value, sizeof value) : result;
    };
    if (name.family != AF_UNIX) {
        set(SOL_SOCKET, SO_REUSEADDR, 1);
    }
    if (name.family == AF_INET6) {
        set(IPPROTO_IPV6, IPV6_V6ONLY, parameters.ipv6_only ? 1 : 0);
    }
    if (parameters.reuse_port) {
        set(SOL_SOCKET, SO_REUSEPORT, 1);
    }
    for (const socket_setting& each : parameters.settings) {
        set(each.level, each.name, each.value);
    }
    if (result == 0) {
        result = may_listen(core_, at, name, parameters);
    }
    if (result != 0) {
        return result;
    }
    return from.handles().add(std::make_shared<listening_socket>(core_, at, from.handles(), name, parameters, options));
}

void network::resolve(io_request& request, requester& from, net_host& at) {
    core_.events.after(core_.links.latency_ns(at, at), [this, &request, &from] {
        if (from.alive()) {
            auto& answer = *static_cast<resolve_answer*>(request.extra);
            from.finish(request, find_name(static_cast<const char*>(request.data), answer));
        }
    });
}

std::int32_t network::find_name(std::string_view name, resolve_answer& answer) {
    answer.count = 0;
    if (const auto literal = ip_address::parse(name)) {
        add_answer(answer, *literal);
    } else if (name == "localhost") {
        add_answer(answer, ip_address::loopback(AF_INET6));
        add_answer(answer, ip_address::loopback(AF_INET));
    } else if (const net_host* h = core_.links.find(name)) {
        for (const ip_address& ip : h->addresses) {
            add_answer(answer, ip);
        }
    }
    return answer.count != 0 ? 0 : -ENOENT;
}

std::int32_t network::open_datagram(requester& from, net_host& at, const std::string& address, std::uint16_t port,
                                    std::optional<std::pair<std::string, std::uint16_t>> peer) {
    const auto ip = ip_address::parse(address);
    if (!ip || from.handles().full()) {
        return ip ? -EMFILE : -EINVAL;
    }
    if (!ip->is_any() && !at.has(*ip)) {
        return -EADDRNOTAVAIL;
    }
    std::optional<ip_endpoint> to;
    if (peer) {
        const auto peer_ip = ip_address::parse(peer->first);
        if (!peer_ip || peer_ip->is_v4() != ip->is_v4()) {
            return -EINVAL;
        }
        to = ip_endpoint{*peer_ip, peer->second};
    }
    socket_name name{.family = ip->is_v4() ? AF_INET : AF_INET6, .ip = {*ip, port}, .path = {}};
    const auto taken = [&](const ip_endpoint& wanted) {
        return std::ranges::any_of(at.datagram_sockets, [&](const datagram_socket* s) {
            return s->name().port == wanted.port && s->name().ip.is_v4() == wanted.ip.is_v4() &&
                   (s->name().ip == wanted.ip || s->name().ip.is_any() || wanted.ip.is_any());
        });
    };
    if (port != 0 && taken(name.ip)) {
        return -EADDRINUSE;
    }
    const std::uint32_t first = core_.profile.ephemeral_first;
    const std::uint32_t count = core_.profile.ephemeral_last - first + 1U;
    const std::uint64_t start = port == 0 ? core_.random.below(count) : 0;
    for (std::uint32_t i = 0; port == 0 && i < count; ++i) {
        name.ip.port = static_cast<std::uint16_t>(first + (start + i) % count);
        if (!taken(name.ip)) {
            break;
        }
        name.ip.port = 0;
    }
    if (name.ip.port == 0) {
        return -EADDRINUSE;
    }
    return from.handles().add(std::make_shared<datagram_socket>(core_, at, from.handles(), name, to));
}

std::int32_t network::send_datagram(requester& from, std::int32_t fd, const std::string& address, std::uint16_t port,
                                    std::string_view bytes) {
    const auto handle = from.handles().find(fd);
    if (!handle || handle->what != open_handle::kind::socket) {
        return handle ? -ENOTSOCK : -EBADF;
    }
    const auto socket = std::dynamic_pointer_cast<datagram_socket>(handle);
    const auto ip = ip_address::parse(address);
    if (!socket || !ip) {
        return socket ? -EINVAL : -EISCONN;
    }
    const iovec part{const_cast<char*>(bytes.data()), bytes.size()};
    return socket->send_to({*ip, port}, {&part, 1});
}

bool network::unlink(net_host& at, std::string_view path) {
    return !path.empty() && path.front() != '\0' && at.paths.erase(std::string(path)) != 0;
}

bool network::has_unix_name(const net_host& at, std::string_view path) const {
    return at.paths.contains(std::string(path));
}

void network::clog(const net_host& from, const net_host& to, std::uint64_t duration_ns) {
    core_.faults.add("net.clog_one_way");
    core_.links.close(from, to, duration_ns);
}

void network::partition(partition_mode mode, bool symmetric, std::uint64_t duration_ns) {
    core_.links.partition(mode, symmetric, duration_ns);
}

void network::swizzle(std::uint64_t duration_ns) {
    core_.links.swizzle(duration_ns);
}

void network::calm() {
    core_.profile = core_.profile.without_faults();
    core_.links.heal();
}

}  // namespace shale::sim::detail
