// What a simulated disk is like: how fast, how large, which faults it has, and what a power loss leaves on it.
//
// As it is made by default it is kind: no fault ever, and the letter of POSIX at a power loss - what was flushed stays,
// what was not may do anything, and a name is durable once its directory was synced. Every probability is one of a
// single request; 0 draws nothing. `swarm` is for campaigns: a harsh disk, with other faults in every seed.
#pragma once

#include <cstdint>
#include <string_view>

#include "../base/random.hh"

namespace shale::sim {

/// How long requests take, in virtual nanoseconds. Each has one of `parallel` places to itself while it is served;
/// more wait in order, so completions come in any order.
struct disk_latency {
    std::uint64_t base_ns = 80'000;
    std::uint64_t tail_ns = 20'000;    ///< on average, exponential, on top of the base
    std::uint64_t flush_ns = 400'000;  ///< instead of the base, for fsync, sync_dir and writes with DSYNC
    std::uint64_t names_ns = 20'000;   ///< instead of the base, for open, rename, stat and the like
    std::uint64_t bytes_per_second = 2'000'000'000;
    unsigned parallel = 32;
};

/// The chances of each fault, for a request that it can strike. The names in fault_counts are disk.<member>.
struct disk_faults {
    double read_error = 0;   ///< -EIO, once
    double write_error = 0;  ///< -EIO, once; half of the time the data are there all the same, not flushed
    double sync_error = 0;   ///< -EIO of an fsync: what it should have flushed is lost at the next power loss,
                             ///< whatever later ones say
    double name_error = 0;   ///< -EIO of open, rename, unlink, mkdir, sync_dir, truncate ...: nothing was done
    double lying_flush = 0;  ///< a flush that leaves out the last 1 to lying_flush_depth changes of the disk
    unsigned lying_flush_depth = 64;
    double short_read = 0;  ///< a part, in whole units
    double short_write = 0;
    double interrupted = 0;        ///< -EINTR of a read or write: nothing was done
    double nowait_again = 0;       ///< -EAGAIN of a read or write with RWF_NOWAIT
    double stuck = 0;              ///< not finished before calm() or a power cycle
    double slow_spell = 0;         ///< everything takes 10 to 1000 times as long, for 10 ms to 1 s
    double stall = 0;              ///< the whole disk does nothing for 50 to 500 ms
    double blocking_submit = 0;    ///< the submission itself takes up to 10 ms of the shard's time
    double no_space_spell = 0;     ///< -ENOSPC of all that needs room, for 10 ms to 1 s
    double latent_sector = 0;      ///< a unit cannot be read (-EIO) from now on, until it is written again
    double bit_rot = 0;            ///< a bit of what is read is another from now on
    double misdirected_write = 0;  ///< a write lands elsewhere in its file; what it should have changed stays
    double misdirected_read = 0;   ///< a read gives another unit of the file, once
    double stale_read = 0;         ///< a read gives what a unit held before, once
};

/// What becomes at a power loss of each write that was not flushed or still in flight. Shares; they need not add to 1.
struct crash_rules {
    double keep = 0.25;
    double drop = 0.35;
    double tear = 0.30;      ///< each unit of 512 bytes or of 4 KiB is new or old, with even chances
    double garble = 0.10;    ///< units are new, old, a mixture of the two, or noise
    double keep_all = 0.10;  ///< the chance that a power loss keeps everything that was completed or in flight
    double drop_all = 0.10;  ///< and that nothing is kept but what was flushed
};

struct disk_profile {
    std::string_view name = "posix";
    std::uint64_t capacity_bytes = std::uint64_t{1} << 40;
    std::uint64_t file_bytes_max = (std::uint64_t{1} << 44) - 4096;  ///< beyond: EFBIG
    std::uint32_t offset_alignment = 512;  ///< of offsets and sizes of direct I/O; 0: there is none, as on tmpfs
    std::uint32_t memory_alignment = 512;
    /// As on ext4: the fsync of a new file makes its name durable, and those of new directories above it.
    bool fsync_keeps_new_name = false;
    std::int64_t wall_offset_ns = 1'700'000'000'000'000'000;  ///< for the times of files: 1970 to the virtual clock's 0

    disk_latency latency{};
    disk_faults faults{};
    crash_rules crash{};

    /// The letter of POSIX, nothing more. The default.
    static disk_profile posix();
    static disk_profile ext4_like();
    /// A flush is answered and does not reach the last changes.
    static disk_profile consumer_ssd();
    /// Faults of a drawn set of classes, with drawn chances. Those of the media (latent_sector to stale_read) and
    /// lying flushes stay out: they may cost data that was flushed, so only who expects that asks for them.
    static disk_profile swarm(random_engine& random);
};

}  // namespace shale::sim
