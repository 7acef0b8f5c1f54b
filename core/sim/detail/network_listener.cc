// See network_listener.hh.
#include "network_listener.hh"

#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>

namespace shale::sim::detail {

namespace {

constexpr int backlog_max = 4096;  ///< net.core.somaxconn

std::size_t backlog_of(int asked) noexcept {
    return static_cast<std::size_t>(asked < 0 ? backlog_max : std::min(asked, backlog_max));
}

bool same_port_in_use(const net_host& at, const ip_endpoint& name, bool takes_both, bool reuse_port) {
    if (std::ranges::any_of(at.listeners, [&](const listening_socket* l) {
            return l->overlaps(name, takes_both) && !(reuse_port && l->shares_port());
        })) {
        return true;
    }
    // A port that a connection was made from is taken too while it lives.
    for (auto it = at.connections.lower_bound({name.port, {}, {}});
         it != at.connections.end() && std::get<0>(it->first) == name.port; ++it) {
        if (it->second == 0 && (name.ip.is_any() || std::get<1>(it->first) == name.ip)) {
            return true;
        }
    }
    return false;
}

}  // namespace

std::uint16_t free_port(network_core& core, const net_host& at, const ip_address& local) {
    const std::uint32_t first = core.profile.ephemeral_first;
    const std::uint32_t count = core.profile.ephemeral_last - first + 1U;
    const std::uint64_t start = core.random.below(count);
    for (std::uint32_t i = 0; i < count; ++i) {
        const auto port = static_cast<std::uint16_t>(first + (start + i) % count);
        if (!same_port_in_use(at, {local, port}, true, false)) {
            return port;
        }
    }
    core.faults.add("net.ports_used_up");
    return 0;
}

std::int32_t may_listen(network_core& core, net_host& at, socket_name& name, const listen_parameters& parameters) {
    if (name.family == AF_UNIX) {
        return at.paths.contains(name.path) ? -EADDRINUSE : 0;
    }
    if (!name.ip.ip.is_any() && !at.has(name.ip.ip)) {
        return -EADDRNOTAVAIL;
    }
    if (name.ip.port == 0) {
        name.ip.port = free_port(core, at, name.ip.ip);
        return name.ip.port == 0 ? -EADDRINUSE : 0;
    }
    const bool both = name.family == AF_INET6 && !parameters.ipv6_only;
    return same_port_in_use(at, name.ip, both, parameters.reuse_port) ? -EADDRINUSE : 0;
}

listening_socket* find_listener(network_core& core, net_host& at, const socket_name& to) {
    if (to.family == AF_UNIX) {
        const auto path = at.paths.find(to.path);
        return path == at.paths.end() ? nullptr : path->second;
    }
    std::vector<listening_socket*> best;
    for (listening_socket* l : at.listeners) {
        if (!l->serves(to.ip)) {
            continue;
        }
        // An address is a better match than the wildcard.
        const bool exact = !l->name().ip.ip.is_any();
        if (!best.empty() && exact != !best.front()->name().ip.ip.is_any()) {
            if (!exact) {
                continue;
            }
            best.clear();
        }
        best.push_back(l);
    }
    return best.empty() ? nullptr : best.size() == 1 ? best.front() : best[core.random.below(best.size())];
}

listening_socket::listening_socket(network_core& core, net_host& at, handle_table& table, const socket_name& name,
                                   const listen_parameters& parameters, const socket_options& options)
    : net_socket(core, at, table, name.family, SOCK_STREAM),
      name_(name),
      backlog_(backlog_of(parameters.backlog)),
      reuse_port_(parameters.reuse_port && name.family != AF_UNIX),
      takes_both_(name.family == AF_INET6 && !parameters.ipv6_only) {
    options_ = options;
    if (name_.family == AF_UNIX) {
        at.paths[name_.path] = this;
    } else {
        at.listeners.push_back(this);
    }
}

listening_socket::~listening_socket() {
    forget_name();
}

void listening_socket::forget_name() noexcept {
    if (name_.family != AF_UNIX) {
        std::erase(at().listeners, this);
    } else if (const auto path = at().paths.find(name_.path); path != at().paths.end() && path->second == this) {
        if (name_.path.starts_with('\0')) {
            at().paths.erase(path);
        } else {
            path->second = nullptr;  // the file stays until it is unlinked
        }
    }
}

bool listening_socket::serves(const ip_endpoint& to) const noexcept {
    if (to.port != name_.ip.port) {
        return false;
    }
    const ip_address& mine = name_.ip.ip;
    return mine == to.ip || (mine.is_any() && (takes_both_ || mine.is_v4() == to.ip.is_v4()));
}

bool listening_socket::overlaps(const ip_endpoint& other, bool other_takes_both) const noexcept {
    const ip_address& mine = name_.ip.ip;
    if (other.port != name_.ip.port || name_.family == AF_UNIX) {
        return false;
    }
    const bool same_family = mine.is_v4() == other.ip.is_v4();
    if (mine.is_any() && (same_family || takes_both_)) {
        return true;
    }
    return other.ip.is_any() ? same_family || other_takes_both : mine == other.ip;
}

std::int32_t listening_socket::attempt(io_request& request, requester& from) {
    switch (request.op) {
        case io_op::accept:
            return accept_one(request, from);
        case io_op::recv:
        case io_op::recvmsg:
            return family() == AF_UNIX ? -EINVAL : -ENOTCONN;
        default:
            return family() == AF_UNIX ? -ENOTCONN : -EPIPE;
    }
}

std::int32_t listening_socket::accept_one(io_request& request, requester& from) {
    if (!listening_) {
        return -EINVAL;
    }
    // The kernel takes the descriptor first, so that its lack is told though nobody waits.
    if (from.handles().full()) {
        core_.faults.add("net.accept_emfile");
        return -EMFILE;
    }
    while (!queue_.empty() && core_.strikes(core_.profile.accept_aborted, "net.accept_aborted")) {
        const std::shared_ptr<stream> lost = std::move(queue_.front());
        queue_.pop_front();
        lost->close(stream::server, true);
    }
    if (queue_.empty()) {
        return -EAGAIN;
    }
    if (core_.strikes(core_.profile.accept_enfile, "net.accept_enfile")) {
        return -ENFILE;
    }
    const std::shared_ptr<stream> taken = std::move(queue_.front());
    queue_.pop_front();
    auto socket = std::make_shared<stream_socket>(core_, at(), from.handles(), taken, stream::server);
    socket->inherit(options_);
    socket->options_changed();
    if (request.data != nullptr) {
        socket_name peer = taken->at(stream::client).name;
        peer.family = family();
        write_name(peer, request.data);
    }
    core_.tell(network_event::kind::accepted, *taken->at(stream::client).at, at());
    return from.handles().add(std::move(socket));
}

short listening_socket::ready() const noexcept {
    if (!listening_) {
        const int ended = POLLIN | POLLRDNORM | POLLRDHUP;
        return static_cast<short>(family() == AF_UNIX ? ended : ended | POLLOUT | POLLWRNORM | POLLHUP);
    }
    return queue_.empty() ? 0 : POLLIN | POLLRDNORM;
}

std::int32_t listening_socket::shutdown(int how) {
    if (!listening_) {
        return family() == AF_UNIX ? 0 : -ENOTCONN;
    }
    if (how != SHUT_WR) {
        stop(true);
    }
    return 0;
}

void listening_socket::stop(bool tell_clients) {
    listening_ = false;
    forget_name();
    handshakes_.clear();  // they find nobody when they come to be established
    for (const auto& each : std::exchange(queue_, {})) {
        if (tell_clients) {
            each->close(stream::server, true);
        }
    }
}

void listening_socket::begins(stream& s) {
    handshakes_.push_back(&s);
}

bool listening_socket::established(const std::shared_ptr<stream>& s) {
    left(*s);
    if (!listening_) {
        return false;
    }
    queue_.push_back(s);
    news_to_read();
    return true;
}

void listening_socket::left(const stream& s) noexcept {
    std::erase(handshakes_, &s);
}

}  // namespace shale::sim::detail
