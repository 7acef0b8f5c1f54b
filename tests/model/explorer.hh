// An exhaustive explorer of small concurrent programs under the C++ memory model: tests/model's stand-in for loom.
//
// A program is a few threads that run the *production* templates over `model::atomics` instead of `std_atomics`. The
// explorer runs it again and again, each time taking one choice differently: which thread makes the next atomic
// access, and which of the stores that the memory model allows a load returns. It reports data races on plain cells,
// failed requirements, and threads that wait for ever (a lost wake-up), with the steps that led there. Two ways to the
// same state are followed once: a state is what each thread has observed so far, which determines all the rest.
//
// The model is the view machine of release-acquire with relaxed accesses and seq_cst fences. It leaves out load
// buffering (nor does x86 or a compiler barrier allow it here), spurious failures of compare_exchange_weak, and stores
// that enter the modification order before ones executed earlier. Threads are fibers, and an abandoned execution just
// drops their stacks: a thread body must not own anything, let `run::make` own it.
#pragma once

#include <atomic>
#include <cstdint>
#include <cstring>
#include <functional>
#include <iosfwd>
#include <memory>
#include <string>
#include <utility>
#include <vector>

namespace shale::model {

/// What an exploration found.
struct report {
    std::string failure;  ///< empty: every execution held its promises
    std::uint64_t executions = 0;
    std::uint64_t states = 0;  ///< different ones
    std::uint64_t steps = 0;   ///< atomic accesses made in all
    bool ok() const noexcept { return failure.empty(); }
};
std::ostream& operator<<(std::ostream& out, const report& r);

/// One execution of the program under test, while it is being set up.
class run {
public:
    void thread(std::string name, std::function<void()> function);
    /// Called after all threads have ended, with everything they did visible.
    void at_end(std::function<void()> check);
    /// An object that lives as long as the execution. Cells must be made here or by such objects, not by threads.
    template <class T, class... Args>
    T& make(Args&&... args) {
        auto object = std::make_shared<T>(std::forward<Args>(args)...);
        T& result = *object;
        objects_.push_back(std::move(object));
        return result;
    }

private:
    friend class machine;
    struct body {
        std::string name;
        std::function<void()> function;
    };
    std::vector<std::shared_ptr<void>> objects_;
    std::vector<body> bodies_;
    std::vector<std::function<void()>> checks_;
};

/// Explores `program` to the end, or to its first failure.
report explore(const std::function<void(run&)>& program);

/// In a thread of the program: fails the execution unless `condition` holds.
void require(bool condition, const char* what);

/// In a thread: there is nothing to do until another thread has stored something in a cell this thread has looked at.
/// Instead of polling in a loop without end. What has been stored by the time it goes on it will not read staler.
void spin();

/// Fences all threads, as membarrier(2) does. A function like the hook of the mailbox.
void heavy_barrier() noexcept;

/// In a thread: its number, in the order of run::thread().
unsigned running_thread() noexcept;

namespace detail {
using location = std::uint32_t;
location new_atomic(std::uint64_t value) noexcept;
location new_plain() noexcept;
std::uint64_t load(location where, std::memory_order order) noexcept;
void store(location where, std::uint64_t value, std::memory_order order) noexcept;
std::uint64_t exchange(location where, std::uint64_t value, std::memory_order order) noexcept;
std::uint64_t fetch_add(location where, std::uint64_t value, std::memory_order order) noexcept;
bool compare_exchange(location where, std::uint64_t& expected, std::uint64_t desired, std::memory_order success,
                      std::memory_order failure) noexcept;
void wait(location where) noexcept;
void read_plain(location where) noexcept;
void write_plain(location where) noexcept;

template <class T>
std::uint64_t to_word(T value) noexcept {
    static_assert(sizeof(T) <= sizeof(std::uint64_t) && std::is_trivially_copyable_v<T>);
    std::uint64_t word = 0;
    std::memcpy(&word, &value, sizeof(T));
    return word;
}
template <class T>
T from_word(std::uint64_t word) noexcept {
    T value;
    std::memcpy(&value, &word, sizeof(T));
    return value;
}
}  // namespace detail

/// std::atomic, as far as Shale uses it.
template <class T>
class atomic {
public:
    atomic() noexcept : atomic(T{}) {}
    explicit atomic(T value) noexcept : where_(detail::new_atomic(detail::to_word(value))) {}
    atomic(const atomic&) = delete;
    atomic& operator=(const atomic&) = delete;

    T load(std::memory_order order) const noexcept { return detail::from_word<T>(detail::load(where_, order)); }
    void store(T value, std::memory_order order) noexcept { detail::store(where_, detail::to_word(value), order); }
    T exchange(T value, std::memory_order order) noexcept {
        return detail::from_word<T>(detail::exchange(where_, detail::to_word(value), order));
    }
    T fetch_add(T value, std::memory_order order) noexcept {
        return detail::from_word<T>(detail::fetch_add(where_, detail::to_word(value), order));
    }
    bool compare_exchange_weak(T& expected, T desired, std::memory_order success, std::memory_order failure) noexcept {
        std::uint64_t word = detail::to_word(expected);
        const bool done = detail::compare_exchange(where_, word, detail::to_word(desired), success, failure);
        expected = detail::from_word<T>(word);
        return done;
    }

private:
    detail::location where_;
};

/// A cell without synchronisation: two accesses, one of them a write, must be ordered by something else.
template <class T>
class plain {
public:
    plain() noexcept : where_(detail::new_plain()) {}
    plain(const plain&) = delete;
    plain& operator=(const plain&) = delete;

    plain& operator=(T value) noexcept {
        detail::write_plain(where_);
        value_ = value;
        return *this;
    }
    operator T() const noexcept {  // NOLINT: implicit on purpose, stands in for a bare T
        detail::read_plain(where_);
        return value_;
    }

private:
    T value_{};
    detail::location where_;
};

/// What a thread sleeps on: like an eventfd, a signal is kept until somebody waits. Orders nothing.
class event {
public:
    void signal() noexcept { detail::exchange(where_, 1, std::memory_order_relaxed); }
    void wait() noexcept { detail::wait(where_); }

private:
    detail::location where_ = detail::new_atomic(0);
};

/// The policy to instantiate production templates with.
struct atomics {
    template <class T>
    using atomic = model::atomic<T>;
    template <class T>
    using plain = model::plain<T>;
    static constexpr unsigned counters_per_line = 1;
    static void light_barrier() noexcept {}  // half of a heavy barrier: nothing by itself
    static void prefetch(const void*) noexcept {}
    static unsigned next_change(const atomic<std::uint32_t>* counters, const std::uint32_t* seen, unsigned begin,
                                unsigned count) noexcept {
        while (begin < count && counters[begin].load(std::memory_order_relaxed) == seen[begin]) {
            ++begin;
        }
        return begin;
    }
};

}  // namespace shale::model
