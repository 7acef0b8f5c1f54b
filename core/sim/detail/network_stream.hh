// A connection: two ends and a pipe in each direction, which outlives the sockets for as long as packets are under way.
//
// TCP as a program can see it, after Linux 6: what each call gives in each state, which end learns what when, and what
// it never learns. An end is gone once its kernel knows nothing of it, and answers whatever arrives with a reset, or
// not at all while its host is without power; the other end finds out by that, or by silence alone. The packets
// themselves, their delays and the timers are in network_wire.cc, what programs do in network_stream.cc.
// A connection over a Unix socket is the same with no delay and the few differences that Linux makes.
#pragma once

#include <sys/socket.h>

#include <memory>
#include <optional>
#include <span>
#include <utility>

#include "network_core.hh"
#include "network_pipe.hh"
#include "network_socket.hh"

namespace shale::sim::detail {

class listening_socket;
class stream_socket;

class stream final : public std::enable_shared_from_this<stream> {
public:
    /// The two ends, by who made the connection.
    static constexpr unsigned client = 0;
    static constexpr unsigned server = 1;

    struct end {
        explicit end(std::uint32_t window) noexcept : out(window) {}

        net_host* at = nullptr;
        stream_socket* socket = nullptr;  ///< null before it is accepted, and once the program has let go
        socket_name name;
        byte_pipe out;  ///< towards the other end
        int error = 0;  ///< SO_ERROR
        bool connecting = false;
        bool fin_sent = false;       ///< or will be: nothing more is sent
        bool fin_was_first = false;  ///< sent before the other end's came: this one keeps the port for a while
        bool fin_delivered = false;  ///< the other end has it
        bool fin_arrived = false;
        bool read_shut = false;
        bool closed = false;  ///< no program will use it any more
        bool gone = false;    ///< its kernel knows it no more
        bool full = false;    ///< a send found no room: the next waits for a third of the window
        bool stuck = false;   ///< the first packet under way is held up
        bool delivery_planned = false;
        std::uint64_t stuck_since_ns = 0;
        std::uint64_t wire_free_ns = 0;  ///< when what was sent before has left
        std::uint64_t last_arrival_ns = 0;
        std::optional<event_queue::id> giving_up;
        std::optional<event_queue::id> probing;
    };

    /// Made by a connect, with its first end only. The window is drawn.
    stream(network_core& core, net_host& from, const socket_name& local, const socket_name& remote);
    stream(const stream&) = delete;
    stream& operator=(const stream&) = delete;
    ~stream();

    // -- For sockets: what a program does at one side ---------------------------------------------------------------

    std::int32_t send(unsigned side, std::span<const iovec> parts);
    std::int32_t receive(unsigned side, std::span<const iovec> parts);
    short ready(unsigned side) const noexcept;
    std::int32_t shutdown(unsigned side, int how);
    int take_error(unsigned side) noexcept { return std::exchange(ends_[side].error, 0); }
    /// The program lets go of it; `reset` for SO_LINGER without time.
    void close(unsigned side, bool reset);
    /// The host of this end has lost its power, or a connect has given up: no word to the other end.
    void vanish(unsigned side);
    /// Its socket is no more, and was not closed: a connect that failed, a table that is dropped.
    void abandon(unsigned side);
    /// TCP_CLOSE: there is no peer any more.
    bool over(unsigned side) const noexcept;

    // -- For connecting and accepting -------------------------------------------------------------------------------

    /// The first packet has come to `listener`, and is answered.
    void meet(net_host& at, const std::shared_ptr<listening_socket>& listener);
    /// The connection did not come about.
    void fail_connect(int error);
    void reset(unsigned side);

    // -- For the network --------------------------------------------------------------------------------------------

    void links_changed();
    /// SO_KEEPALIVE or its times may have changed, or the other end may have fallen silent.
    void watch_silence(unsigned side);

    end& at(unsigned side) noexcept { return ends_[side]; }
    const socket_name& remote() const noexcept { return remote_; }
    bool local_only() const noexcept { return ends_[client].name.family == AF_UNIX; }
    /// How the server's listener is found, if it is still there.
    std::weak_ptr<listening_socket> listener;
    std::optional<event_queue::id> connect_deadline;

private:
    bool cut_off(unsigned side) const noexcept;
    void add(unsigned side, packet::kind what, std::uint32_t bytes = 0);
    void plan_delivery(unsigned side);
    void deliver(unsigned side);
    void arrive(unsigned to, const packet& p);
    void data_arrives(unsigned to, std::uint32_t bytes);
    void fin_arrives(unsigned to);
    void rst_arrives(unsigned to);
    void answer_with_reset(unsigned side);
    void go(unsigned side);
    void release_name();
    void break_on_the_way(unsigned side);
    void give_up_later(unsigned side);
    void give_up(unsigned side);
    void resume(unsigned side);
    void probe(unsigned side, int unanswered);
    void wake(unsigned side);
    void wake_sender(unsigned side);
    void forget(std::optional<event_queue::id>& timer) noexcept;

    const std::shared_ptr<network_core> kept_;
    network_core& core_;
    const std::uint64_t number_;
    const socket_name remote_;  ///< what the client connected to, as it names it
    end ends_[2];
    bool name_released_ = false;
};

/// One end of a stream in a program's hands.
class stream_socket final : public net_socket {
public:
    stream_socket(network_core& core, net_host& at, handle_table& table, std::shared_ptr<stream> s, unsigned side);
    ~stream_socket() override;

    std::int32_t attempt(io_request& request, requester& from) override;
    short ready() const noexcept override { return stream_->ready(side_); }
    std::int32_t shutdown(int how) override { return stream_->shutdown(side_, how); }
    socket_name local_name() const override { return stream_->at(side_).name; }
    bool remote_name(socket_name& name) const override;
    int take_error() noexcept override { return stream_->take_error(side_); }
    void options_changed() override { stream_->watch_silence(side_); }
    void inherit(const socket_options& from) { options_.inherit(from); }

    /// The descriptor that a connect gives when it succeeds, and takes back when not.
    void set_descriptor(std::int32_t fd) noexcept { fd_ = fd; }
    std::int32_t descriptor() const noexcept { return fd_; }

private:
    void closed() override;
    void vanished() override;
    std::int32_t connected();

    std::shared_ptr<stream> stream_;
    const unsigned side_;
    std::int32_t fd_ = -1;
};

}  // namespace shale::sim::detail
