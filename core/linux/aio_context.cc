// Slots, batch and ring of an AIO context. A slot is free, in the batch, in the kernel or done, and moves through these
// in that order alone; see aio_context.hh for what that promises.
#include "aio_context.hh"

#include <fmt/core.h>
#include <libaio.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "../base/assert.hh"
#include "../base/error.hh"
#include "../base/fault_point.hh"
#include "detail/aio_ring.hh"
#include "detail/monotonic.hh"

namespace shale {

namespace {

// Not in libaio's header: aio_flags bits of the kernel's ABI.
constexpr unsigned iocb_flag_resfd = 1;
constexpr unsigned iocb_flag_ioprio = 2;

// Events taken by one system call, where one is made.
constexpr unsigned events_max = 64;

short kernel_opcode(aio_opcode opcode) noexcept {
    switch (opcode) {
        case aio_opcode::read:
            return IO_CMD_PREAD;
        case aio_opcode::write:
            return IO_CMD_PWRITE;
        case aio_opcode::readv:
            return IO_CMD_PREADV;
        case aio_opcode::writev:
            return IO_CMD_PWRITEV;
        case aio_opcode::fsync:
            return IO_CMD_FSYNC;
        case aio_opcode::fdsync:
            return IO_CMD_FDSYNC;
        case aio_opcode::poll:
            return IO_CMD_POLL;
    }
    SHALE_UNREACHABLE("AIO opcode {}", static_cast<int>(opcode));
}

// Fills an iocb. The kernel refuses flushes and polls with any other field set, and silently ignores RWF flags that
// stand in aio_flags instead of aio_rw_flags.
void prepare(iocb& cb, const aio_operation& op, int event_fd) noexcept {
    std::memset(&cb, 0, sizeof cb);
    cb.aio_lio_opcode = kernel_opcode(op.opcode);
    cb.aio_fildes = op.fd;
    if (op.opcode == aio_opcode::poll) {
        cb.u.poll.events = static_cast<int>(op.size);
    } else if (op.opcode != aio_opcode::fsync && op.opcode != aio_opcode::fdsync) {
        cb.u.c.buf = op.data;
        cb.u.c.nbytes = op.size;
        cb.u.c.offset = static_cast<long long>(op.offset);
        cb.aio_rw_flags = op.rw_flags;
        if (op.priority != 0) {
            cb.aio_reqprio = static_cast<short>(op.priority);
            cb.u.c.flags |= iocb_flag_ioprio;
        }
    }
    if (event_fd >= 0) {
        cb.u.c.flags |= iocb_flag_resfd;
        cb.u.c.resfd = static_cast<unsigned>(event_fd);
    }
}

std::string limits_text(const aio_limits& limits) {
    return fmt::format("fs.aio-nr is {} of fs.aio-max-nr {}", limits.used, limits.maximum);
}

std::string limits_advice(const aio_limits& limits) {
    return fmt::format("To raise: sysctl -w fs.aio-max-nr={}", std::max<std::uint64_t>(1048576, limits.maximum * 2));
}

}  // namespace

aio_context::aio_context(const options& o) : kernel_(o.kernel) {
    SHALE_ASSERT(o.capacity > 0 && o.capacity_min > 0, "an AIO context of {}, at least {}", o.capacity, o.capacity_min);
    if (kernel_ == nullptr) {
        own_kernel_ = std::make_unique<real_aio_kernel>();
        kernel_ = own_kernel_.get();
    }
    set_up(o);
    if (o.user_ring) {
        ring_ = std::make_unique<detail::aio_ring>(context_);
        if (!ring_->usable()) {
            ring_.reset();
        }
    }
    iocbs_ = std::make_unique_for_overwrite<iocb[]>(capacity_);
    batch_.resize(capacity_);
    slots_.resize(capacity_);
    for (std::uint32_t i = capacity_; i-- > 0;) {
        release(i);
    }
}

void aio_context::set_up(const options& o) {
    int error = 0;
    for (capacity_ = o.capacity;; capacity_ = std::max(capacity_ / 2, o.capacity_min)) {
        error = kernel_->setup(capacity_, &context_);
        if (error != -EAGAIN || capacity_ <= o.capacity_min) {
            break;
        }
    }
    if (error == -EAGAIN) {
        const aio_limits limits = kernel_->limits();
        throw make_system_error(EAGAIN, "AIO context of {} (at least {}): {}", o.capacity, capacity_,
                                limits_text(limits))
            .advise(limits_advice(limits));
    }
    if (error < 0) {
        throw make_system_error(-error, "AIO context of {} (io_setup)", capacity_);
    }
    if (capacity_ < o.capacity) {
        const aio_limits limits = kernel_->limits();
        notice_ = fmt::format("AIO context of {} refused (EAGAIN): {}; using {}. {}", o.capacity, limits_text(limits),
                              capacity_, limits_advice(limits));
    }
}

aio_context::~aio_context() {
    kernel_->destroy(context_);
}

std::optional<aio_key> aio_context::add(const aio_operation& operation) noexcept {
    const std::uint32_t index = free_head_;
    if (index == none) {
        return std::nullopt;
    }
    slot& s = slots_[index];
    free_head_ = s.next;
    --free_count_;
    s.tag = operation.tag;
    s.state = slot_state::batched;

    iocb& cb = iocbs_[index];
    prepare(cb, operation, event_fd_);
    cb.data = reinterpret_cast<void*>(static_cast<std::uintptr_t>(index));
    if (batch_end_ == batch_.size()) {
        // Only after partial submits. A slot is in the batch at most once, so there is room at the front.
        std::copy(batch_.begin() + static_cast<std::ptrdiff_t>(batch_begin_), batch_.end(), batch_.begin());
        batch_end_ -= batch_begin_;
        batch_begin_ = 0;
    }
    batch_[batch_end_++] = &cb;
    return aio_key{index, s.generation};
}

bool aio_context::submit() noexcept {
    // Each round takes at least one operation out of the batch or ends, so this is bounded by the batch.
    while (batch_begin_ != batch_end_) {
        ++counters_.submits;
        const std::size_t offered = FAULT("aio.offer_one") ? 1 : unsubmitted();
        const int taken = kernel_->submit(context_, static_cast<long>(offered), &batch_[batch_begin_]);
        if (taken > 0) {
            SHALE_ASSERT(static_cast<unsigned>(taken) <= unsubmitted(), "io_submit took {} of {}", taken,
                         unsubmitted());
            for (int i = 0; i < taken; ++i) {
                slots_[static_cast<std::size_t>(batch_[batch_begin_ + i] - iocbs_.get())].state = slot_state::in_kernel;
            }
            batch_begin_ += static_cast<std::size_t>(taken);
            in_flight_ += static_cast<unsigned>(taken);
            counters_.submitted += static_cast<std::uint64_t>(taken);
            counters_.batch_largest = std::max(counters_.batch_largest, static_cast<std::uint64_t>(taken));
        } else if (taken == 0 || taken == -EAGAIN || taken == -EINTR) {
            ++counters_.refused;
            PROBE("aio.submit_refused");
            return false;
        } else {
            // The first one is bad by itself (EBADF, EINVAL, EOPNOTSUPP …); those behind it may be good.
            ++counters_.failed;
            iocb* bad = batch_[batch_begin_++];
            finish(static_cast<std::uint32_t>(bad - iocbs_.get()), taken);
        }
    }
    batch_begin_ = batch_end_ = 0;
    return true;
}

bool aio_context::ready() const noexcept {
    return done_head_ != none || (ring_ != nullptr && !ring_->empty());
}

unsigned aio_context::reap(std::span<aio_completion> into) noexcept {
    unsigned count = 0;
    const auto take_done = [&] {
        while (done_head_ != none && count < into.size()) {
            const std::uint32_t index = done_head_;
            done_head_ = slots_[index].next;
            into[count++] = {slots_[index].tag, slots_[index].result};
            release(index);
        }
    };
    take_done();
    if (count == into.size()) {
        return count;
    }
    if (ring_ != nullptr) {
        if (!ring_->empty()) {
            counters_.reaped += ring_->take(static_cast<unsigned>(into.size()) - count,
                                            [this](const io_event& event) { finish_event(event); });
        }
    } else if (in_flight_ != 0) {
        reap_by_call(0, 0, nullptr);
    }
    take_done();
    return count;
}

void aio_context::wait(std::uint64_t timeout_ns, const sigset_t* blocked) noexcept {
    if (ready()) {
        return;
    }
    reap_by_call(1, timeout_ns, blocked);
}

unsigned aio_context::reap_by_call(unsigned min, std::uint64_t timeout_ns, const sigset_t* blocked) noexcept {
    io_event events[events_max];
    const timespec timeout = detail::to_timespec(timeout_ns);
    const bool for_ever = timeout_ns == ~std::uint64_t{0};
    ++counters_.get_events;
    const int n = kernel_->get_events(context_, min, events_max, events, for_ever ? nullptr : &timeout, blocked);
    for (int i = 0; i < n; ++i) {
        finish_event(events[i]);
    }
    counters_.reaped += n > 0 ? static_cast<std::uint64_t>(n) : 0;
    return n > 0 ? static_cast<unsigned>(n) : 0;
}

aio_cancel_result aio_context::cancel(aio_key key) noexcept {
    if (key.slot >= capacity_ || slots_[key.slot].generation != key.generation) {
        return aio_cancel_result::already_done;
    }
    iocb* cb = &iocbs_[key.slot];
    switch (slots_[key.slot].state) {
        case slot_state::batched: {
            const auto end = batch_.begin() + static_cast<std::ptrdiff_t>(batch_end_);
            std::remove(batch_.begin() + static_cast<std::ptrdiff_t>(batch_begin_), end, cb);
            --batch_end_;
            finish(key.slot, -ECANCELED);
            return aio_cancel_result::canceled;
        }
        case slot_state::in_kernel:
            return kernel_->cancel(context_, cb) == -EINPROGRESS ? aio_cancel_result::canceled
                                                                 : aio_cancel_result::not_canceled;
        default:
            return aio_cancel_result::already_done;
    }
}

void aio_context::withdraw_unsubmitted(std::int64_t result) noexcept {
    while (batch_begin_ != batch_end_) {
        finish(static_cast<std::uint32_t>(batch_[batch_begin_++] - iocbs_.get()), result);
    }
    batch_begin_ = batch_end_ = 0;
}

bool aio_context::drain(std::uint64_t budget_ns) noexcept {
    constexpr std::uint64_t retry_ns = 1'000'000;
    const std::uint64_t begin = detail::monotonic_ns();
    for (;;) {
        const bool all_taken = submit();
        if (ring_ != nullptr) {
            ring_->take(capacity_, [this](const io_event& event) { finish_event(event); });
        }
        if (all_taken && in_flight_ == 0) {
            return true;
        }
        const std::uint64_t spent = detail::monotonic_ns() - begin;
        if (spent >= budget_ns) {
            return false;
        }
        const std::uint64_t left = budget_ns - spent;
        reap_by_call(1, all_taken ? left : std::min(left, retry_ns), nullptr);
    }
}

void aio_context::finish_event(const io_event& event) noexcept {
    const auto index = static_cast<std::uint32_t>(reinterpret_cast<std::uintptr_t>(event.data));
    SHALE_ASSERT(index < capacity_ && slots_[index].state == slot_state::in_kernel,
                 "the kernel completed AIO slot {} of {}, which it does not have", index, capacity_);
    --in_flight_;
    finish(index, static_cast<std::int64_t>(event.res));
}

void aio_context::finish(std::uint32_t index, std::int64_t result) noexcept {
    slot& s = slots_[index];
    s.state = slot_state::done;
    s.result = result;
    s.next = none;
    if (done_head_ == none) {
        done_head_ = index;
    } else {
        slots_[done_last_].next = index;
    }
    done_last_ = index;
}

void aio_context::release(std::uint32_t index) noexcept {
    slot& s = slots_[index];
    s.state = slot_state::free;
    ++s.generation;
    s.next = free_head_;
    free_head_ = index;
    ++free_count_;
}

}  // namespace shale
