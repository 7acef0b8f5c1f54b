// A task: the smallest thing a shard runs.
//
// It is an intrusive node of a run queue with one function pointer, the scheduling group it belongs to and the place
// in the source that made it. Continuations, coroutine promises and messages are tasks by inheritance, so scheduling
// one allocates nothing. A task belongs to the group that was current when it was created, whoever makes it ready.
// A task is in at most one queue; it is owned by nobody while queued and must dispose of itself when it runs.
#pragma once

#include <cstddef>
#include <source_location>

namespace shale {

class group_queue;
class run_queue;

class task {
public:
    /// Runs the task and disposes of it: the pointer is dead, or queued again, when this returns.
    using run_function = void (*)(task&) noexcept;

    task(const task&) = delete;
    task& operator=(const task&) = delete;

    /// Where in the source this task was made or last waited.
    std::source_location site() const noexcept { return site_; }
    void set_site(std::source_location site) noexcept { site_ = site; }

    group_queue& group() const noexcept { return *group_; }
    void set_group(group_queue& group) noexcept { group_ = &group; }

    // Tasks live in the shard's pool. The sizes let the pool find the list without a header per block.
    static void* operator new(std::size_t size);
    static void operator delete(void* block, std::size_t size) noexcept;

protected:
    /// Belongs to the group current on this thread, which must be a shard's.
    task(run_function run, std::source_location site) noexcept;
    task(run_function run, std::source_location site, group_queue& group) noexcept
        : run_(run), group_(&group), site_(site) {}
    ~task() = default;

private:
    friend class group_queue;
    friend class run_queue;

    task* next_ = nullptr;
    run_function run_;
    group_queue* group_;
    std::source_location site_;
};

}  // namespace shale
