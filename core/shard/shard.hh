// A shard: one core's reactor. It owns a run queue, timers, a mailbox and a platform, and shares nothing.
//
// Everything a shard does happens in step(), one turn, which never loops, sleeps or blocks: collect what finished
// outside, fire due timers, take messages in, run tasks until the quota is spent, send messages and requests out.
// Who calls step() decides what a shard is: a pinned thread with an idle policy (core/linux/thread_runner.hh), or the
// simulator, which picks the next shard by its seed. Data flows one way: request, task, seam, completion, continuation.
//
// Access rules: all of it belongs to the thread that calls step(), except what mailbox.hh says other shards may touch.
#pragma once

#include <memory>
#include <span>
#include <vector>

#include "../async/run_queue.hh"
#include "../base/time.hh"
#include "aligned_pool.hh"
#include "detail/message.hh"
#include "phase_clock.hh"
#include "platform.hh"
#include "timer_node.hh"

namespace shale {

struct shard_options {
    unsigned id = 0;
    unsigned count = 1;               ///< shards in this runtime
    unsigned mailbox_capacity = 256;  ///< messages in flight to one shard before senders hold theirs back

    /// See mailbox.hh. Null where there is no membarrier.
    void (*heavy_barrier)() noexcept = nullptr;

    /// How long tasks run in one turn, looked at between tasks. 0: until all have run.
    std::uint64_t task_quota_ns = 0;

    /// Called before tasks run with the time, and after them with 0: sees to it that preempt_flag() is set when one
    /// runs longer than the quota. May be null.
    void (*watch_tasks)(void* context, std::uint64_t since_ns) noexcept = nullptr;
    void* watch_tasks_context = nullptr;
};

class shard final : public run_queue {
public:
    /// On the thread that will run it. `outside` must outlive the shard.
    shard(platform& outside, const shard_options& options);
    ~shard();

    /// Before the first step, on this shard's thread, once all shards of the runtime exist: `all` by id.
    void connect(std::span<shard* const> all);

    unsigned id() const noexcept { return options_.id; }
    unsigned count() const noexcept { return options_.count; }
    clock::time_point now() const noexcept { return from_ns(now_ns()); }
    std::int64_t wall_ns() noexcept { return platform_.wall(); }
    void entropy(std::span<std::byte> out) noexcept { platform_.entropy(out); }

    // -- What its owner calls ------------------------------------------------------------------------------------

    /// One turn. True if there was something to do. The caller has made this the thread's current shard
    /// (run_queue_scope).
    bool step() noexcept;

    /// When step() must be called again though nothing happens outside: now()'s terms, no_deadline for never. Pure.
    std::uint64_t next_deadline() const noexcept { return timers_.next_deadline(); }

    /// Nothing to run and nothing that only step() can bring forward. Pure.
    bool can_sleep() const noexcept { return !has_tasks() && outgoing_.empty() && !mailbox_.has_unsent(); }

    /// Sleeps until something happens, at most until next_deadline(). Returns at once, and where it can without a
    /// system call, when there is something to do after all. The sleep ends with the next step().
    void sleep() noexcept;

    /// Ends a sleep. The only call for other threads.
    void wake() noexcept { platform_.wake(); }

    // -- What the parts of a shard call ---------------------------------------------------------------------------

    /// Hands a request to the outside at the end of this turn. It completes in a later phase or turn, exactly once.
    void submit(io_request& request) noexcept { outgoing_.push_back(&request); }

    /// Asks for the withdrawal of a request given to submit(); it completes all the same, with -ECANCELED if that
    /// worked.
    void cancel(io_request& request);

    detail::timer_wheel& timers() noexcept { return timers_; }
    detail::mailbox& mail() noexcept { return mailbox_; }
    const detail::mailbox& mail() const noexcept { return mailbox_; }
    std::vector<std::shared_ptr<void>>& locals() noexcept { return locals_; }
    aligned_pool& io_buffers() noexcept { return io_buffers_; }

    // -- Figures ---------------------------------------------------------------------------------------------------

    const phase_clock& phases() const noexcept { return phases_; }
    std::uint64_t turns() const noexcept { return turns_; }
    std::uint64_t sleeps() const noexcept { return sleeps_; }
    std::uint64_t requests_completed() const noexcept { return requests_completed_; }

private:
    bool reap() noexcept;
    bool fire_timers() noexcept;
    bool receive_messages() noexcept;
    bool run_tasks() noexcept;
    bool publish_messages() noexcept;
    bool submit_requests() noexcept;
    bool is_spent(std::uint64_t ns) const noexcept {
        return options_.task_quota_ns != 0 && ns >= options_.task_quota_ns;
    }
    void watch_tasks(std::uint64_t since_ns) noexcept {
        if (options_.watch_tasks != nullptr) {
            options_.watch_tasks(options_.watch_tasks_context, since_ns);
        }
    }
    std::uint64_t mark(phase p) noexcept { return phases_.mark(p, platform_.now()); }

    static constexpr unsigned reap_room = 256;  ///< what limits::reap_max may be at most

    platform& platform_;
    const shard_options options_;
    aligned_pool io_buffers_;  ///< early: what follows may hold its blocks
    phase_clock phases_;
    detail::timer_wheel timers_;
    detail::mailbox mailbox_;
    std::vector<io_request*> outgoing_;
    std::vector<std::shared_ptr<void>> locals_;  ///< of shard_local<T>, by slot
    bool asleep_ = false;  ///< others wake this shard when they send; until the next step, which the simulation delays
    std::uint64_t turns_ = 0;
    std::uint64_t sleeps_ = 0;
    std::uint64_t requests_completed_ = 0;
};

/// The shard of this thread, which must be one.
inline shard& this_shard() noexcept {
    run_queue* queue = this_run_queue();
    SHALE_DEBUG_ASSERT(queue != nullptr, "this thread is not a shard");
    return static_cast<shard&>(*queue);
}

/// True on a shard's thread.
inline bool on_shard() noexcept {
    return this_run_queue() != nullptr;
}

}  // namespace shale
