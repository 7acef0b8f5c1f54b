// What a program does with its end of a connection, and what it is told. See network_stream.hh.
#include "network_stream.hh"

#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <limits>

#include "network_listener.hh"

namespace shale::sim::detail {

namespace {

std::uint32_t draw_window(network_core& core) noexcept {
    const auto& [low, high] = std::minmax(core.profile.window_bytes_min, core.profile.window_bytes_max);
    return std::max<std::uint32_t>(low == high ? low : static_cast<std::uint32_t>(core.random.between(low, high)), 1);
}

/// The bytes that one operation moves of those it could.
std::size_t draw_transfer(network_core& core, std::size_t most, std::string_view name) {
    most = std::min<std::size_t>(most, std::numeric_limits<std::int32_t>::max());
    return most > 1 && core.strikes(core.profile.short_transfer, name) ? core.random.between(1, most - 1) : most;
}

}  // namespace

stream::stream(network_core& core, net_host& from, const socket_name& local, const socket_name& remote)
    : kept_(core.shared_from_this()),
      core_(core),
      number_(core.next_number++),
      remote_(remote),
      ends_{end(draw_window(core)), end(draw_window(core))} {
    ends_[client].at = &from;
    ends_[client].name = local;
    ends_[client].connecting = true;
    core_.streams.emplace(number_, this);
}

stream::~stream() {
    core_.streams.erase(number_);
    if (const auto at = listener.lock()) {
        at->left(*this);
    }
    ends_[client].gone = true;  // no timer is left, they would have kept this
    abandon(client);
}

// The client's name is free when its kernel knows the connection no more, whoever else still does.
void stream::release_name() {
    const end& c = ends_[client];
    if (local_only() || !c.closed || !over(client) || std::exchange(name_released_, true)) {
        return;
    }
    const net_host::connection_name mine{c.name.ip.port, c.name.ip.ip, remote_.ip};
    if (c.fin_was_first && !c.gone && core_.profile.time_wait_ns > 0) {
        c.at->connections[mine] = core_.events.now_ns() + core_.profile.time_wait_ns;
    } else {
        c.at->connections.erase(mine);
    }
}

void stream::abandon(unsigned side) {
    ends_[side].socket = nullptr;
    ends_[side].closed = true;
    release_name();
}

bool stream::over(unsigned side) const noexcept {
    const end& me = ends_[side];
    return me.gone || (me.fin_delivered && me.fin_arrived);
}

std::int32_t stream::send(unsigned side, std::span<const iovec> parts) {
    end& me = ends_[side];
    const end& peer = ends_[1 - side];
    if (local_only() && (peer.closed || peer.read_shut)) {
        return -EPIPE;
    }
    if (!me.gone && !me.connecting && core_.strikes(core_.profile.reset, "net.reset")) {
        break_on_the_way(side);
    }
    if (me.error != 0) {
        return -take_error(side);
    }
    if (me.fin_sent || me.gone) {
        return -EPIPE;
    }
    const std::size_t wanted = total(parts);
    if (wanted == 0) {
        return 0;
    }
    const std::size_t space = me.out.space();
    if (me.connecting || space == 0 || (me.full && space * 3 < me.out.window())) {
        me.full = true;
        return -EAGAIN;
    }
    me.full = false;
    const std::size_t count = draw_transfer(core_, std::min(wanted, space), "net.short_send");
    me.out.put(parts, count);
    add(side, packet::kind::data, static_cast<std::uint32_t>(count));
    core_.tell(network_event::kind::sent, *me.at, peer.at != nullptr ? *peer.at : *me.at, count);
    return static_cast<std::int32_t>(count);
}

std::int32_t stream::receive(unsigned side, std::span<const iovec> parts) {
    end& me = ends_[side];
    byte_pipe& in = ends_[1 - side].out;
    const std::size_t wanted = total(parts);
    if (wanted == 0) {
        return 0;
    }
    if (!me.gone && !me.connecting && core_.strikes(core_.profile.reset, "net.reset")) {
        break_on_the_way(side);
    }
    if (in.arrived() > 0) {
        const std::size_t count = draw_transfer(core_, std::min(wanted, in.arrived()), "net.short_recv");
        in.take(parts, count, !core_.links.blocked(*me.at, *ends_[1 - side].at));
        wake_sender(1 - side);
        return static_cast<std::int32_t>(count);
    }
    if (me.fin_arrived && !local_only()) {
        return 0;  // SOCK_DONE: after the peer's end no error is told any more
    }
    if (me.error != 0) {
        return -take_error(side);
    }
    return me.fin_arrived || me.read_shut || me.gone ? 0 : -EAGAIN;
}

short stream::ready(unsigned side) const noexcept {
    const end& me = ends_[side];
    const end& peer = ends_[1 - side];
    const bool peer_left = local_only() && peer.closed;
    const bool no_reading = me.fin_arrived || me.read_shut || me.gone || peer_left;
    const bool no_writing = me.fin_sent || me.gone || peer_left || (local_only() && peer.read_shut);
    int mask = me.error != 0 ? POLLERR : 0;
    if (me.connecting) {
        return static_cast<short>(mask);
    }
    if (over(side) || (no_reading && no_writing)) {
        mask |= POLLHUP;
    }
    if (no_reading) {
        mask |= POLLIN | POLLRDNORM | POLLRDHUP;
    }
    if (peer.out.arrived() > 0) {
        mask |= POLLIN | POLLRDNORM;
    }
    if (no_writing || me.out.space() * 3 >= me.out.window()) {
        mask |= POLLOUT | POLLWRNORM;
    }
    return static_cast<short>(mask);
}

std::int32_t stream::shutdown(unsigned side, int how) {
    end& me = ends_[side];
    const bool connected = !over(side) && !me.connecting;
    if (how != SHUT_WR) {
        me.read_shut = true;
    }
    if (how != SHUT_RD && !me.fin_sent && connected) {
        me.fin_sent = true;
        me.fin_was_first = !me.fin_arrived;
        add(side, packet::kind::fin);
    }
    if (local_only() && how != SHUT_WR) {
        wake(1 - side);  // its sends fail from now on
    }
    return connected || local_only() ? 0 : -ENOTCONN;
}

void stream::close(unsigned side, bool reset_it) {
    end& me = ends_[side];
    me.socket = nullptr;
    me.closed = true;
    byte_pipe& in = ends_[1 - side].out;
    // Between Unix sockets the kernel puts bytes straight into the reader's queue: what is under way counts as there.
    const bool unread = in.arrived() > 0 || (local_only() && in.under_way());
    in.discard_arrived();
    if (side == client) {
        forget(connect_deadline);
    }
    if (me.connecting) {
        go(side);  // if its answer still comes, that is answered with a reset
    } else if (!me.gone && (unread || reset_it)) {
        reset(side);
    } else if (!me.gone && !me.fin_sent) {
        me.fin_sent = true;
        me.fin_was_first = !me.fin_arrived;
        add(side, packet::kind::fin);
    }
    if (local_only()) {
        wake(1 - side);
    }
    forget(me.probing);
    release_name();
}

void stream::vanish(unsigned side) {
    end& me = ends_[side];
    me.socket = nullptr;
    me.closed = true;
    ends_[1 - side].out.discard_arrived();
    if (side == client) {
        forget(connect_deadline);
    }
    // What was sent and acknowledged by nobody is lost with its sender; what is on the wire goes on for a while.
    if (me.out.under_way()) {
        me.out.lose(me.stuck ? 0 : core_.random.below(me.out.packets() + 1));
    }
    if (!me.gone) {
        core_.faults.add("net.half_open");
    }
    go(side);
    watch_silence(1 - side);
}

stream_socket::stream_socket(network_core& core, net_host& at, handle_table& table, std::shared_ptr<stream> s,
                             unsigned side)
    : net_socket(core, at, table, s->at(side).name.family, SOCK_STREAM), stream_(std::move(s)), side_(side) {
    stream_->at(side).socket = this;
}

stream_socket::~stream_socket() {
    if (stream_) {
        stream_->abandon(side_);
    }
}

std::int32_t stream_socket::connected() {
    const stream::end& me = stream_->at(side_);
    if (me.connecting) {
        return -EAGAIN;
    }
    const int error = stream_->take_error(side_);
    if (error == 0) {
        return fd_;
    }
    table().remove(fd_);
    return -error;
}

std::int32_t stream_socket::attempt(io_request& request, requester&) {
    iovec room;
    switch (request.op) {
        case io_op::connect:
            return connected();
        case io_op::send:
        case io_op::sendmsg:
            return stream_->send(side_, memory_of(request, room));
        case io_op::recv:
            return stream_->receive(side_, memory_of(request, room));
        case io_op::recvmsg: {
            auto& message = *static_cast<msghdr*>(request.data);
            const std::int32_t count = stream_->receive(side_, {message.msg_iov, message.msg_iovlen});
            if (count >= 0) {
                message.msg_namelen = 0;
                message.msg_controllen = 0;
                message.msg_flags = 0;
            }
            return count;
        }
        default:
            return -EINVAL;  // accept
    }
}

bool stream_socket::remote_name(socket_name& name) const {
    if ((stream_->over(side_) && !stream_->local_only()) || stream_->at(side_).connecting) {
        return false;
    }
    name = side_ == stream::client ? stream_->remote() : stream_->at(stream::client).name;
    name.family = family();
    return true;
}

void stream_socket::closed() {
    const bool reset = options_.resets_at_close() && !stream_->local_only();
    std::exchange(stream_, nullptr)->close(side_, reset);
}

void stream_socket::vanished() {
    std::exchange(stream_, nullptr)->vanish(side_);
}

}  // namespace shale::sim::detail
