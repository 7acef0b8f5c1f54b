// Turns requests into AIO operations and completions back into requests. Everything the kernel may refuse is decided in
// finish() and submit().
#include "disk_queue.hh"

#include <poll.h>

#include <cerrno>
#include <iterator>

#include "../../base/fault_point.hh"

#include "whereabouts.hh"

namespace shale::detail {

namespace {

// The tag of the watch. Other tags are addresses of requests, with a bit set when no eventfd is signalled.
constexpr std::uint64_t watch_tag = 0;
constexpr std::uint64_t unsignalled_bit = 1;

// When the kernel has refused that often while it holds nothing of ours, there is nothing to wait for.
constexpr unsigned refusals_max = 16;

constexpr std::uint64_t slow_submit_ns = 1'000'000;

bool moves_data(io_op op) noexcept {
    return op == io_op::read || op == io_op::write || op == io_op::readv || op == io_op::writev;
}

aio_operation to_operation(const io_request& r) noexcept {
    aio_operation o;
    switch (r.op) {
        case io_op::read:
            o.opcode = aio_opcode::read;
            break;
        case io_op::write:
            o.opcode = aio_opcode::write;
            break;
        case io_op::readv:
            o.opcode = aio_opcode::readv;
            break;
        case io_op::writev:
            o.opcode = aio_opcode::writev;
            break;
        case io_op::fsync:
            o.opcode = aio_opcode::fsync;
            break;
        default:
            o.opcode = aio_opcode::fdsync;
            break;
    }
    o.fd = r.fd;
    o.data = r.data;
    o.size = r.size;
    o.offset = r.offset;
    o.rw_flags = r.rw_flags;
    return o;
}

}  // namespace

disk_queue::disk_queue(const aio_context_options& o, int watch_fd, request_list& finished, helper_pool& helpers,
                       tsc_clock& clock, linux_counters& counters)
    : aio_(o), watch_fd_(watch_fd), finished_(finished), helpers_(helpers), clock_(clock), counters_(counters) {}

void disk_queue::start(io_request& r) noexcept {
    ++counters_.disk_requests;
    ++in_flight_;
    if (aio_.free_slots() <= 1 || !waiting_.empty()) {
        ++counters_.disk_waits;
        PROBE("aio.request_waits_for_a_slot");
        place(r, whereabouts::waiting);
        waiting_.push_back(r);
        return;
    }
    add(r);
}

void disk_queue::add(io_request& r) noexcept {
    aio_operation operation = to_operation(r);
    operation.tag = reinterpret_cast<std::uintptr_t>(&r);
    if (event_fd_ < 0) {
        operation.tag |= unsignalled_bit;
        ++unsignalled_;
    }
    const std::optional<aio_key> key = aio_.add(operation);
    place(r, whereabouts::aio, key->generation, key->slot);
}

void disk_queue::submit() noexcept {
    if (aio_.unsubmitted() == 0) {
        return;
    }
    const std::uint64_t before = clock_.now();
    const bool all_taken = aio_.submit();
    const std::uint64_t after = clock_.now();
    counters_.submits_over_1_ms += after - before > slow_submit_ns ? 1 : 0;
    if (all_taken) {
        refusals_ = 0;
        return;
    }
    retry_at_ns_ = after + aio_retry_ns;
    if (++refusals_ >= refusals_max && aio_.in_flight() == 0) {
        aio_.withdraw_unsubmitted(-ENOSYS);  // as where there is no AIO: finish() gives them to helpers
        refusals_ = 0;
    }
}

void disk_queue::collect() noexcept {
    if (aio_.may_be_ready()) {
        aio_completion completions[128];
        unsigned count = 0;
        do {
            count = aio_.reap(completions);
            for (unsigned i = 0; i < count; ++i) {
                completions[i].tag == watch_tag ? finish_watch(completions[i].result)
                                                : finish(completions[i].tag, completions[i].result);
            }
        } while (count == std::size(completions));
        while (!waiting_.empty() && aio_.free_slots() > 1) {
            add(waiting_.pop_front());
        }
        if (count != 0) {
            submit();
        }
    } else if (must_retry() && clock_.now() >= retry_at_ns_) {
        submit();
    }
}

void disk_queue::finish(std::uint64_t tag, std::int64_t result) noexcept {
    io_request& r = *reinterpret_cast<io_request*>(tag & ~unsignalled_bit);
    unsignalled_ -= static_cast<unsigned>(tag & unsignalled_bit);
    --in_flight_;
    // A helper's plain call has the last word where the file system or a filter refuses this to AIO.
    const bool not_for_aio = result == -ENOSYS || result == -EPERM || (result == -EOPNOTSUPP && r.rw_flags == 0) ||
                             (result == -EINVAL && !moves_data(r.op));
    if (not_for_aio) {
        ++counters_.helper_fallbacks;
        PROBE("aio.refused_so_a_helper_does_it");
        helpers_.submit(r);
        return;
    }
    r.result = static_cast<std::int32_t>(result);
    place(r, whereabouts::finished);
    finished_.push_back(r);
}

bool disk_queue::withdraw(io_request& r) noexcept {
    if (where(r) == whereabouts::waiting) {
        waiting_.remove(r);
        --in_flight_;
        r.result = -ECANCELED;
        place(r, whereabouts::finished);
        finished_.push_back(r);
        return true;
    }
    if (aio_.cancel({place_narrow(r), place_wide(r)}) != aio_cancel_result::canceled) {
        return false;
    }
    collect();
    return true;
}

bool disk_queue::watch() noexcept {
    aio_operation poll;
    poll.opcode = aio_opcode::poll;
    poll.fd = watch_fd_;
    poll.size = POLLIN;
    poll.tag = watch_tag;
    const std::optional<aio_key> key = aio_.add(poll);
    if (!key) {
        return false;
    }
    watching_ = true;
    ++counters_.epoll_watches_armed;
    submit();
    if (must_retry()) {
        aio_.cancel(*key);  // the kernel is out of slots, and this was the last in the batch
    }
    if (ready()) {
        collect();
    }
    return watching_;
}

void disk_queue::finish_watch(std::int64_t result) noexcept {
    watching_ = false;
    // Refused by a kernel before 4.19, or by one that has it switched off.
    watch_works_ = watch_works_ && (result >= 0 || result == -ECANCELED || result == -EINTR || result == -EAGAIN);
    watch_fired_ = true;
}

void disk_queue::signal_to(int event_fd) noexcept {
    event_fd_ = event_fd;
    aio_.set_event_fd(event_fd);
}

}  // namespace shale::detail
