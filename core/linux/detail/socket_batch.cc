// Many small system calls as one io_submit; whatever that does not take is done one by one.
#include "socket_batch.hh"

#include <fcntl.h>
#include <signal.h>
#include <sys/uio.h>

#include <cerrno>
#include <exception>

#include "../../shard/platform.hh"
#include "socket_calls.hh"

namespace shale::detail {

namespace {

constexpr std::uint32_t parts_max = 1024;
constexpr long not_taken = -ECANCELED;  // no socket call fails so

bool survives_sigpipe() noexcept {
    sigset_t blocked;
    struct sigaction action {};
    return (::pthread_sigmask(SIG_BLOCK, nullptr, &blocked) == 0 && sigismember(&blocked, SIGPIPE) == 1) ||
           (::sigaction(SIGPIPE, nullptr, &action) == 0 && action.sa_handler == SIG_IGN);
}

aio_operation operation_of(const socket_batch::transfer& t, std::uint64_t tag) noexcept {
    const io_request& r = *t.request;
    aio_operation op{.fd = t.fd, .data = r.data, .size = r.size, .tag = tag};
    switch (r.op) {
        case io_op::send:
            op.opcode = aio_opcode::write;
            break;
        case io_op::sendmsg:
            op.opcode = aio_opcode::writev;
            break;
        default:
            op.opcode = aio_opcode::read;
            break;
    }
    return op;
}

}  // namespace

bool socket_batch::takes(const io_request& r) noexcept {
    return r.op == io_op::recv || r.op == io_op::send || (r.op == io_op::sendmsg && r.size <= parts_max);
}

bool socket_batch::suits(int fd) noexcept {
    const int flags = ::fcntl(fd, F_GETFL);
    return flags >= 0 && (flags & O_NONBLOCK) != 0 && is_tcp(fd);
}

void socket_batch::run(std::span<transfer> transfers) noexcept {
    const bool together = transfers.size() >= options_.least && have_context() && run_together(transfers);
    for (transfer& t : transfers) {
        if (!together || t.result == not_taken) {
            ++counters_.socket_calls;
            t.result = attempt(*t.request, t.fd);
        }
        counters_.socket_again += t.result == -EAGAIN ? 1 : 0;
    }
}

bool socket_batch::have_context() noexcept {
    if (context_ || !possible_ || batches_++ < options_.batches_before_context) {
        return context_.has_value();
    }
    possible_ = survives_sigpipe();
    try {
        if (possible_) {
            context_.emplace(aio_context_options{.capacity = most, .capacity_min = most, .kernel = options_.kernel});
        }
    } catch (const std::exception&) {
        possible_ = false;  // the disk's context says why, if there is one
    }
    if (context_ && !context_->reads_ring()) {
        context_.reset();
        possible_ = false;
    }
    return context_.has_value();
}

bool socket_batch::run_together(std::span<transfer> transfers) noexcept {
    if (transfers.size() > context_->free_slots()) {
        return false;
    }
    for (std::size_t i = 0; i < transfers.size(); ++i) {
        context_->add(operation_of(transfers[i], i));
    }
    ++counters_.socket_batches;
    if (!context_->submit()) {
        context_->withdraw_unsubmitted(not_taken);
    }
    std::array<aio_completion, most> done;
    std::size_t left = transfers.size();
    while (left > 0) {
        const unsigned count = context_->reap(done);
        for (unsigned i = 0; i < count; ++i) {
            transfers[done[i].tag].result = static_cast<long>(done[i].result);
        }
        left -= count;
        if (count == 0) {
            // Never so far: the kernel has finished a socket's transfer when io_submit returns.
            context_->wait(~std::uint64_t{0});
        }
    }
    counters_.socket_transfers_batched += transfers.size();
    return true;
}

}  // namespace shale::detail
