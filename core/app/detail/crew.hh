// The shards of a runtime and the threads they live on, from start to join.
//
// Each thread makes its own platform and shard, so that their memory is touched first where it is used, and destroys
// them again. In between it runs turns until it is told to leave. Leaving takes two steps: the shards go on taking
// turns until all of them at once have nothing left to do, so that what was sent to another shard or handed to the
// background in the last moment is still done; only then are they destroyed, because each reaches into the others'
// mailboxes. A crew that does not get there is abandoned: its threads stop where they are and destroy nothing, since
// unfinished work still refers to it.
//
// Access: all calls come from the thread that made the crew, save what runs on the shards.
#pragma once

#include <atomic>
#include <condition_variable>
#include <exception>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "../../linux/linux_platform.hh"
#include "../../linux/membarrier.hh"
#include "../../linux/preempt_timer.hh"
#include "../../linux/thread_runner.hh"
#include "../../shard/alien.hh"
#include "../../shard/runtime_options.hh"
#include "../../shard/shard.hh"
#include "meeting.hh"

namespace shale::detail {

class crew {
public:
    crew(placement_plan plan, const runtime_options& options);
    crew(const crew&) = delete;
    crew& operator=(const crew&) = delete;
    /// Joins. The crew has left, was abandoned, or never started.
    ~crew();

    /// Starts all shards. `first` runs on shard 0 before its first turn, once all are connected; `all_left` on one of
    /// their threads, last of all, when each has left its loop for good. `tell` is given, on any of the threads and one
    /// at a time, what threads and platforms have to do without, in words; each thing once. Throws what a shard failed
    /// with, the crew being gone again by then.
    void start(std::move_only_function<void()> first, std::move_only_function<void()> all_left,
               std::move_only_function<void(const std::string&)> tell);

    unsigned size() const noexcept { return static_cast<unsigned>(members_.size()); }

    /// Calls `f` on that shard soon. False, and `f` is not called, when the shard has ended.
    bool post(unsigned shard, std::move_only_function<void()> f);

    /// Tells the shards to finish what they have and end. Returns at once; `all_left` says when they have.
    void leave() noexcept;

    /// Tells the threads to end without finishing or destroying anything. Returns at once.
    void abandon() noexcept;

    /// All shards have left. True before `all_left` is called.
    bool ended() const noexcept {
        return present_.load(std::memory_order_acquire) == 0;  // pairs with the release in live()
    }

    /// What each shard still holds, in one line or more a shard: figures, and the gates whose close() waits. A shard
    /// that gives no answer within a moment is busy in one task, and its line says so. Blocks for that moment.
    std::vector<std::string> describe_held();

private:
    struct member {
        unsigned id = 0;
        std::unique_ptr<linux_platform> outside;
        std::unique_ptr<shard> here;
        std::optional<preempt_timer> quota;
        std::exception_ptr failure;
        std::unique_ptr<thread_runner> thread;

        std::atomic<bool> stop{false};      ///< end the loop
        std::atomic<bool> finished{false};  ///< nothing left to do; waits for the others
        std::mutex post_mutex;              ///< held by who posts, and while the shard opens and ends
        bool open = false;                  ///< takes posts; under post_mutex
    };

    void live(member& m);
    void make(member& m);
    void tell(const std::string& notice);
    bool wait_for_go();
    void finish_together(member& m);
    void open(member& m);
    void close(member& m);
    static void destroy(member& m);
    static const char* describe_silence(const member& m);
    void stop_loops() noexcept;

    const placement_plan plan_;
    const runtime_options options_;
    heavy_barrier_function heavy_barrier_ = nullptr;
    std::vector<std::unique_ptr<member>> members_;

    // The start: threads report, the starter decides. All under start_mutex_.
    std::mutex start_mutex_;
    std::condition_variable start_changed_;
    unsigned made_ = 0;    ///< threads that have made their shard, or failed to
    unsigned opened_ = 0;  ///< shards that take posts
    std::optional<alien::instance> from_outside_;
    std::optional<bool> go_;  ///< false: some other has failed

    meeting meeting_;
    std::atomic<unsigned> busy_{0};     ///< shards that had something to do in this round of the end
    std::atomic<unsigned> present_{0};  ///< shards that have not left
    bool abandoned_ = false;
    std::move_only_function<void()> first_;
    std::move_only_function<void()> all_left_;

    // What was told, by any shard's thread. Under tell_mutex_.
    std::mutex tell_mutex_;
    std::vector<std::string> told_;
    std::move_only_function<void(const std::string&)> tell_;
};

}  // namespace shale::detail
