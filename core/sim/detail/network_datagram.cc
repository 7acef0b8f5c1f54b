// See network_datagram.hh.
#include "network_datagram.hh"

#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

namespace shale::sim::detail {

datagram_socket::datagram_socket(network_core& core, net_host& at, handle_table& table, const socket_name& name,
                                 std::optional<ip_endpoint> peer)
    : net_socket(core, at, table, name.family, SOCK_DGRAM), name_(name), peer_(peer) {
    at.datagram_sockets.push_back(this);
}

datagram_socket::~datagram_socket() {
    forget_name();
}

void datagram_socket::forget_name() noexcept {
    std::erase(at().datagram_sockets, this);
}

std::int32_t datagram_socket::attempt(io_request& request, requester&) {
    iovec room;
    switch (request.op) {
        case io_op::recv:
        case io_op::recvmsg:
            return receive(request);
        case io_op::send:
        case io_op::sendmsg:
            return peer_ ? send_to(*peer_, memory_of(request, room)) : -EDESTADDRREQ;
        default:
            return -EOPNOTSUPP;  // accept
    }
}

short datagram_socket::ready() const noexcept {
    int mask = error_ != 0 ? POLLERR : 0;
    mask |= read_shut_ ? POLLIN | POLLRDNORM | POLLRDHUP : queue_.empty() ? 0 : POLLIN | POLLRDNORM;
    mask |= read_shut_ && write_shut_ ? POLLHUP : 0;
    return static_cast<short>(mask | POLLOUT | POLLWRNORM);
}

std::int32_t datagram_socket::shutdown(int how) {
    read_shut_ = read_shut_ || how != SHUT_WR;
    write_shut_ = write_shut_ || how != SHUT_RD;
    return peer_ ? 0 : -ENOTCONN;
}

bool datagram_socket::remote_name(socket_name& name) const {
    if (!peer_) {
        return false;
    }
    name = {.family = family(), .ip = *peer_, .path = {}};
    return true;
}

std::int32_t datagram_socket::receive(io_request& request) {
    if (error_ != 0) {
        return -take_error();
    }
    if (queue_.empty()) {
        return read_shut_ ? 0 : -EAGAIN;
    }
    const received first = std::move(queue_.front());
    queue_.pop_front();
    queue_bytes_ -= first.bytes->size();
    msghdr alone{};
    iovec room{request.data, request.size};
    alone.msg_iov = &room;
    alone.msg_iovlen = 1;
    msghdr& message = request.op == io_op::recvmsg ? *static_cast<msghdr*>(request.data) : alone;
    std::size_t copied = 0;
    for (const iovec& part : std::span(message.msg_iov, message.msg_iovlen)) {
        const std::size_t size = std::min(part.iov_len, first.bytes->size() - copied);
        std::copy_n(first.bytes->data() + copied, size, static_cast<std::byte*>(part.iov_base));
        copied += size;
    }
    if (message.msg_name != nullptr) {
        sockaddr_storage from{};
        const std::int32_t length = write_name({.family = family(), .ip = first.from, .path = {}}, &from);
        std::memcpy(message.msg_name, &from, std::min<std::size_t>(message.msg_namelen, sizeof from));
        message.msg_namelen = static_cast<socklen_t>(length);
    }
    message.msg_controllen = 0;
    message.msg_flags = copied < first.bytes->size() ? MSG_TRUNC : 0;
    return static_cast<std::int32_t>(copied);
}

std::int32_t datagram_socket::send_to(const ip_endpoint& to, std::span<const iovec> parts) {
    if (error_ != 0) {
        return -take_error();
    }
    const std::size_t size = total(parts);
    if (write_shut_ || size > bytes_max) {
        return write_shut_ ? -EPIPE : -EMSGSIZE;
    }
    net_host* const host = at().has(to.ip) ? &at() : core_.links.find(to.ip);
    ip_endpoint from = name_.ip;
    if (from.ip.is_any()) {
        const ip_address* mine = at().address_like(to.ip);
        if (mine == nullptr && !to.ip.is_loopback()) {
            return -ENETUNREACH;
        }
        from.ip = host == &at() ? to.ip : *mine;
    }
    if (host == nullptr) {
        return static_cast<std::int32_t>(size);  // nobody there: lost
    }
    auto bytes = std::make_shared<std::vector<std::byte>>();
    bytes->reserve(size);
    for (const iovec& part : parts) {
        const auto* begin = static_cast<const std::byte*>(part.iov_base);
        bytes->insert(bytes->end(), begin, begin + part.iov_len);
    }
    core_.tell(network_event::kind::sent, at(), *host, size);
    const bool faulty = host != &at();
    if (faulty && core_.strikes(core_.profile.datagram_loss, "net.datagram_lost")) {
        return static_cast<std::int32_t>(size);
    }
    launch(*host, to, from, bytes);
    if (faulty && core_.strikes(core_.profile.datagram_duplicate, "net.datagram_duplicated")) {
        launch(*host, to, from, bytes);
    }
    return static_cast<std::int32_t>(size);
}

void datagram_socket::launch(net_host& to_host, const ip_endpoint& to, const ip_endpoint& from, const bytes_of& bytes) {
    std::uint64_t latency = core_.links.latency_ns(at(), to_host);
    if (&to_host != &at() && core_.strikes(core_.profile.datagram_reorder, "net.datagram_late")) {
        latency = core_.random.between(latency, std::max(latency, core_.profile.latency_tail_ns_max));
    }
    core_.events.after(latency, [self = weak_from_this(), &core = core_, &sender = at(), &to_host, to, from, bytes] {
        if (core.links.blocked(sender, to_host) || !to_host.up) {
            core.faults.add("net.datagram_lost");
            return;
        }
        for (datagram_socket* there : to_host.datagram_sockets) {
            const ip_endpoint& name = there->name_.ip;
            if (name.port == to.port && (name.ip == to.ip || name.ip.is_any()) &&
                (!there->peer_ || there->peer_ == from)) {
                there->arrive(from, bytes);
                return;
            }
        }
        const auto socket = std::static_pointer_cast<datagram_socket>(self.lock());
        if (socket && socket->open() && socket->peer_ && !core.links.blocked(to_host, sender)) {
            socket->error_ = ECONNREFUSED;
            socket->news();
        }
    });
}

void datagram_socket::arrive(const ip_endpoint& from, const bytes_of& bytes) {
    if (queue_bytes_ + bytes->size() > core_.profile.datagram_queue_bytes) {
        core_.faults.add("net.datagram_queue_full");
        return;
    }
    queue_bytes_ += bytes->size();
    queue_.push_back({from, bytes});
    core_.tell(network_event::kind::datagram, at(), at(), bytes->size());
    news_to_read();
}

}  // namespace shale::sim::detail
