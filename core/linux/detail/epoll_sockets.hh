// Sockets over edge-triggered epoll: try first, wait for an event only when the kernel has nothing.
//
// An operation is tried when it is submitted and parked at its descriptor only on EAGAIN; a descriptor joins the epoll
// set once in its life, at its first EAGAIN, so a connection accepted here can be given to another shard before it is
// used. A TCP stream that gave less than asked is known to be empty (or full): the next operation waits for the edge
// without paying for an EAGAIN. The peer's FIN or an error comes with an edge of its own and ends that economy.
// Nothing is kept for a descriptor before its first transfer or wait, and 80 bytes after it; never a buffer.
// Transfers of TCP sockets are collected and tried together at flush(): see socket_batch.hh.
//
// Rules of the edge: 1. `readable` and `writable` are hints that may be true too often and never false too often;
// 2. they turn false on EAGAIN and on a short transfer of TCP, and true on the edge; 3. joining the epoll set
// reports what is ready at that moment, so nothing is lost between the attempt and the joining.
// A request that is to be tried at flush() is parked at its descriptor like one that waits; submit() of
// anything but another transfer flushes first, so that the order of what a caller asks for is kept.
#pragma once

#include <array>
#include <csignal>
#include <memory>
#include <vector>

#include "../linux_counters.hh"
#include "request_list.hh"
#include "socket_batch.hh"
#include "unique_fd.hh"

struct epoll_event;

namespace shale::detail {

class epoll_sockets {
public:
    /// Finished requests go to `finished`, which like `counters` must outlive this. Throws std::system_error.
    epoll_sockets(request_list& finished, linux_counters& counters, const socket_batch_options& batching);
    epoll_sockets(const epoll_sockets&) = delete;
    epoll_sockets& operator=(const epoll_sockets&) = delete;
    /// Parked requests are forgotten, not completed.
    ~epoll_sockets();

    /// Takes listen, accept, connect, recv, send, sendmsg, recvmsg, shutdown, poll and the questions asked of sockets.
    /// Transfers may be tried at flush() only.
    void submit(io_request& r) noexcept;

    /// Tries what submit() has collected.
    void flush() noexcept;

    /// Completes a parked request with -ECANCELED; a connect's descriptor is closed. Flush first.
    void withdraw(io_request& r) noexcept;

    /// Closes a socket, completing what is parked there with -ECANCELED, and returns close's result. -ENOTSOCK when
    /// `fd` is something else, which is left alone.
    long close(int fd) noexcept;

    /// Adds an eventfd whose every write ends wait(); never read, so waking costs the sleeper nothing.
    void add_wake_descriptor(int fd);

    /// Looks for events without waiting; returns their number.
    unsigned poll() noexcept;

    /// Waits for an event at most that long (~0: for ever), `blocked` being blocked meanwhile; returns their number.
    unsigned wait(std::uint64_t timeout_ns, const sigset_t* blocked) noexcept;

    /// True when a wake-up was seen since the last call.
    bool take_wake() noexcept {
        const bool woken = woken_;
        woken_ = false;
        return woken;
    }

    /// Requests parked here: while there are none, no event matters.
    unsigned parked() const noexcept { return parked_; }
    /// The epoll descriptor, itself pollable.
    int descriptor() const noexcept { return epoll_fd_.get(); }
    /// For tests: as on a kernel without epoll_pwait2 (before 5.11).
    void forgo_pwait2() noexcept { has_pwait2_ = false; }

private:
    struct watched;
    static constexpr int events_max = 128;

    watched* find(int fd) const noexcept;
    watched* find_or_add(int fd) noexcept;
    void forget(int fd) noexcept;
    struct candidate {
        watched* at;
        bool out;
    };

    void start(io_request& r) noexcept;
    bool may_be_batched(watched& w, const io_request& r) noexcept;
    void collect(watched& w, bool out) noexcept;
    void keep_room() noexcept;
    void settle(watched& w, request_list& list, bool& ready, long result) noexcept;
    bool may_succeed(watched& w, const io_request& r) noexcept;
    void connect(io_request& r) noexcept;
    long shutdown(const io_request& r) noexcept;
    void park(io_request& r, int fd) noexcept;
    bool join(watched& w) noexcept;
    request_list& list_of(watched& w, const io_request& r) noexcept;
    long try_now(const io_request& r, int fd) noexcept;
    void note_transfer(watched& w, const io_request& r, long result) noexcept;
    void advance(watched& w, request_list& list, bool& ready) noexcept;
    void advance_polls(watched& w) noexcept;
    void on_event(watched& w, std::uint32_t events) noexcept;
    void cancel_all(request_list& list) noexcept;
    void finish(io_request& r, long result) noexcept;
    unsigned handle(long count) noexcept;

    unique_fd epoll_fd_;
    unsigned parked_ = 0;
    bool woken_ = false;
    bool has_pwait2_ = true;
    request_list& finished_;
    linux_counters& counters_;
    socket_batch batch_;
    std::array<candidate, socket_batch::most> candidates_;  ///< for the batch, up to `candidate_count_`
    unsigned candidate_count_ = 0;
    std::vector<watched*> by_fd_;
    std::vector<std::unique_ptr<watched[]>> blocks_;  ///< never freed before the end: a late event may point there
    watched* free_ = nullptr;
    std::unique_ptr<epoll_event[]> events_;
};

}  // namespace shale::detail
