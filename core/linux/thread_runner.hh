// The thread of a shard: named, pinned, and looping over step() with the idle policy.
//
// A runtime starts one thread_runner a shard, or runs shard 0 on the thread it was called on; either way the body makes
// the platform and the shard on that thread (so that memory is touched where it is used) and then calls run_shard().
// Nothing here knows what a turn does.
#pragma once

#include <pthread.h>

#include <atomic>
#include <functional>
#include <string>
#include <vector>

#include "idle_policy.hh"

namespace shale {

class shard;

struct shard_thread_options {
    unsigned id = 0;                  ///< the thread is named shard-<id>
    std::vector<unsigned> cpus = {};  ///< its affinity; empty: as it is
    bool own_signal_mask = true;      ///< block all signals but those of faults and preemption
    std::size_t stack_bytes = 0;      ///< 0: the default
};

/// Turns the calling thread into shard `o.id`'s. Returns a line for a person when something was refused (pinning to a
/// CPU outside the cpuset); the shard runs all the same.
std::string become_shard_thread(const shard_thread_options& o);

/// Turns of `s` on this thread, which is its shard's meanwhile, until `stop`: whoever sets it then calls s.wake().
void run_shard(shard& s, idle_policy policy, const std::atomic<bool>& stop) noexcept;

/// A thread that becomes a shard's and calls a function. Not copied, not moved: the thread refers to it.
class thread_runner {
public:
    /// Starts the thread. `body` gets the line of become_shard_thread(). Throws std::system_error.
    thread_runner(shard_thread_options o, std::move_only_function<void(std::string)> body);
    thread_runner(const thread_runner&) = delete;
    thread_runner& operator=(const thread_runner&) = delete;
    /// Joins.
    ~thread_runner();

    /// Waits until the body has returned. Once is enough, more do no harm.
    void join() noexcept;

private:
    static void* thread_main(void* self) noexcept;

    shard_thread_options options_;
    std::move_only_function<void(std::string)> body_;
    pthread_t thread_{};
    bool joinable_ = false;
};

}  // namespace shale
