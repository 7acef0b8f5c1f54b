// A kernel AIO context of one thread: asynchronous reads, writes and flushes of files opened with O_DIRECT.
//
// It stands alone: no shard, no event loop, no callbacks. The caller adds operations to a batch, submits the batch with
// one system call, and reaps completions, which costs no system call while the kernel's completion ring can be read
// from user space. Every added operation gives exactly one completion, whatever becomes of it; an operation that the
// kernel refuses gives its errno and takes no other down with it. A kernel that is out of slots (EAGAIN) only delays:
// what it did not take stays in the batch for the next submit(), and nothing here ever spins or asserts on it.
// The memory of an operation belongs to the kernel until its completion was reaped. What needs a queue beyond the
// capacity, futures or other threads is built on top.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "aio_kernel.hh"

namespace shale {

namespace detail {
class aio_ring;
}

enum class aio_opcode : std::uint8_t {
    read,    ///< data, size, offset
    write,   ///< data, size, offset
    readv,   ///< data = const iovec*, size = count (at most 1024), offset
    writev,  ///< data = const iovec*, size = count (at most 1024), offset
    fsync,   ///< fd alone. Does not wait for writes still in flight.
    fdsync,  ///< fd alone. Does not wait for writes still in flight.
    poll,    ///< size = POLLIN and the like; one shot, the result is the events that are ready
};

struct aio_operation {
    aio_opcode opcode = aio_opcode::read;
    int fd = -1;
    void* data = nullptr;
    std::uint64_t size = 0;
    std::uint64_t offset = 0;
    std::uint32_t rw_flags = 0;  ///< RWF_DSYNC, RWF_NOWAIT and the like; reads and writes only
    std::uint16_t priority = 0;  ///< an ioprio_set(2) value, 0 for the thread's own
    std::uint64_t tag = 0;       ///< given back with the completion
};

struct aio_completion {
    std::uint64_t tag;
    std::int64_t result;  ///< bytes (possibly fewer than asked; 0 at the end), ready events, or -errno
};

/// Names one added operation, and never a later one in its place.
struct aio_key {
    std::uint32_t slot;
    std::uint32_t generation;
};

enum class aio_cancel_result : std::uint8_t {
    canceled,      ///< it will complete with -ECANCELED (a poll of the kernel: with 0)
    not_canceled,  ///< the kernel has it and will finish it
    already_done,  ///< it has completed, or the key is stale
};

struct aio_counters {
    std::uint64_t submits = 0;        ///< io_submit calls
    std::uint64_t submitted = 0;      ///< operations the kernel took
    std::uint64_t refused = 0;        ///< io_submit calls that ended with EAGAIN
    std::uint64_t failed = 0;         ///< operations refused one by one
    std::uint64_t reaped = 0;         ///< completions out of the ring
    std::uint64_t get_events = 0;     ///< io_getevents and io_pgetevents calls
    std::uint64_t batch_largest = 0;  ///< most operations one io_submit took
};

struct aio_context_options {
    unsigned capacity = 1024;      ///< operations at a time
    unsigned capacity_min = 16;    ///< shrinking stops here
    bool user_ring = true;         ///< reap from user space when the kernel's layout is the known one
    aio_kernel* kernel = nullptr;  ///< null: the real one. Must outlive the context.
};

class aio_context {
public:
    using options = aio_context_options;

    /// Makes a kernel context. Where fs.aio-max-nr leaves too little, takes half, a quarter … and says so in notice().
    /// Throws std::system_error when even `capacity_min` is refused, or the kernel has no AIO (ENOSYS, EPERM).
    explicit aio_context(const options& o = {});
    aio_context(const aio_context&) = delete;
    aio_context& operator=(const aio_context&) = delete;

    /// Blocks until the kernel has finished what it has; see drain(). Completions not reaped are lost.
    ~aio_context();

    unsigned capacity() const noexcept { return capacity_; }
    unsigned free_slots() const noexcept { return free_count_; }
    /// Operations in the kernel.
    unsigned in_flight() const noexcept { return in_flight_; }
    /// Operations added and not yet taken by the kernel.
    unsigned unsubmitted() const noexcept { return static_cast<unsigned>(batch_end_ - batch_begin_); }
    bool reads_ring() const noexcept { return ring_ != nullptr; }
    const aio_counters& counters() const noexcept { return counters_; }
    /// One line for a person when the context is smaller than asked; else empty.
    const std::string& notice() const noexcept { return notice_; }

    /// From now on every operation added signals this eventfd when it completes; -1 for none.
    void set_event_fd(int fd) noexcept { event_fd_ = fd; }

    /// Puts an operation into the batch. Nothing when all slots are taken.
    std::optional<aio_key> add(const aio_operation& operation) noexcept;

    /// Gives the batch to the kernel. False when some of it must wait because the kernel is out of slots: reap, and
    /// call again in a while.
    bool submit() noexcept;

    /// True when it is known that reap() would give something. Loads only.
    bool ready() const noexcept;

    /// As ready(); and true while anything is in flight, where only a system call can tell.
    bool may_be_ready() const noexcept { return ready() || (ring_ == nullptr && in_flight_ != 0); }

    /// Takes up to `into.size()` completions; returns how many. Never blocks.
    unsigned reap(std::span<aio_completion> into) noexcept;

    /// Blocks until a completion is ready, a signal arrives or the time is up. `blocked`: signals blocked meanwhile.
    void wait(std::uint64_t timeout_ns, const sigset_t* blocked = nullptr) noexcept;

    /// Withdraws an operation. Those in the batch always can be; of those in the kernel only polls.
    aio_cancel_result cancel(aio_key key) noexcept;

    /// Takes everything the kernel has not taken out of the batch: each completes with `result`.
    void withdraw_unsubmitted(std::int64_t result) noexcept;

    /// Submits and waits until nothing is in flight or the budget is spent; true when nothing is. The completions are
    /// there for reap().
    bool drain(std::uint64_t budget_ns) noexcept;

private:
    enum class slot_state : std::uint8_t { free, batched, in_kernel, done };
    struct slot {
        std::uint64_t tag = 0;
        std::int64_t result = 0;
        std::uint32_t generation = 1;
        std::uint32_t next = 0;  ///< in the free list or in the list of done slots
        slot_state state = slot_state::free;
    };
    static constexpr std::uint32_t none = ~std::uint32_t{0};

    void set_up(const options& o);
    void finish(std::uint32_t index, std::int64_t result) noexcept;
    void finish_event(const io_event& event) noexcept;
    void release(std::uint32_t index) noexcept;
    unsigned reap_by_call(unsigned min, std::uint64_t timeout_ns, const sigset_t* blocked) noexcept;

    aio_kernel* kernel_;
    io_context* context_ = nullptr;
    std::unique_ptr<detail::aio_ring> ring_;  ///< null when completions come by system call
    unsigned capacity_ = 0;
    unsigned in_flight_ = 0;
    unsigned free_count_ = 0;
    int event_fd_ = -1;
    std::uint32_t free_head_ = none;
    std::uint32_t done_head_ = none;  ///< completed, not reaped: refused ones, cancelled ones, those wait() found
    std::uint32_t done_last_ = none;
    std::vector<slot> slots_;
    std::unique_ptr<iocb[]> iocbs_;  ///< iocbs_[i] belongs to slots_[i]
    std::vector<iocb*> batch_;       ///< [batch_begin_, batch_end_) waits for submit()
    std::size_t batch_begin_ = 0;
    std::size_t batch_end_ = 0;
    aio_counters counters_;
    std::string notice_;
    std::unique_ptr<aio_kernel> own_kernel_;
};

}  // namespace shale
