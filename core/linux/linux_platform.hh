// The real side of the seam: one shard's disks, sockets, helpers, clock and sleep on Linux.
//
// Disk requests on O_DIRECT descriptors go to a private AIO context in one io_submit a turn and are reaped from user
// space; sockets are tried at once, many in one io_submit of another context, and wait at edge-triggered epoll;
// whatever has no asynchronous form goes to helper threads. While the shard spins, an empty reap() is three loads:
// after a few fruitless looks the epoll descriptor itself is put under one AIO poll, whose completion then shows in the
// same ring as the disk's. A sleep is one system call: epoll_pwait2 when no disk I/O is in flight, else io_pgetevents
// with epoll under that AIO poll. wake() is one write to an eventfd that nobody reads.
//
// The AIO context is made when first needed, as its end costs the process 30 ms: the kernel waits for a grace period.
//
// Nothing here needs rights, io_uring or a sysctl. Without AIO (a seccomp profile, aio-max-nr used up) disk requests go
// to the helpers; without the AIO poll epoll is looked at every few turns and completions signal an eventfd; notices()
// says so in words. Access: the shard's thread, save wake().
#pragma once

#include <atomic>
#include <csignal>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "../shard/platform.hh"
#include "aio_context.hh"
#include "detail/disk_queue.hh"
#include "detail/epoll_sockets.hh"
#include "detail/helper_pool.hh"
#include "detail/request_list.hh"
#include "detail/tsc_clock.hh"
#include "detail/unique_fd.hh"
#include "linux_counters.hh"

namespace shale {

struct linux_platform_options {
    unsigned aio_capacity = 1024;  ///< disk requests in the kernel at a time; more wait here
    bool user_ring = true;         ///< reap AIO completions from user space
    bool tsc = true;               ///< read the processor's clock where the kernel trusts it
    unsigned helper_threads_max = 4;
    std::vector<unsigned> helper_cpus = {};             ///< where helpers may run; empty: where this thread may
    int sleep_through_signal = 0;                       ///< a signal that does not end a sleep: the preemption timer's
    std::function<void(const std::string&)> tell = {};  ///< is given each notice when it arises; may be empty
    aio_kernel* kernel = nullptr;                       ///< for tests
    detail::socket_batch_options socket_batching = {};  ///< for tests
};

class linux_platform final : public platform {
public:
    using options = linux_platform_options;

    /// Throws std::system_error when even epoll or an eventfd cannot be had.
    explicit linux_platform(options o = {});
    /// Waits for the disk operations and helper calls under way. Requests still in flight are forgotten.
    ~linux_platform() override;

    std::uint64_t now() noexcept override { return clock_.now(); }
    std::int64_t wall() noexcept override;
    void entropy(std::span<std::byte> out) noexcept override;
    unsigned submit(io_request* const* requests, unsigned count) noexcept override;
    unsigned reap(io_request** done, unsigned max) noexcept override;
    void wait(std::uint64_t deadline) noexcept override;
    void wake() noexcept override;

    /// Lines for a person: what this platform has had to do without so far. Usually none.
    const std::vector<std::string>& notices() const noexcept { return notices_; }

    /// What has happened so far. A copy; on the shard's thread.
    linux_counters counters() const noexcept;

    /// For tests: as on a kernel without epoll_pwait2.
    void forgo_pwait2() noexcept { sockets_.forgo_pwait2(); }

private:
    void start(io_request& r) noexcept;
    void start_buffered(io_request& r) noexcept;
    void start_close(io_request& r) noexcept;
    void cancel(io_request& r) noexcept;
    void finish(io_request& r, std::int64_t result) noexcept;
    void collect_disk() noexcept;
    void poll_sockets() noexcept;
    bool time_to_look() noexcept;
    bool have_disk() noexcept;
    void note(std::string_view what, std::string_view instead = {}) noexcept;
    bool can_watch() const noexcept { return disk_ && disk_->can_watch(); }
    void watch_fired() noexcept;
    bool something_ready() const noexcept;
    void sleep(std::uint64_t timeout_ns) noexcept;
    void learn_lead(std::uint64_t deadline) noexcept;
    const sigset_t* blocked_asleep() noexcept;
    static void helper_finished(void* self) noexcept;

    detail::tsc_clock clock_;
    linux_counters counters_;
    detail::request_list finished_;
    detail::unique_fd wake_fd_;
    detail::unique_fd completion_fd_;  ///< made when the kernel refuses the AIO poll
    detail::epoll_sockets sockets_;

    bool submitted_ = false;         ///< since the last reap
    bool looked_ = false;            ///< the last reap looked for socket events, or a sleep just did
    unsigned empty_looks_ = 0;       ///< in a row
    unsigned turns_since_look_ = 0;  ///< where there is no watch

    std::uint64_t lead_ns_ = 0;  ///< how much later than asked a sleep ends

    std::optional<sigset_t> blocked_asleep_;
    linux_platform_options options_;
    std::vector<std::string> notices_;

    alignas(64) std::atomic<bool> asleep_{false};
    std::atomic<std::uint64_t> wake_writes_{0};
    detail::helper_pool helpers_;             ///< its threads use what stands above
    std::optional<detail::disk_queue> disk_;  ///< null: not needed yet, or there is no AIO
    bool disk_tried_ = false;                 ///< not again
};

}  // namespace shale
