// What one shard's Linux side has done, for the metrics to read on that shard.
//
// Plain numbers without atomics: they are written and read by the shard's own thread. System calls are counted where
// they are made, so that "none while idle" and "one io_submit a batch" can be shown from inside as well as by strace.
#pragma once

#include <cstdint>

#include "aio_context.hh"

namespace shale {

struct linux_counters {
    // System calls by kind.
    std::uint64_t epoll_polls = 0;     ///< epoll_wait with a zero timeout
    std::uint64_t epoll_sleeps = 0;    ///< epoll_pwait2 that may have blocked
    std::uint64_t epoll_changes = 0;   ///< epoll_ctl: one in the life of a connection
    std::uint64_t aio_sleeps = 0;      ///< io_pgetevents that may have blocked, because disk I/O was in flight
    std::uint64_t wake_writes = 0;     ///< written by wakers of other threads: the one number that is only nearly exact
    std::uint64_t socket_calls = 0;    ///< recv, send, accept and the like
    std::uint64_t socket_batches = 0;  ///< io_submit calls that did many of them at once, and
    std::uint64_t socket_transfers_batched = 0;  ///< how many
    std::uint64_t socket_again = 0;              ///< of both, those that gave EAGAIN

    // Where requests went.
    std::uint64_t requests = 0;
    std::uint64_t disk_requests = 0;        ///< to the kernel's AIO
    std::uint64_t disk_waits = 0;           ///< those that first waited for a slot
    std::uint64_t helper_requests = 0;      ///< to helper threads
    std::uint64_t helper_fallbacks = 0;     ///< those of them that AIO should have done, and could not
    std::uint64_t helper_inline = 0;        ///< made on the shard because no helper thread could be started
    std::uint64_t page_cache_reads = 0;     ///< buffered reads answered at once from the page cache
    std::uint64_t submits_over_1_ms = 0;    ///< io_submit calls that blocked the shard
    std::uint64_t epoll_watches_armed = 0;  ///< times the epoll descriptor was put under an AIO poll

    aio_counters aio;
};

}  // namespace shale
