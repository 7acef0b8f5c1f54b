// Disk requests on their way through the AIO context and back.
//
// More requests than the context has slots wait here in order. What the kernel refuses is sorted out here too: out of
// slots means to try again after a completion or a moment later; "not for AIO" (a file system, a seccomp filter) means
// that a helper makes the plain call; anything else is the request's own result. One slot is kept for the watch: an
// AIO poll of the epoll descriptor, through which socket events show in the disks' ring.
#pragma once

#include <cstdint>
#include <optional>
#include <utility>

#include "../aio_context.hh"
#include "../linux_counters.hh"
#include "helper_pool.hh"
#include "request_list.hh"
#include "tsc_clock.hh"

namespace shale::detail {

/// A kernel that is out of slots is asked again after a completion, or after this time.
inline constexpr std::uint64_t aio_retry_ns = 200'000;

class disk_queue {
public:
    /// Throws std::system_error when there is no AIO to be had. `watch_fd` is what the watch polls.
    disk_queue(const aio_context_options& o, int watch_fd, request_list& finished, helper_pool& helpers,
               tsc_clock& clock, linux_counters& counters);

    /// Takes a direct read, write or flush into the batch.
    void start(io_request& r) noexcept;

    /// Gives the batch to the kernel, when there is one.
    void submit() noexcept;

    /// Moves what the kernel has completed to the finished ones, and starts what waited. No system call when idle.
    void collect() noexcept;

    /// True when collect() is known to have something to do. Loads only.
    bool ready() const noexcept { return aio_.ready(); }

    /// Withdraws a request not yet in the kernel.
    bool withdraw(io_request& r) noexcept;

    /// Blocks until something completes, the watch included.
    void wait(std::uint64_t timeout_ns, const sigset_t* blocked) noexcept { aio_.wait(timeout_ns, blocked); }

    /// Requests in the context or waiting for it.
    bool busy() const noexcept { return in_flight_ != 0; }
    /// The kernel was out of slots and has to be asked again without an event to say when.
    bool must_retry() const noexcept { return aio_.unsubmitted() != 0; }
    const aio_context& aio() const noexcept { return aio_; }

    // The watch.
    bool watching() const noexcept { return watching_; }
    /// False once the kernel has refused an AIO poll.
    bool can_watch() const noexcept { return watch_works_; }
    /// Arms it; true when it stands armed.
    bool watch() noexcept;
    /// True once after the watch fired: the descriptor is ready.
    bool take_watch_fired() noexcept { return std::exchange(watch_fired_, false); }

    /// From now on completions signal this eventfd as well.
    void signal_to(int event_fd) noexcept;
    /// True when all requests in flight signal the eventfd.
    bool all_signal() const noexcept { return event_fd_ >= 0 && unsignalled_ == 0; }

private:
    void add(io_request& r) noexcept;
    void finish(std::uint64_t tag, std::int64_t result) noexcept;
    void finish_watch(std::int64_t result) noexcept;

    aio_context aio_;
    request_list waiting_;  ///< no slot yet
    unsigned in_flight_ = 0;
    unsigned unsignalled_ = 0;
    unsigned refusals_ = 0;  ///< io_submits in a row that ended with EAGAIN
    std::uint64_t retry_at_ns_ = 0;
    bool watching_ = false;
    bool watch_works_ = true;
    bool watch_fired_ = false;
    int event_fd_ = -1;
    const int watch_fd_;
    request_list& finished_;
    helper_pool& helpers_;
    tsc_clock& clock_;
    linux_counters& counters_;
};

}  // namespace shale::detail
