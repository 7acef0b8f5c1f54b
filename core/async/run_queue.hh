// The run queue: which tasks this shard will run, and the runtime's one thread-local pointer.
//
// Each scheduling group has a FIFO of its own; the shard picks the group with the least virtual runtime (time used
// divided by shares) and runs it until it is empty or preemption is due. Futures reach the scheduler through
// `this_run_queue()` alone, so they need to know nothing of shards; the shard derives from this class. Also here:
// what a running task must reach in one load (the cached time, the preempt flag, the frame pool).
//
// Access rules: 1. everything belongs to the shard's thread, except `preempt_`, which a timer's signal handler or
// another thread may set at any time. 2. `this_run_queue()` is null on threads that are not shards.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <source_location>
#include <string>
#include <vector>

#include "../base/assert.hh"
#include "frame_pool.hh"
#include "task.hh"

namespace shale {

/// The tasks of one scheduling group on one shard, and what they have used.
class group_queue {
public:
    group_queue(run_queue& owner, unsigned id, std::string name, std::uint32_t shares);

    bool empty() const noexcept { return head_ == nullptr; }
    std::size_t length() const noexcept { return length_; }
    unsigned id() const noexcept { return id_; }
    const std::string& name() const noexcept { return name_; }
    std::uint32_t shares() const noexcept { return shares_; }
    void set_shares(std::uint32_t shares) noexcept;
    std::uint64_t tasks_run() const noexcept { return tasks_run_; }
    std::uint64_t runtime_ns() const noexcept { return runtime_ns_; }

private:
    friend class run_queue;

    void push_back(task& t) noexcept {
        t.next_ = nullptr;
        if (head_ == nullptr) {
            head_ = &t;
        } else {
            last_->next_ = &t;
        }
        last_ = &t;
        ++length_;
    }
    void push_front(task& t) noexcept {
        t.next_ = head_;
        if (head_ == nullptr) {
            last_ = &t;
        }
        head_ = &t;
        ++length_;
    }
    task& pop_front() noexcept {
        task& t = *head_;
        head_ = t.next_;
        --length_;
        return t;
    }

    run_queue* owner_;
    task* head_ = nullptr;
    task* last_ = nullptr;
    std::size_t length_ = 0;
    std::uint64_t vruntime_ = 0;
    std::uint64_t tasks_run_ = 0;
    std::uint64_t runtime_ns_ = 0;
    std::uint32_t shares_;
    std::uint32_t ns_to_vruntime_ = 0;  ///< fixed point, 16 fraction bits: 1000 shares advance 1 a nanosecond
    unsigned id_;
    bool runnable_ = false;  ///< in run_queue::runnable_
    std::string name_;
};

namespace detail {

/// Names the callable that `then` is about to run, so that a coroutine lambda given to it can be caught in its first
/// execution instead of dangling in its second half (see coroutine.hh).
struct invoked_callable {
    const void* closure = nullptr;  ///< address of closure_tag<F>
    std::source_location site;
};

}  // namespace detail

class run_queue {
public:
    run_queue();
    run_queue(const run_queue&) = delete;
    run_queue& operator=(const run_queue&) = delete;

    /// Puts a ready task at the back of its group's queue.
    void schedule(task& t) noexcept {
        group_queue& group = *t.group_;
        SHALE_ASSERT(group.owner_ == this,
                     "a task of another shard was made ready here: a promise was fulfilled on the wrong shard");
        group.push_back(t);
        if (!group.runnable_) {
            make_runnable(group);
        }
    }

    /// Puts a ready task at the front of its group's queue, to keep a chain of continuations hot.
    void schedule_urgent(task& t) noexcept {
        group_queue& group = *t.group_;
        SHALE_ASSERT(group.owner_ == this,
                     "a task of another shard was made ready here: a promise was fulfilled on the wrong shard");
        group.push_front(t);
        if (!group.runnable_) {
            make_runnable(group);
        }
    }

    /// The runnable group that has had least for its shares, or null when no task is ready.
    group_queue* next_group() noexcept;

    /// Runs tasks of `group` until it is empty, `most` have run or preemption is due. At least one task runs.
    void run_group(group_queue& group, std::uint64_t most = ~std::uint64_t{0}) noexcept;

    /// Charges `elapsed_ns` of running to `group`.
    void charge(group_queue& group, std::uint64_t elapsed_ns) noexcept;

    bool has_tasks() const noexcept { return !runnable_.empty(); }
    std::size_t ready_tasks() const noexcept;

    /// The group that new tasks join.
    group_queue& current_group() noexcept { return *current_group_; }
    void set_current_group(group_queue& group) noexcept { current_group_ = &group; }

    /// Adds group number `id`, which must be free; numbers below it may be filled later. Groups live as long as the
    /// queue.
    group_queue& add_group(unsigned id, std::string name, std::uint32_t shares);
    group_queue& group(unsigned id) noexcept { return *groups_[id]; }
    bool has_group(unsigned id) const noexcept { return id < groups_.size() && groups_[id] != nullptr; }
    /// One more than the highest number.
    unsigned group_count() const noexcept { return static_cast<unsigned>(groups_.size()); }

    /// True when the running task should give way soon. One relaxed load.
    bool need_preempt() const noexcept { return preempt_.load(std::memory_order_relaxed) && grace_is_over(); }
    /// The flag for whoever watches the quota. Relaxed throughout: it is a hint and orders nothing.
    std::atomic<bool>& preempt_flag() noexcept { return preempt_; }

    frame_pool& frames() noexcept { return frames_; }

    /// Nanoseconds as the platform gave them at the start of this turn.
    std::uint64_t now_ns() const noexcept { return now_ns_; }

    /// Called with every failed future that nobody looked at, and every promise given up. Tests replace it.
    using dropped_failure_hook = void (*)(run_queue*, const char* message) noexcept;
    dropped_failure_hook on_dropped_failure = nullptr;
    std::uint64_t dropped_failures = 0;

    detail::invoked_callable invoked;  ///< see there

    /// The simulator's ways to vary when tasks give way: called before each task when not null; and how many more times
    /// need_preempt() says no though the flag is set.
    void (*before_task)(run_queue&) noexcept = nullptr;
    mutable std::uint32_t preempt_grace = 0;

protected:
    ~run_queue();
    void set_now_ns(std::uint64_t now) noexcept { now_ns_ = now; }

private:
    void make_runnable(group_queue& group) noexcept;
    bool grace_is_over() const noexcept { return preempt_grace == 0 || preempt_grace-- == 0; }

    std::atomic<bool> preempt_{false};
    group_queue* current_group_ = nullptr;
    std::uint64_t now_ns_ = 0;
    std::vector<group_queue*> runnable_;  ///< capacity is kept at groups_.size(), so pushing never allocates
    std::uint64_t last_vruntime_ = 0;     ///< of the group that ran last: where sleepers re-enter
    std::vector<std::unique_ptr<group_queue>> groups_;
    frame_pool frames_;
};

namespace detail {
/// The one thread-local of the runtime: the shard of this thread, or null.
extern constinit thread_local run_queue* current_run_queue;
}  // namespace detail

/// This thread's run queue, or null on a thread that is not a shard.
inline run_queue* this_run_queue() noexcept {
    return detail::current_run_queue;
}

/// True when a loop should let other work run. False on threads that are not shards.
inline bool need_preempt() noexcept {
    const run_queue* queue = this_run_queue();
    return queue != nullptr && queue->need_preempt();
}

/// Makes `queue` this thread's for the life of the object; puts back what was there.
class run_queue_scope {
public:
    explicit run_queue_scope(run_queue* queue) noexcept : previous_(detail::current_run_queue) {
        detail::current_run_queue = queue;
    }
    run_queue_scope(const run_queue_scope&) = delete;
    run_queue_scope& operator=(const run_queue_scope&) = delete;
    ~run_queue_scope() { detail::current_run_queue = previous_; }

private:
    run_queue* previous_;
};

namespace detail {

inline void* allocate_frame(std::size_t size) noexcept {
    run_queue* queue = this_run_queue();
    return queue != nullptr ? queue->frames().allocate(size) : frame_pool::allocate_unpooled(size);
}

inline void free_frame(void* block, std::size_t size) noexcept {
    run_queue* queue = this_run_queue();
    if (queue != nullptr) {
        queue->frames().free(block, size);
    } else {
        frame_pool::free_unpooled(block);
    }
}

}  // namespace detail

inline task::task(run_function run, std::source_location site) noexcept : run_(run), site_(site) {
    run_queue* queue = this_run_queue();
    SHALE_ASSERT(queue != nullptr, "futures wait only on a shard; this thread is none. Use alien::submit_to.");
    group_ = &queue->current_group();
}

inline void* task::operator new(std::size_t size) {
    void* block = detail::allocate_frame(size);
    if (block == nullptr) [[unlikely]] {
        throw std::bad_alloc();
    }
    return block;
}

inline void task::operator delete(void* block, std::size_t size) noexcept {
    detail::free_frame(block, size);
}

}  // namespace shale
