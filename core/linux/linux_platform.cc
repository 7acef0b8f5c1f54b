// Where each request goes, how a turn looks for what finished, and how a shard sleeps. The parts that know how to do
// each thing are in detail/; this file composes them and decides between looking, watching and waiting.
#include "linux_platform.hh"

#include <sys/eventfd.h>
#include <sys/random.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <system_error>
#include <utility>

#include "../base/assert.hh"
#include "../base/error.hh"
#include "detail/blocking_calls.hh"
#include "detail/monotonic.hh"
#include "detail/raw_syscall.hh"
#include "detail/whereabouts.hh"

namespace shale {

using detail::place;
using detail::whereabouts;

namespace {

// Empty epoll_waits in a row before the watch is armed instead. One costs 0.15 us in every turn; the watch costs 0.8 us
// to arm and then delays the next event by about 1 us. Five microseconds of silence are a fair bet on more of it: a
// single connection asking again at once is not delayed, a shard busy with messages alone makes no system call.
constexpr unsigned empty_looks_max = 32;

// The same where the watch would need a context of its own, which makes the process end 30 ms later: a few milliseconds
// of spinning, so that only a shard that hardly sleeps pays. Until then it looks now and then.
constexpr unsigned empty_looks_before_context = 10'000;

// Without a watch: how many turns may pass between two looks once nothing happens.
constexpr unsigned turns_between_looks = 16;

// A halted processor takes its time to wake up (17 us in the virtual machine at hand). A sleep until a deadline is
// shortened by what it lately took, but never by more than this, and the rest is spun.
constexpr std::uint64_t lead_ns_max = 25'000;
constexpr std::uint64_t lateness_ns_max = 100'000;  // more than this is a busy machine, not a slow wake-up
constexpr unsigned lead_weight = 8;

// Buffered reads larger than this are copied by a helper, cached or not.
constexpr std::uint32_t page_cache_bytes_max = 128 * 1024;

bool is_direct(const io_request& r) noexcept {
    return (static_cast<unsigned>(r.flags) & static_cast<unsigned>(io_flag::direct)) != 0;
}

detail::unique_fd make_eventfd() {
    detail::unique_fd fd(::eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC));
    if (!fd) {
        throw make_system_error(errno, "eventfd to wake a shard");
    }
    return fd;
}

}  // namespace

linux_platform::linux_platform(options o)
    : clock_(o.tsc && detail::tsc_is_trusted()),
      wake_fd_(make_eventfd()),
      sockets_(finished_, counters_, o.socket_batching),
      options_(std::move(o)),
      helpers_({options_.helper_threads_max, options_.helper_cpus}, &helper_finished, this, counters_) {
    sockets_.add_wake_descriptor(wake_fd_.get());
}

linux_platform::~linux_platform() = default;

std::int64_t linux_platform::wall() noexcept {
    timespec t;
    ::clock_gettime(CLOCK_REALTIME, &t);
    return static_cast<std::int64_t>(t.tv_sec) * static_cast<std::int64_t>(detail::ns_per_second) + t.tv_nsec;
}

void linux_platform::entropy(std::span<std::byte> out) noexcept {
    while (!out.empty()) {
        const ssize_t n = ::getrandom(out.data(), out.size(), 0);
        if (n > 0) {
            out = out.subspan(static_cast<std::size_t>(n));
        } else if (errno != EINTR) {
            // Only an address that is not ours, or a kernel of before 2014: nothing sensible can follow.
            SHALE_UNREACHABLE("getrandom of {} bytes: errno {}", out.size(), errno);
        }
    }
}

void linux_platform::wake() noexcept {
    const std::uint64_t one = 1;
    wake_writes_.fetch_add(1, std::memory_order_relaxed);  // a statistic
    detail::system_call(SYS_write, wake_fd_.get(), &one, sizeof one);
}

void linux_platform::helper_finished(void* self) noexcept {
    auto& platform = *static_cast<linux_platform*>(self);
    // pairs with the store in wait(): either it finds the request, or this finds it asleep. The exchange lets one of
    // several helpers do the waking.
    if (platform.asleep_.load(std::memory_order_seq_cst) &&
        platform.asleep_.exchange(false, std::memory_order_seq_cst)) {
        platform.wake();
    }
}

unsigned linux_platform::submit(io_request* const* requests, unsigned count) noexcept {
    for (unsigned i = 0; i < count; ++i) {
        start(*requests[i]);
    }
    counters_.requests += count;
    submitted_ = true;
    if (disk_) {
        disk_->submit();
    }
    sockets_.flush();
    return count;
}

// Makes the context at the first call. Where that fails, be it for want of memory, requests go to helpers for good.
bool linux_platform::have_disk() noexcept {
    if (disk_tried_) {
        return disk_.has_value();
    }
    disk_tried_ = true;
    try {
        // One slot more than asked: the watch's.
        const aio_context_options wanted{options_.aio_capacity + 1, 16, options_.user_ring, options_.kernel};
        disk_.emplace(wanted, sockets_.descriptor(), finished_, helpers_, clock_, counters_);
        if (!disk_->aio().notice().empty()) {
            note(disk_->aio().notice());
        }
    } catch (const std::exception& e) {
        note(e.what(), " Disk I/O goes through helper threads instead.");
    }
    return disk_.has_value();
}

void linux_platform::note(std::string_view what, std::string_view instead) noexcept {
    try {
        std::string notice(what);
        notice += instead;
        if (options_.tell) {
            options_.tell(notice);
        }
        notices_.push_back(std::move(notice));
    } catch (const std::exception&) {
        // A line less for a person is all that is lost.
    }
}

void linux_platform::start(io_request& r) noexcept {
    switch (r.op) {
        case io_op::read:
        case io_op::write:
        case io_op::readv:
        case io_op::writev:
        case io_op::fsync:
        case io_op::fdatasync:
            is_direct(r) && have_disk() ? disk_->start(r) : start_buffered(r);
            break;
        case io_op::open:
        case io_op::stat:
        case io_op::rename:
        case io_op::unlink:
        case io_op::mkdir:
        case io_op::readdir:
        case io_op::fallocate:
        case io_op::truncate:
        case io_op::sync_dir:
        case io_op::lock:
        case io_op::statfs:
        case io_op::resolve:
            helpers_.submit(r);
            break;
        case io_op::close:
            start_close(r);
            break;
        case io_op::cancel:
            cancel(r);
            break;
        default:
            sockets_.submit(r);
            break;
    }
}

void linux_platform::start_buffered(io_request& r) noexcept {
    if (r.op == io_op::read && !is_direct(r) && r.rw_flags == 0 && r.size <= page_cache_bytes_max) {
        const std::int32_t result = detail::read_page_cache(r);
        if (result >= 0) {
            ++counters_.page_cache_reads;
            finish(r, result);
            return;
        }
    }
    counters_.helper_fallbacks += is_direct(r) ? 1 : 0;
    helpers_.submit(r);
}

void linux_platform::start_close(io_request& r) noexcept {
    const long result = sockets_.close(r.fd);
    if (result == -ENOTSOCK) {
        helpers_.submit(r);
    } else {
        finish(r, result);
    }
}

void linux_platform::finish(io_request& r, std::int64_t result) noexcept {
    r.result = static_cast<std::int32_t>(result);
    place(r, whereabouts::finished);
    finished_.push_back(r);
}

void linux_platform::cancel(io_request& r) noexcept {
    sockets_.flush();  // where it is then is where it stays
    auto& target = *static_cast<io_request*>(r.extra);
    std::int64_t result = -EALREADY;
    switch (detail::where(target)) {
        case whereabouts::nowhere:
            result = -ENOENT;
            break;
        case whereabouts::finished:
            break;
        case whereabouts::socket:
            sockets_.withdraw(target);
            result = 0;
            break;
        case whereabouts::waiting:
        case whereabouts::aio:
            result = disk_->withdraw(target) ? 0 : -EALREADY;
            break;
        case whereabouts::helper:
            if (helpers_.withdraw(target)) {
                finish(target, -ECANCELED);
                result = 0;
            }
            break;
    }
    finish(r, result);
}

void linux_platform::collect_disk() noexcept {
    disk_->collect();
    if (disk_->take_watch_fired()) {
        watch_fired();
    }
}

// Sockets are looked at by epoll_wait(0) while they are busy, and watched from the AIO ring once they are not.
void linux_platform::poll_sockets() noexcept {
    if (sockets_.parked() == 0 || (disk_ && disk_->watching())) {
        return;
    }
    looked_ = time_to_look();
    if (!looked_) {
        return;
    }
    empty_looks_ = sockets_.poll() != 0 ? 0 : empty_looks_ + 1;
    const unsigned looks_max = disk_tried_ ? empty_looks_max : empty_looks_before_context;
    if (empty_looks_ >= looks_max && have_disk() && can_watch() && disk_->aio().reads_ring()) {
        disk_->watch();
        if (disk_->take_watch_fired()) {
            watch_fired();
        }
    }
}

bool linux_platform::time_to_look() noexcept {
    // The reap that follows a submit in the same turn collects what finished at once, and the one after a sleep what
    // that found; new events can wait for the next.
    if (submitted_ && looked_) {
        return false;
    }
    if (empty_looks_ >= empty_looks_max && ++turns_since_look_ < turns_between_looks) {
        return false;
    }
    turns_since_look_ = 0;
    return true;
}

void linux_platform::watch_fired() noexcept {
    empty_looks_ = 0;
    sockets_.poll();
    if (disk_->can_watch() || completion_fd_) {
        return;
    }
    try {
        // No AIO poll on this kernel: let completions of disks end the sleep in epoll.
        detail::unique_fd fd = make_eventfd();
        sockets_.add_wake_descriptor(fd.get());
        disk_->signal_to(fd.get());
        completion_fd_ = std::move(fd);
    } catch (const std::system_error&) {
        // Out of descriptors: sleep() wakes every now and then while disk I/O is in flight.
    }
}

unsigned linux_platform::reap(io_request** done, unsigned max) noexcept {
    if (helpers_.has_finished()) {
        helpers_.collect(finished_);
    }
    if (disk_) {
        collect_disk();
    }
    poll_sockets();
    submitted_ = false;
    unsigned count = 0;
    while (count < max && !finished_.empty()) {
        io_request& r = finished_.pop_front();
        r.impl = 0;
        done[count++] = &r;
    }
    return count;
}

bool linux_platform::something_ready() const noexcept {
    return !finished_.empty() || helpers_.has_finished() || (disk_ && disk_->ready());
}

void linux_platform::wait(std::uint64_t deadline) noexcept {
    if (sockets_.take_wake() || something_ready()) {
        return;
    }
    std::uint64_t timeout_ns = no_deadline;
    if (deadline != no_deadline) {
        deadline -= std::min(deadline, lead_ns_);
        const std::uint64_t t = now();
        if (deadline <= t) {
            return;
        }
        timeout_ns = deadline - t;
    }
    // pairs with helper_finished(): either it sees this shard asleep and wakes it, or the next line sees its request
    asleep_.store(true, std::memory_order_seq_cst);
    if (!helpers_.has_finished_for_sure()) {
        sleep(timeout_ns);
    }
    asleep_.store(false, std::memory_order_relaxed);  // a wake-up too many is harmless
    sockets_.take_wake();
    if (deadline != no_deadline) {
        learn_lead(deadline);
    }
}

void linux_platform::learn_lead(std::uint64_t deadline) noexcept {
    const std::uint64_t t = now();
    if (t >= deadline && t - deadline < lateness_ns_max) {
        lead_ns_ = std::min((lead_ns_ * (lead_weight - 1) + (t - deadline)) / lead_weight, lead_ns_max);
    }
}

void linux_platform::sleep(std::uint64_t timeout_ns) noexcept {
    empty_looks_ = std::min(empty_looks_, empty_looks_max);
    if (disk_ && disk_->must_retry()) {
        timeout_ns = std::min(timeout_ns, detail::aio_retry_ns);
    }
    if (disk_ && disk_->busy() && !disk_->watching() && disk_->can_watch()) {
        disk_->watch();
        if (disk_->take_watch_fired()) {
            watch_fired();
        }
        if (something_ready()) {
            return;
        }
    }
    if (!disk_ || !disk_->busy() || disk_->all_signal()) {
        if (sockets_.wait(timeout_ns, blocked_asleep()) != 0) {
            empty_looks_ = 0;
        }
    } else {
        if (!disk_->watching()) {
            timeout_ns = std::min(timeout_ns, detail::aio_retry_ns);  // nothing would tell of sockets
        }
        ++counters_.aio_sleeps;
        disk_->wait(timeout_ns, blocked_asleep());
        collect_disk();
        if (disk_->watching()) {
            return;
        }
        sockets_.poll();
    }
    looked_ = submitted_ = true;
}

const sigset_t* linux_platform::blocked_asleep() noexcept {
    if (options_.sleep_through_signal == 0) {
        return nullptr;
    }
    if (!blocked_asleep_) {
        ::pthread_sigmask(SIG_SETMASK, nullptr, &blocked_asleep_.emplace());
        ::sigaddset(&*blocked_asleep_, options_.sleep_through_signal);
    }
    return &*blocked_asleep_;
}

linux_counters linux_platform::counters() const noexcept {
    linux_counters all = counters_;
    all.wake_writes = wake_writes_.load(std::memory_order_relaxed);  // a statistic
    if (disk_) {
        all.aio = disk_->aio().counters();
    }
    return all;
}

}  // namespace shale
