// The life of a parked request: tried, parked, advanced by an edge, finished. The rules of the edge are at the head of
// epoll_sockets.hh; every change of `readable` and `writable` here follows from one of them.
#include "epoll_sockets.hh"

#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include <algorithm>
#include <new>
#include <utility>

#include "../../base/error.hh"
#include "monotonic.hh"
#include "raw_syscall.hh"
#include "socket_calls.hh"
#include "whereabouts.hh"

namespace shale::detail {

/// What is known of a descriptor that has transferred something or waited.
struct epoll_sockets::watched {
    int fd = -1;
    bool joined = false;          ///< in the epoll set
    bool stream = false;          ///< a short transfer means empty or full
    bool batched = false;         ///< its transfers may go with others; known after some of them
    unsigned transfers = 0;       ///< counted until then
    bool in_candidates = false;   ///< `in` is among the candidates
    bool out_candidates = false;  ///< `out` is
    bool readable = true;         ///< an attempt may succeed
    bool writable = true;
    bool hung_up = false;  ///< the peer has finished or failed: no further edge will come for reading
    request_list in;       ///< recv, recvmsg, accept
    request_list out;      ///< send, sendmsg, connect
    request_list polls;
    watched* next_free = nullptr;
};

epoll_sockets::epoll_sockets(request_list& finished, linux_counters& counters, const socket_batch_options& batching)
    : epoll_fd_(::epoll_create1(EPOLL_CLOEXEC)),
      finished_(finished),
      counters_(counters),
      batch_(counters, batching),
      events_(std::make_unique<epoll_event[]>(events_max)) {
    if (!epoll_fd_) {
        throw shale::make_system_error(errno, "epoll_create1 for a shard");
    }
}

epoll_sockets::~epoll_sockets() = default;

void epoll_sockets::add_wake_descriptor(int fd) {
    epoll_event event{};
    event.events = EPOLLIN | EPOLLET;
    event.data.ptr = nullptr;
    if (::epoll_ctl(epoll_fd_.get(), EPOLL_CTL_ADD, fd, &event) != 0) {
        throw shale::make_system_error(errno, "adding eventfd {} to epoll set {}", fd, epoll_fd_.get());
    }
}

void epoll_sockets::submit(io_request& r) noexcept {
    if (socket_batch::takes(r)) {
        start(r);
        return;
    }
    flush();
    switch (r.op) {
        case io_op::accept:
        case io_op::recvmsg:
        case io_op::sendmsg:
        case io_op::poll:
            start(r);
            break;
        case io_op::connect:
            connect(r);
            break;
        case io_op::listen: {
            ++counters_.socket_calls;
            const long fd = open_listener(r);
            forget(static_cast<int>(fd));
            finish(r, fd);
            break;
        }
        case io_op::shutdown:
            finish(r, shutdown(r));
            break;
        default:
            ++counters_.socket_calls;
            finish(r, ask_socket(r));
            break;
    }
}

void epoll_sockets::start(io_request& r) noexcept {
    watched* w = find(r.fd);
    if (w != nullptr && may_be_batched(*w, r)) {
        request_list& list = list_of(*w, r);
        place(r, whereabouts::socket, static_cast<std::uint32_t>(r.fd));
        list.push_back(r);
        ++parked_;
        collect(*w, &list == &w->out);
        keep_room();
        return;
    }
    if (w == nullptr || may_succeed(*w, r)) {
        const long result = try_now(r, r.fd);
        if (result != -EAGAIN) {
            if (w == nullptr && result > 0 && socket_batch::takes(r)) {
                w = find_or_add(r.fd);  // the kernel knows it
            }
            if (w != nullptr) {
                note_transfer(*w, r, result);
            }
            finish(r, result);
            return;
        }
    }
    park(r, r.fd);
}

// A connection for one request is not worth the two system calls that tell.
bool epoll_sockets::may_be_batched(watched& w, const io_request& r) noexcept {
    if (!socket_batch::takes(r)) {
        return false;
    }
    if (const unsigned enough = batch_.options().transfers_before_batches;
        w.transfers < enough && ++w.transfers == enough) {
        w.batched = socket_batch::suits(w.fd);
    }
    return w.batched && may_succeed(w, r);
}

// Has the first request of a direction tried at the next flush().
void epoll_sockets::collect(watched& w, bool out) noexcept {
    if (std::exchange(out ? w.out_candidates : w.in_candidates, true)) {
        return;
    }
    candidates_[candidate_count_++] = {&w, out};
}

// A descriptor has two directions.
void epoll_sockets::keep_room() noexcept {
    if (candidate_count_ + 2 > candidates_.size()) {
        flush();
    }
}

// Those behind a request that succeeds are candidates again, one for each that was tried, so this goes round until all
// have ended or must wait.
void epoll_sockets::flush() noexcept {
    while (candidate_count_ > 0) {
        std::array<candidate, socket_batch::most> tried;
        std::array<socket_batch::transfer, socket_batch::most> transfers;
        const unsigned count = std::exchange(candidate_count_, 0);
        for (unsigned i = 0; i < count; ++i) {
            watched& w = *candidates_[i].at;
            tried[i] = candidates_[i];
            (tried[i].out ? w.out_candidates : w.in_candidates) = false;
            transfers[i] = {&(tried[i].out ? w.out : w.in).front(), w.fd, 0};
        }
        batch_.run(std::span(transfers).first(count));
        for (unsigned i = 0; i < count; ++i) {
            watched& w = *tried[i].at;
            request_list& list = tried[i].out ? w.out : w.in;
            bool& ready = tried[i].out ? w.writable : w.readable;
            if (list.empty() || &list.front() != transfers[i].request) {
                continue;  // cancelled: its number came back as another socket's, closed behind our back
            }
            settle(w, list, ready, transfers[i].result);
            advance(w, list, ready);
        }
    }
}

// Nobody of the same direction waits before it, and the last that was heard is that the kernel has something. An accept
// is always tried: it fails at once on what does not listen, and there no edge may ever come to say so.
bool epoll_sockets::may_succeed(watched& w, const io_request& r) noexcept {
    const request_list& list = list_of(w, r);
    const bool hint = &list == &w.polls || r.op == io_op::accept || (&list == &w.in ? w.readable : w.writable);
    return list.empty() && hint;
}

void epoll_sockets::connect(io_request& r) noexcept {
    bool made = false;
    ++counters_.socket_calls;
    const long fd = start_connect(r, &made);
    forget(static_cast<int>(fd));
    if (fd < 0 || made) {
        finish(r, fd);
        return;
    }
    park(r, static_cast<int>(fd));
}

long epoll_sockets::shutdown(const io_request& r) noexcept {
    const int how = static_cast<int>(r.size);
    ++counters_.socket_calls;
    const long result = system_call(SYS_shutdown, r.fd, how);
    watched* w = find(r.fd);
    if (w == nullptr || result == -EBADF) {
        return result;
    }
    // What waits in that direction ends now, with what the kernel has left for it or with ECONNABORTED.
    const auto end = [&](request_list& list) noexcept {
        while (!list.empty()) {
            io_request& waiting = list.pop_front();
            --parked_;
            const long last = waiting.op == io_op::accept ? -EAGAIN : try_now(waiting, r.fd);
            finish(waiting, last == -EAGAIN ? -ECONNABORTED : last);
        }
    };
    if (how != SHUT_WR) {
        w->readable = w->hung_up = true;
        end(w->in);
    }
    if (how != SHUT_RD) {
        w->writable = true;
        end(w->out);
    }
    return result;
}

long epoll_sockets::close(int fd) noexcept {
    flush();
    watched* w = find(fd);
    if (w == nullptr) {
        struct stat about;
        if (::fstat(fd, &about) != 0) {
            return -errno;
        }
        if (!S_ISSOCK(about.st_mode)) {
            return -ENOTSOCK;
        }
    }
    forget(fd);
    ++counters_.socket_calls;
    return system_call(SYS_close, fd);  // leaves the epoll set by itself
}

void epoll_sockets::withdraw(io_request& r) noexcept {
    const int fd = static_cast<int>(place_wide(r));
    watched* w = find(fd);
    if (w == nullptr || !list_of(*w, r).remove(r)) {
        return;
    }
    --parked_;
    finish(r, -ECANCELED);
    if (r.op == io_op::connect) {
        forget(fd);
        system_call(SYS_close, fd);
    }
}

void epoll_sockets::park(io_request& r, int fd) noexcept {
    watched* w = find_or_add(fd);
    if (w == nullptr) {
        if (r.op == io_op::connect) {
            system_call(SYS_close, fd);
        }
        finish(r, -ENOMEM);
        return;
    }
    // It waits because an attempt gave EAGAIN, or because one was known to. A connection under way gives an edge for
    // each direction.
    request_list& list = list_of(*w, r);
    if (list.empty()) {  // else one before it waits, or is about to be tried
        w->readable = w->readable && &list != &w->in && r.op != io_op::connect;
        w->writable = w->writable && &list != &w->out;
    }
    place(r, whereabouts::socket, static_cast<std::uint32_t>(fd));
    list.push_back(r);
    ++parked_;
    if (!w->joined && !join(*w)) {
        // Not something that can be waited for (EPERM), or no memory for it: the request fails, nothing else.
        const int error = errno;
        list.remove(r);
        --parked_;
        finish(r, -error);
        forget(fd);
        if (r.op == io_op::connect) {
            system_call(SYS_close, fd);
        }
    }
}

bool epoll_sockets::join(watched& w) noexcept {
    epoll_event event{};
    event.events = EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLPRI | EPOLLET;
    event.data.ptr = &w;
    ++counters_.epoll_changes;
    // EEXIST: the descriptor was watched, closed behind our back while a copy of it lived on, and came back.
    w.joined = ::epoll_ctl(epoll_fd_.get(), EPOLL_CTL_ADD, w.fd, &event) == 0 ||
               (errno == EEXIST && ::epoll_ctl(epoll_fd_.get(), EPOLL_CTL_MOD, w.fd, &event) == 0);
    w.stream = w.joined && is_tcp(w.fd);
    return w.joined;
}

request_list& epoll_sockets::list_of(watched& w, const io_request& r) noexcept {
    switch (r.op) {
        case io_op::poll:
            return w.polls;
        case io_op::send:
        case io_op::sendmsg:
        case io_op::connect:
            return w.out;
        default:
            return w.in;
    }
}

long epoll_sockets::try_now(const io_request& r, int fd) noexcept {
    ++counters_.socket_calls;
    const long result = attempt(r, fd);
    counters_.socket_again += result == -EAGAIN ? 1 : 0;
    if (r.op == io_op::accept && result >= 0) {
        forget(static_cast<int>(result));
    }
    return result;
}

void epoll_sockets::note_transfer(watched& w, const io_request& r, long result) noexcept {
    if (result <= 0 || !w.stream) {
        return;
    }
    if (r.op == io_op::recv) {
        w.readable = w.hung_up || static_cast<std::uint64_t>(result) == r.size;
    } else if (r.op == io_op::send || r.op == io_op::sendmsg) {
        w.writable = static_cast<std::uint64_t>(result) == asked(r);
    }
}

void epoll_sockets::advance(watched& w, request_list& list, bool& ready) noexcept {
    while (!list.empty() && ready) {
        if (w.batched && socket_batch::takes(list.front())) {
            collect(w, &list == &w.out);
            return;
        }
        settle(w, list, ready, try_now(list.front(), w.fd));
    }
}

// What came of the first request of a list.
void epoll_sockets::settle(watched& w, request_list& list, bool& ready, long result) noexcept {
    if (result == -EAGAIN && !w.joined && !join(w)) {
        result = -errno;
    }
    if (result == -EAGAIN) {
        ready = false;
        w.hung_up = w.hung_up && &list != &w.in;  // the error was taken, and was not the end (a datagram socket's)
        return;
    }
    io_request& r = list.pop_front();
    --parked_;
    note_transfer(w, r, result);
    const bool failed_connect = r.op == io_op::connect && result < 0;
    finish(r, result);
    if (failed_connect) {
        const int fd = w.fd;
        forget(fd);
        system_call(SYS_close, fd);
    }
}

// Each asks for events of its own, so one that must go on waiting holds up no other.
void epoll_sockets::advance_polls(watched& w) noexcept {
    request_list waiting = std::exchange(w.polls, {});
    while (!waiting.empty()) {
        io_request& r = waiting.pop_front();
        const long result = try_now(r, w.fd);
        if (result == -EAGAIN) {
            w.polls.push_back(r);
        } else {
            --parked_;
            finish(r, result);
        }
    }
}

void epoll_sockets::on_event(watched& w, std::uint32_t events) noexcept {
    const bool ended = (events & (EPOLLHUP | EPOLLERR)) != 0;
    w.hung_up = w.hung_up || ended || (events & EPOLLRDHUP) != 0;
    w.readable = w.readable || w.hung_up || (events & (EPOLLIN | EPOLLPRI)) != 0;
    w.writable = w.writable || ended || (events & EPOLLOUT) != 0;
    if ((events & EPOLLPRI) != 0) {
        w.stream = false;  // a read ends at urgent data however much stands behind it
    }
    advance_polls(w);
    advance(w, w.in, w.readable);
    advance(w, w.out, w.writable);
}

unsigned epoll_sockets::poll() noexcept {
    ++counters_.epoll_polls;
    const long n = system_call(SYS_epoll_pwait, epoll_fd_.get(), events_.get(), events_max, 0, nullptr, 0);
    return handle(n);
}

unsigned epoll_sockets::wait(std::uint64_t timeout_ns, const sigset_t* blocked) noexcept {
    constexpr std::size_t kernel_sigset_size = 8;
    const bool for_ever = timeout_ns == ~std::uint64_t{0};
    ++counters_.epoll_sleeps;
    long n = -ENOSYS;
    if (has_pwait2_) {
        const timespec timeout = to_timespec(timeout_ns);
        n = system_call(SYS_epoll_pwait2, epoll_fd_.get(), events_.get(), events_max, for_ever ? nullptr : &timeout,
                        blocked, kernel_sigset_size);
        // Old container profiles refuse what they do not know with EPERM.
        has_pwait2_ = n != -ENOSYS && n != -EPERM;
    }
    if (!has_pwait2_) {
        // Milliseconds, rounded up: early would be a spin.
        const std::uint64_t ms = std::min<std::uint64_t>(timeout_ns / 1'000'000 + 1, 1'000'000'000);
        n = system_call(SYS_epoll_pwait, epoll_fd_.get(), events_.get(), events_max,
                        for_ever ? -1 : static_cast<int>(ms), blocked, kernel_sigset_size);
    }
    return handle(n);
}

unsigned epoll_sockets::handle(long count) noexcept {
    for (long i = 0; i < count; ++i) {
        if (events_[i].data.ptr == nullptr) {
            woken_ = true;
        } else {
            on_event(*static_cast<watched*>(events_[i].data.ptr), events_[i].events);
            keep_room();
        }
    }
    flush();
    return count > 0 ? static_cast<unsigned>(count) : 0;  // EINTR is no event
}

epoll_sockets::watched* epoll_sockets::find(int fd) const noexcept {
    const auto index = static_cast<std::size_t>(fd);  // a negative one becomes large
    return index < by_fd_.size() ? by_fd_[index] : nullptr;
}

epoll_sockets::watched* epoll_sockets::find_or_add(int fd) noexcept {
    constexpr std::size_t block = 64;
    if (watched* known = find(fd); known != nullptr) {
        return known;
    }
    try {
        if (static_cast<std::size_t>(fd) >= by_fd_.size()) {
            by_fd_.resize(std::max<std::size_t>(static_cast<std::size_t>(fd) + 1, by_fd_.size() * 2));
        }
        if (free_ == nullptr) {
            blocks_.push_back(std::make_unique<watched[]>(block));
            for (std::size_t i = 0; i < block; ++i) {
                blocks_.back()[i].next_free = std::exchange(free_, &blocks_.back()[i]);
            }
        }
    } catch (const std::bad_alloc&) {
        return nullptr;
    }
    watched* w = std::exchange(free_, free_->next_free);
    *w = watched{};
    w->fd = fd;
    by_fd_[static_cast<std::size_t>(fd)] = w;
    return w;
}

void epoll_sockets::forget(int fd) noexcept {
    watched* w = find(fd);
    if (w == nullptr) {
        return;
    }
    by_fd_[static_cast<std::size_t>(fd)] = nullptr;
    const auto end = candidates_.begin() + candidate_count_;
    candidate_count_ = static_cast<unsigned>(
        std::remove_if(candidates_.begin(), end, [w](const candidate& c) { return c.at == w; }) - candidates_.begin());
    cancel_all(w->in);
    cancel_all(w->out);
    cancel_all(w->polls);
    w->fd = -1;
    w->next_free = std::exchange(free_, w);
}

void epoll_sockets::cancel_all(request_list& list) noexcept {
    while (!list.empty()) {
        io_request& r = list.pop_front();
        --parked_;
        finish(r, -ECANCELED);
    }
}

void epoll_sockets::finish(io_request& r, long result) noexcept {
    r.result = static_cast<std::int32_t>(result);
    place(r, whereabouts::finished);
    finished_.push_back(r);
}

}  // namespace shale::detail
