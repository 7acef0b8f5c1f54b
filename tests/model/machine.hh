// The explorer's inside: the state of one execution and the walk over all of them. See explorer.hh for what it does.
//
// Memory is a list of stores per atomic cell, in modification order. A *view* says for each cell the oldest store that
// may still be read, and for each thread how much of it has been seen (a vector clock, for races on plain cells). Each
// thread has three views: what it has seen, what it would have seen had all its loads been acquires, and what it had
// seen at its last fence (which its relaxed stores release). Each store carries the view it releases.
#pragma once

#include <algorithm>
#include <array>
#include <cstdint>
#include <deque>
#include <string>
#include <unordered_set>
#include <vector>

#include "explorer.hh"
#include "fiber.hh"

namespace shale::model {

inline constexpr unsigned max_threads = 4;
inline constexpr unsigned max_cells = 60;
inline constexpr unsigned max_steps = 4000;

struct view {
    std::array<std::int16_t, max_cells> seen{};
    std::array<std::int16_t, max_threads> clock{};
    void join_seen(const view& other) noexcept {
        for (unsigned i = 0; i < max_cells; ++i) {
            seen[i] = std::max(seen[i], other.seen[i]);
        }
    }
    std::uint64_t hash() const noexcept;
    void join(const view& other) noexcept {
        join_seen(other);
        for (unsigned i = 0; i < max_threads; ++i) {
            clock[i] = std::max(clock[i], other.clock[i]);
        }
    }
};

std::uint64_t mixed(std::uint64_t h) noexcept;

class machine {
public:
    explicit machine(const std::function<void(run&)>& program) : program_(program) {}
    report explore();

    // What the cells call; see explorer.hh.
    detail::location new_atomic(std::uint64_t value);
    detail::location new_plain();
    std::uint64_t load(detail::location where, std::memory_order order);
    void store(detail::location where, std::uint64_t value, std::memory_order order);
    template <class Change>
    std::uint64_t modify(detail::location where, std::memory_order success, std::memory_order failure, const char* what,
                         Change&& change);
    void wait(detail::location where);
    void spin();
    void heavy_barrier();
    void access_plain(detail::location where, bool write);
    void fail(const char* why, detail::location where = 0);
    unsigned running() const noexcept { return running_; }

private:
    struct entry {
        std::uint64_t value = 0;
        view released;
        bool sequential = false;
    };
    struct plain_cell {
        std::int16_t write_clock = 0;
        std::int8_t writer = -1;
        std::array<std::int16_t, max_threads> read_clock{};
    };
    /// Which threads have touched a cell, in any execution. While only one has, or none has written, it makes no
    /// difference when that happens, and nobody else need get a chance to come first.
    struct usage {
        std::uint8_t threads = 0;
        bool written = false;
        bool shared() const noexcept { return written && (threads & (threads - 1)) != 0; }
    };
    enum class status : std::uint8_t { ready, waiting, spinning, done };
    struct thread {
        std::string name;
        std::function<void()>* body = nullptr;
        fiber stack;
        view current;
        view acquired;
        view fenced;
        std::uint64_t history = 0;  ///< a hash of all this thread has read and done, so of what it will do
        std::uint64_t touched = 0;  ///< the cells it has accessed, by bit
        detail::location waits_for = 0;
        status state = status::done;
    };
    struct choice {
        std::uint16_t taken;
        std::uint16_t options;
    };
    struct step {
        std::uint8_t thread;
        const char* what;
        detail::location where;
        std::uint64_t value;
        int back;  ///< how many stores older than the newest
    };

    void execute();
    void start_threads(run& execution);
    static void thread_main(void* self);
    bool next_execution();

    void reach_step(detail::location where, bool write);  ///< about to access a cell: another thread may come first
    void reach_step();
    void switch_on();   ///< goes on with a thread of our choice
    void leave();       ///< ends the execution
    int pick_thread();  ///< -1: none can run
    bool can_run(const thread& t) const;
    bool has_news(const thread& t) const;
    void see_news(thread& t);
    bool seen_before();
    unsigned choose(unsigned options);

    thread& me() { return threads_[running_]; }
    void observe(std::uint64_t what);
    void tick();
    void observe_store(thread& t, detail::location where, std::uint64_t value, std::memory_order order,
                       const view* continued);
    void observe_load(thread& t, const entry& e, std::memory_order order);
    void fence(unsigned index);
    void note(const char* what, detail::location where, std::uint64_t value, int back = 0);
    std::string story() const;

    const std::function<void(run&)>& program_;
    report report_;

    // The walk: choices of the present execution, and the states met in all.
    std::vector<choice> choices_;
    std::size_t position_ = 0;
    std::unordered_set<std::uint64_t> states_;
    std::array<usage, max_cells> usage_{};
    bool usage_grew_ = false;  ///< a cell proved to be shared: the walk so far took too few choices

    // One execution.
    std::vector<std::vector<entry>> cells_;
    std::vector<plain_cell> plains_;
    std::deque<thread> threads_;
    unsigned thread_count_ = 0;
    unsigned running_ = 0;
    bool live_ = false;  ///< threads run; otherwise accesses belong to the set-up or the checks and are not explored
    fiber outside_;
    view sequential_;  ///< what fences have seen; its clocks are unused: fences alone do not synchronise
    std::vector<step> steps_;
};

}  // namespace shale::model
