// Threads for the calls that have no asynchronous form: open, stat, rename, fsync of buffered files, name lookup.
//
// Each shard has its own few, started at the first need and not before, so that an idle runtime runs none. The calls
// are of three kinds, and each kind may hold only so many threads: a slow fsync never holds up an open, and a name
// server that does not answer holds up neither. Finished requests go to a lock-free stack that the shard empties with
// one exchange, and looks at with one load.
//
// Access rules: 1. what stands under `mutex_` is touched by the shard and the helpers; 2. `finished_` is pushed by
// helpers and emptied by the shard; 3. a request belongs to the helper that took it off its queue until it is pushed.
#pragma once

#include <pthread.h>

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <mutex>
#include <vector>

#include "../linux_counters.hh"
#include "request_list.hh"

namespace shale::detail {

struct helper_pool_options {
    unsigned threads_max = 4;
    std::vector<unsigned> cpus = {};  ///< where they may run; empty: wherever the shard that starts them may
};

class helper_pool {
public:
    using options = helper_pool_options;

    /// `finished` is called on a helper thread after a request became ready to collect, to wake a sleeping shard.
    helper_pool(options o, void (*finished)(void*) noexcept, void* argument, linux_counters& counters);
    helper_pool(const helper_pool&) = delete;
    helper_pool& operator=(const helper_pool&) = delete;

    /// Waits for the calls under way; what is queued is forgotten, not completed.
    ~helper_pool();

    /// Queues `r`. When no thread can be started the call is made here and now.
    void submit(io_request& r) noexcept;

    /// Takes `r` back if no helper has begun it.
    bool withdraw(io_request& r) noexcept;

    /// One load. Relaxed: a hint, collect() decides.
    bool has_finished() const noexcept { return finished_.load(std::memory_order_relaxed) != nullptr; }

    /// As has_finished(), in the one order all threads agree on: for the last look before sleeping.
    bool has_finished_for_sure() const noexcept {
        // pairs with push(): either it sees this shard asleep, or this sees its request
        return finished_.load(std::memory_order_seq_cst) != nullptr;
    }

    /// Moves the finished requests, oldest first, to `into`.
    void collect(request_list& into) noexcept;

    /// Requests submitted and not collected.
    unsigned in_flight() const noexcept { return in_flight_; }
    /// Threads started so far.
    unsigned threads() const noexcept { return static_cast<unsigned>(threads_.size()); }

private:
    enum kind : std::uint8_t { quick, slow, names, kinds };
    static kind kind_of(const io_request& r) noexcept;
    static void* thread_main(void* pool) noexcept;

    void work() noexcept;
    io_request* take(kind* of) noexcept;
    bool start_thread() noexcept;
    void push(io_request& r) noexcept;

    const options options_;
    void (*const on_finished_)(void*) noexcept;
    void* const argument_;
    linux_counters& counters_;
    unsigned in_flight_ = 0;          ///< the shard's
    std::vector<pthread_t> threads_;  ///< the shard's

    std::mutex mutex_;
    std::condition_variable work_;
    request_list queues_[kinds];
    unsigned running_[kinds] = {};
    unsigned limits_[kinds];
    unsigned idle_ = 0;
    unsigned queued_ = 0;
    bool stop_ = false;

    alignas(64) std::atomic<io_request*> finished_{nullptr};
};

}  // namespace shale::detail
