// A place where all threads of a crew meet, again and again, and which can be called off.
//
// std::barrier cannot be called off: when one shard fails to start, or hangs at the stop, the others would wait for
// ever. Waiting blocks the thread in the kernel; it is for start and stop, not for shards at work. Any thread.
#pragma once

#include <atomic>

namespace shale::detail {

class meeting {
public:
    explicit meeting(unsigned members) noexcept : members_(members) {}

    /// Waits until all members have come; then they go on together, and may meet again. What each did before is
    /// visible to all after. False, at once and for ever, when the meeting was called off.
    bool meet() noexcept {
        const unsigned round = round_.load(std::memory_order_acquire);  // pairs with the release in open()
        if (called_off()) {  // with the load above: who misses the flag is woken by the round that follows it
            return false;
        }
        // The last to come has seen what all before it did: each pairs with the others here.
        if (came_.fetch_add(1, std::memory_order_acq_rel) + 1 == members_) {
            came_.store(0, std::memory_order_relaxed);  // published by open()
            open();
        } else {
            while (round_.load(std::memory_order_acquire) == round) {  // pairs with the release in open()
                round_.wait(round, std::memory_order_acquire);         // pairs with the release in open()
            }
        }
        return !called_off();
    }

    void call_off() noexcept {
        called_off_.store(true, std::memory_order_release);  // pairs with the acquire in called_off()
        open();
    }

    bool called_off() const noexcept {
        return called_off_.load(std::memory_order_acquire);  // pairs with the release in call_off()
    }

private:
    void open() noexcept {
        round_.fetch_add(1, std::memory_order_release);  // pairs with the acquires in meet()
        round_.notify_all();
    }

    const unsigned members_;
    std::atomic<unsigned> came_{0};
    std::atomic<unsigned> round_{0};
    std::atomic<bool> called_off_{false};
};

}  // namespace shale::detail
