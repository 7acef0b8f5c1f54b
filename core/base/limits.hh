// The bounds and timeouts that say how work is cut up and how long is waited, never what comes of it.
//
// They stand in one place so that a simulation can draw extremes of them: the same run must come out right with one
// completion a turn and with 256 (core/sim/swarm.hh, "limit.*"). One set for the process, the defaults unless a
// simulation runs. What a program may choose is not here but in its options (shard_options, file_open_options,
// record_log_options, listen_options).
#pragma once

#include <cstdint>

#include "time.hh"

namespace shale {

struct limits {
    // A turn of a shard.
    unsigned reap_max = 256;     ///< requests completed in one reap, 256 at most
    unsigned timers_max = 1024;  ///< timers fired in one turn; the wheel goes on in the next

    // Files and the record log.
    std::uint64_t listing_bytes = std::uint64_t{32} << 10;  ///< of names, asked for at a time; 512 at least
    std::uint64_t log_read_bytes = std::uint64_t{1}
                                   << 20;  ///< read ahead when a log is walked; multiples of 4096, this
    std::uint64_t log_copy_bytes = std::uint64_t{1} << 20;  ///< and those below: a write when a segment is written anew
    std::uint64_t log_zero_bytes = std::uint64_t{1} << 20;  ///< one write of zeros
    std::uint64_t log_zeros_ahead = std::uint64_t{4} << 20;   ///< kept ahead of the batches
    std::uint64_t log_batch_bytes_max = ~std::uint64_t{0};    ///< whatever record_log_options says
    std::uint64_t log_pending_bytes_max = ~std::uint64_t{0};  ///< the same
    duration log_space_retry = std::chrono::seconds(1);       ///< how long a full disk is not asked again

    // The network.
    std::uint64_t transfer_bytes_max = std::uint64_t{1} << 30;  ///< of one request; the field for its size has 32 bits
    unsigned transfer_pieces_max = 1024;                        ///< what the kernel takes at a time (UIO_MAXIOV)
    duration accept_pause_at_limit = std::chrono::milliseconds(10);
    duration accept_pause_after_failure = std::chrono::milliseconds(100);
};

namespace detail {
/// Written by a simulation alone, in a process of one thread.
inline constinit limits limits_in_force{};
}  // namespace detail

inline const limits& current_limits() noexcept {
    return detail::limits_in_force;
}

}  // namespace shale
