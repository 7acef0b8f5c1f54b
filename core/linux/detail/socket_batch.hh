// Transfers on several sockets in one system call.
//
// A system call costs 0.1 to 1 us before it does anything, and a busy server makes two for each request. The kernel
// runs a read or write of a non-blocking socket inside io_submit and leaves the result in the completion ring, so many
// go for the price of one. The context is private to this: it is empty whenever run() is not running. As its end costs
// the process 30 ms, it is made when many batches have come. There is no MSG_NOSIGNAL on this way, so there are no
// batches on a thread that SIGPIPE could reach: a shard's blocks it.
#pragma once

#include <array>
#include <optional>
#include <span>

#include "../aio_context.hh"
#include "../linux_counters.hh"

namespace shale {
struct io_request;
}

namespace shale::detail {

/// When batches pay.
struct socket_batch_options {
    unsigned least = 4;                     ///< fewer transfers are as quick one by one
    unsigned batches_before_context = 256;  ///< of `least` transfers
    unsigned transfers_before_batches = 8;  ///< of a socket: one used for a single request is not worth asking about
    aio_kernel* kernel = nullptr;           ///< null: the real one
};

/// For tests: from a socket's second transfer on, and of one alone.
inline constexpr socket_batch_options batch_everything{
    .least = 1, .batches_before_context = 0, .transfers_before_batches = 1};

class socket_batch {
public:
    static constexpr unsigned most = 64;

    struct transfer {
        const io_request* request;
        int fd;
        long result;  ///< as of the system call, -EAGAIN included
    };

    /// `counters` must outlive this; the kernel too.
    socket_batch(linux_counters& counters, const socket_batch_options& options) noexcept
        : counters_(counters), options_(options) {}

    const socket_batch_options& options() const noexcept { return options_; }

    /// Whether a request may be part of a batch: a recv, send or sendmsg of usual size.
    static bool takes(const io_request& r) noexcept;

    /// Whether reads and writes of this socket end at once, and alike in both ways: TCP that does not block.
    static bool suits(int fd) noexcept;

    /// Does them all, in any order, and never waits. Up to `most`, each on a socket that suits, one a direction.
    void run(std::span<transfer> transfers) noexcept;

private:
    bool have_context() noexcept;
    bool run_together(std::span<transfer> transfers) noexcept;

    linux_counters& counters_;
    const socket_batch_options options_;
    std::optional<aio_context> context_;
    unsigned batches_ = 0;  ///< until there are enough for a context
    bool possible_ = true;
};

}  // namespace shale::detail
