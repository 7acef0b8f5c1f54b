// What the thread that called run() waits for while the shards work: a signal, a request to stop, the end, a deadline.
//
// It is a thread of its own, not a shard, so that a second Ctrl-C and the stop deadline work even when every shard is
// stuck in a loop. SIGINT and SIGTERM are blocked in this thread before the shards' threads are started from it, so
// none of them is ever interrupted by one, and unblocked here while this thread sleeps; the handler notes the number.
// Not a signalfd: the kernel wakes whoever waits for one at every signal to any thread of the process, and the shards'
// preemption timers send thousands a second. Handlers and mask are put back at the end.
//
// Access: 1. wait() and the destructor belong to the thread that made the object. 2. The notify functions may be
// called from any thread, until the object ends, as often as one likes.
#pragma once

#include <signal.h>

#include <array>
#include <atomic>
#include <cstdint>
#include <optional>

namespace shale::detail {

class supervisor {
public:
    enum class event : std::uint8_t { signal, stop_requested, finished, deadline };

    /// With `handle_signals`, SIGINT and SIGTERM become events; without, they are left to the embedding program.
    explicit supervisor(bool handle_signals);
    supervisor(const supervisor&) = delete;
    supervisor& operator=(const supervisor&) = delete;
    ~supervisor();

    /// Blocks until something happens. Each notification and each signal is reported once; the end comes before a
    /// request to stop, and a signal before both. Without a deadline it waits for ever.
    event wait(std::optional<std::uint64_t> deadline_ns);

    /// The number of the signal that wait() reported last.
    int signal_number() const noexcept { return signal_; }

    void notify_stop_requested() noexcept;
    void notify_finished() noexcept;

    /// The clock of the deadlines: CLOCK_MONOTONIC.
    static std::uint64_t now_ns() noexcept;

private:
    void ring() noexcept;
    bool take_signal() noexcept;

    const bool handles_signals_;
    int bell_ = -1;  // an eventfd
    int signal_ = 0;
    sigset_t ours_{};
    sigset_t waiting_mask_{};  // while it sleeps
    sigset_t previous_mask_{};
    std::array<struct sigaction, 2> previous_actions_{};
    std::atomic<bool> stop_requested_{false};
    std::atomic<bool> finished_{false};
};

}  // namespace shale::detail
