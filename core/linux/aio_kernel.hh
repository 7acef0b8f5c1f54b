// The kernel calls under an AIO context, as a table that tests can replace.
//
// libaio is linked for the calls it has; a different kernel (one that refuses, submits less than asked, or has no
// completion ring) is a derived class in a test. All calls return a count or -errno, as libaio's do. One virtual call
// per batch is the price. The structures are libaio's and stay declared only, so that its macros reach nobody.
#pragma once

#include <csignal>
#include <cstdint>
#include <ctime>

struct io_context;
struct io_event;
struct iocb;

namespace shale {

/// How much AIO the machine grants, from /proc/sys/fs. Zeros when unreadable.
struct aio_limits {
    std::uint64_t used = 0;     ///< fs.aio-nr
    std::uint64_t maximum = 0;  ///< fs.aio-max-nr
};

class aio_kernel {
public:
    virtual ~aio_kernel() = default;

    /// io_setup(2). `*context` must be null before.
    virtual int setup(unsigned capacity, io_context** context) noexcept = 0;
    /// io_destroy(2): blocks until every operation has finished.
    virtual int destroy(io_context* context) noexcept = 0;
    /// io_submit(2): how many went, or -errno of the very first.
    virtual int submit(io_context* context, long count, iocb** operations) noexcept = 0;
    /// io_pgetevents(2), or io_getevents(2) when `blocked` is null. A null timeout waits for ever.
    virtual int get_events(io_context* context, long min, long max, io_event* events, const timespec* timeout,
                           const sigset_t* blocked) noexcept = 0;
    /// io_cancel(2): -EINPROGRESS is success, and the event still comes.
    virtual int cancel(io_context* context, iocb* operation) noexcept = 0;
    virtual aio_limits limits() noexcept = 0;
};

/// The kernel this process runs on.
class real_aio_kernel : public aio_kernel {
public:
    int setup(unsigned capacity, io_context** context) noexcept override;
    int destroy(io_context* context) noexcept override;
    int submit(io_context* context, long count, iocb** operations) noexcept override;
    int get_events(io_context* context, long min, long max, io_event* events, const timespec* timeout,
                   const sigset_t* blocked) noexcept override;
    int cancel(io_context* context, iocb* operation) noexcept override;
    aio_limits limits() noexcept override;
};

}  // namespace shale
