// The heavy half of the asymmetric barrier between shards (see core/shard/detail/mailbox.hh).
//
// The kernel makes every running thread of this process pass a full memory barrier, so that the hot side of a protocol
// needs none. It takes a microsecond and more, and interrupts the other shards: only for a shard about to sleep.
#pragma once

namespace shale {

using heavy_barrier_function = void (*)() noexcept;

/// Registers this process for membarrier(2) and returns the function that makes the barrier, or null where the kernel
/// or a seccomp filter refuses. May be called any number of times, from any thread.
heavy_barrier_function register_heavy_barrier() noexcept;

}  // namespace shale
