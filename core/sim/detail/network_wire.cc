// The packets of a connection: when they arrive, what they do there, and what silence does. See network_stream.hh.
//
// Each pipe plans the arrival of its first packet only, so a packet costs one event and the order is kept. A packet
// that would arrive over a closed link stays where it is until the link opens, as retransmissions make it; meanwhile
// its sender counts the time until it gives up.
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <utility>

#include "../../base/assert.hh"
#include "network_listener.hh"
#include "network_stream.hh"

namespace shale::sim::detail {

namespace {

constexpr std::uint64_t ns_per_second = 1'000'000'000;
constexpr std::uint64_t ns_per_ms = 1'000'000;

}  // namespace

void stream::forget(std::optional<event_queue::id>& timer) noexcept {
    if (timer) {
        core_.events.cancel(*timer);
        timer.reset();
    }
}

// Between this end and the other nothing can be sent and answered.
bool stream::cut_off(unsigned side) const noexcept {
    const end& me = ends_[side];
    const end& peer = ends_[1 - side];
    return peer.at != nullptr && (core_.links.blocked(*me.at, *peer.at) || core_.links.blocked(*peer.at, *me.at));
}

void stream::add(unsigned side, packet::kind what, std::uint32_t bytes) {
    end& me = ends_[side];
    const end& peer = ends_[1 - side];
    const std::uint64_t now = core_.events.now_ns();
    me.wire_free_ns = std::max(me.wire_free_ns, now);
    if (core_.profile.bytes_per_second != 0 && me.at != peer.at) {
        me.wire_free_ns += bytes * ns_per_second / core_.profile.bytes_per_second;
    }
    const std::uint64_t latency = local_only() ? 0 : core_.links.latency_ns(*me.at, *peer.at);
    me.last_arrival_ns = std::max(me.last_arrival_ns, me.wire_free_ns + latency);
    me.out.add({what, bytes, me.last_arrival_ns});
    if (cut_off(side) && !me.gone) {
        give_up_later(side);
    }
    plan_delivery(side);
}

void stream::plan_delivery(unsigned side) {
    end& me = ends_[side];
    if (!me.out.under_way() || me.stuck || std::exchange(me.delivery_planned, true)) {
        return;
    }
    core_.events.at(me.out.front().arrives_ns, [self = shared_from_this(), side] { self->deliver(side); });
}

void stream::deliver(unsigned side) {
    end& me = ends_[side];
    end& peer = ends_[1 - side];
    me.delivery_planned = false;
    while (me.out.under_way() && me.out.front().arrives_ns <= core_.events.now_ns()) {
        if (core_.links.blocked(*me.at, *peer.at)) {
            if (me.gone) {
                me.out.lose(0);  // nobody is left to send it again
                break;
            }
            me.stuck = true;
            me.stuck_since_ns = core_.events.now_ns();
            give_up_later(side);
            return;
        }
        arrive(1 - side, me.out.pop());
    }
    plan_delivery(side);
    if (me.gone && !me.out.under_way()) {
        watch_silence(1 - side);
    }
}

void stream::arrive(unsigned to, const packet& p) {
    end& me = ends_[to];
    switch (p.what) {
        case packet::kind::data:
            data_arrives(to, p.bytes);
            break;
        case packet::kind::fin:
            fin_arrives(to);
            break;
        case packet::kind::rst:
            rst_arrives(to);
            break;
        case packet::kind::hello:
            if (me.gone) {
                answer_with_reset(to);
            } else if (to == client) {
                forget(connect_deadline);
                me.connecting = false;
                core_.tell(network_event::kind::connected, *me.at, *ends_[server].at);
                add(client, packet::kind::hello);
                wake(client);
            } else if (const auto at = listener.lock(); !at || !at->established(shared_from_this())) {
                reset(server);
            }
            break;
    }
}

void stream::data_arrives(unsigned to, std::uint32_t bytes) {
    end& me = ends_[to];
    byte_pipe& in = ends_[1 - to].out;
    if (me.gone || me.closed) {
        in.refuse(bytes);
        answer_with_reset(to);
        return;
    }
    in.accept(bytes);
    if (me.read_shut && me.fin_sent && !local_only()) {
        // Both directions are shut down here: Linux takes further data for an error of the peer's.
        in.discard_arrived();
        me.error = ECONNRESET;
        answer_with_reset(to);
        wake(to);
        return;
    }
    core_.tell(network_event::kind::arrived, *ends_[1 - to].at, *me.at, bytes);
    if (me.socket != nullptr) {
        me.socket->news_to_read();
    }
}

void stream::fin_arrives(unsigned to) {
    end& me = ends_[to];
    if (me.gone) {
        answer_with_reset(to);
        return;
    }
    me.fin_arrived = true;
    ends_[1 - to].fin_delivered = true;
    core_.tell(network_event::kind::finished, *ends_[1 - to].at, *me.at);
    release_name();
    wake(to);
    if (ends_[1 - to].socket != nullptr && over(1 - to)) {
        ends_[1 - to].socket->news();  // POLLHUP
    }
}

void stream::rst_arrives(unsigned to) {
    end& me = ends_[to];
    if (me.gone) {
        return;
    }
    me.error = me.connecting ? ECONNREFUSED : me.fin_arrived && !local_only() ? EPIPE : ECONNRESET;
    me.connecting = false;
    core_.tell(network_event::kind::reset, *ends_[1 - to].at, *me.at);
    go(to);
    me.out.lose(0);
    wake(to);
}

// The kernel forgets this end. What it has sent goes on by itself.
void stream::go(unsigned side) {
    end& me = ends_[side];
    me.gone = true;
    me.connecting = false;
    forget(me.giving_up);
    forget(me.probing);
    if (side == server) {
        if (const auto at = listener.lock()) {
            at->left(*this);
        }
    }
    release_name();
}

void stream::answer_with_reset(unsigned side) {
    go(side);
    if (!ends_[1 - side].gone) {
        add(side, packet::kind::rst);
    }
}

void stream::reset(unsigned side) {
    end& me = ends_[side];
    if (me.gone) {
        return;
    }
    if (me.out.under_way() && core_.strikes(core_.profile.reset_overtakes, "net.reset_overtakes")) {
        me.out.lose(core_.random.below(me.out.packets()));
    }
    go(side);
    add(side, packet::kind::rst);
}

// Something between the two resets the connection: this end learns it now, the other by a packet of its own.
void stream::break_on_the_way(unsigned side) {
    if (ends_[1 - side].at == nullptr || local_only()) {
        return;
    }
    reset(side);
    ends_[side].error = ends_[side].fin_arrived ? EPIPE : ECONNRESET;
    ends_[1 - side].out.lose(0);
    ends_[1 - side].stuck = false;
}

void stream::wake(unsigned side) {
    if (stream_socket* socket = ends_[side].socket; socket != nullptr) {
        socket->news();
    }
}

// The reader has made room, and says so.
void stream::wake_sender(unsigned side) {
    end& sender = ends_[side];
    if (!sender.full || sender.socket == nullptr || sender.out.space() * 3 < sender.out.window()) {
        return;
    }
    const std::uint64_t latency = local_only() ? 0 : core_.links.latency_ns(*ends_[1 - side].at, *sender.at);
    core_.events.after(latency, [self = shared_from_this(), side] {
        if (stream_socket* socket = self->ends_[side].socket; socket != nullptr) {
            socket->news_to_write();
        }
    });
}

void stream::give_up_later(unsigned side) {
    end& me = ends_[side];
    if (me.giving_up || me.gone) {
        return;
    }
    const auto& profile = core_.profile;
    std::uint64_t silence = core_.random.between(std::min(profile.silence_ns_min, profile.silence_ns_max),
                                                 std::max(profile.silence_ns_min, profile.silence_ns_max));
    if (me.socket != nullptr) {
        const int user_ms = me.socket->options().value(IPPROTO_TCP, TCP_USER_TIMEOUT);
        silence = user_ms > 0 ? static_cast<std::uint64_t>(user_ms) * ns_per_ms : silence;
    }
    me.giving_up = core_.events.after(silence, [self = shared_from_this(), side] {
        self->ends_[side].giving_up.reset();
        self->give_up(side);
    });
}

void stream::give_up(unsigned side) {
    end& me = ends_[side];
    if (me.gone) {
        return;
    }
    core_.faults.add("net.connection_timed_out");
    core_.tell(network_event::kind::timed_out, *me.at, *ends_[1 - side].at);
    me.error = ETIMEDOUT;
    go(side);
    me.out.lose(0);
    me.stuck = false;
    wake(side);
    watch_silence(1 - side);
}

// A link is open again: what lies before it arrives with the next retransmission, and answers come.
void stream::resume(unsigned side) {
    end& me = ends_[side];
    const end& peer = ends_[1 - side];
    const std::uint64_t now = core_.events.now_ns();
    if (me.stuck && !core_.links.blocked(*me.at, *peer.at)) {
        me.stuck = false;
        const std::uint64_t most = std::min(core_.profile.retransmit_ns_max, now - me.stuck_since_ns);
        const std::uint64_t delay = most != 0 ? core_.random.below(most + 1) : 0;
        me.last_arrival_ns = std::max(me.last_arrival_ns, now + delay + core_.links.latency_ns(*me.at, *peer.at));
        me.out.delay(me.last_arrival_ns);
        plan_delivery(side);
    }
    if (!cut_off(side)) {
        forget(me.giving_up);
    }
    if (!core_.links.blocked(*peer.at, *me.at)) {
        me.out.sender_hears();
        wake_sender(side);
    }
}

void stream::links_changed() {
    if (ends_[server].at == nullptr || ends_[client].at == ends_[server].at) {
        return;
    }
    for (unsigned side : {client, server}) {
        resume(side);
        if (ends_[side].out.under_way() && cut_off(side)) {
            give_up_later(side);
        }
        watch_silence(side);
    }
}

// Keep-alive probes are not sent while all is well: they could tell nothing. They begin when the other end falls
// silent, as if the last sign of life had come then.
void stream::watch_silence(unsigned side) {
    end& me = ends_[side];
    const end& peer = ends_[1 - side];
    if (me.socket == nullptr || me.gone || me.connecting || local_only() || !me.socket->options().keeps_alive() ||
        !(cut_off(side) || (peer.gone && !peer.out.under_way()))) {
        forget(me.probing);
    } else if (!me.probing) {
        const auto idle = static_cast<std::uint64_t>(me.socket->options().value(IPPROTO_TCP, TCP_KEEPIDLE));
        me.probing =
            core_.events.after(idle * ns_per_second, [self = shared_from_this(), side] { self->probe(side, 0); });
    }
}

void stream::probe(unsigned side, int unanswered) {
    end& me = ends_[side];
    me.probing.reset();
    if (me.gone || me.socket == nullptr) {
        return;
    }
    const socket_options& options = me.socket->options();
    if (!cut_off(side)) {
        if (ends_[1 - side].gone) {
            rst_arrives(side);  // the answer to the probe
        }
    } else if (unanswered >= options.value(IPPROTO_TCP, TCP_KEEPCNT)) {
        give_up(side);
    } else {
        const auto interval = static_cast<std::uint64_t>(options.value(IPPROTO_TCP, TCP_KEEPINTVL));
        me.probing = core_.events.after(interval * ns_per_second, [self = shared_from_this(), side, unanswered] {
            self->probe(side, unanswered + 1);
        });
    }
}

}  // namespace shale::sim::detail
