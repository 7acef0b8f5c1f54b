// How long a shard without work spins before it sleeps: as long as spinning has paid lately.
//
// Spinning answers in a microsecond what a sleeper answers in ten, and burns the CPU meanwhile. It pays when the next
// work comes within the spin, so the spin grows when idle spells turn out shorter than the limit and shrinks when they
// turn out longer, to nothing if need be. Pure arithmetic on durations; reads no clock.
#pragma once

#include <algorithm>
#include <cstdint>

namespace shale {

class idle_policy {
public:
    /// `spin_max_ns` 0: sleep at once. `poll`: never sleep.
    idle_policy(std::uint64_t spin_max_ns, bool poll) noexcept
        : spin_max_ns_(spin_max_ns), spin_ns_(spin_max_ns), poll_(poll) {}

    /// There was work, after `idle_ns` without any.
    void worked_after(std::uint64_t idle_ns) noexcept {
        if (idle_ns < spell_ns_min) {
            return;
        }
        if (idle_ns <= spin_max_ns_) {
            spin_ns_ = std::min(spin_max_ns_, std::max(spin_ns_ * 2, spin_max_ns_ / 4));
        } else {
            spin_ns_ = spin_ns_ / 2 < spell_ns_min ? 0 : spin_ns_ / 2;
        }
    }

    /// False once an idle spell of that length should go on asleep.
    bool spins(std::uint64_t idle_ns) const noexcept { return poll_ || idle_ns < spin_ns_; }

    std::uint64_t spin_ns() const noexcept { return spin_ns_; }

private:
    /// Shorter gaps are the turns of a busy shard and say nothing; shorter spins are not worth the turn.
    static constexpr std::uint64_t spell_ns_min = 1'000;

    std::uint64_t spin_max_ns_;
    std::uint64_t spin_ns_;
    bool poll_;
};

}  // namespace shale
