// Keeps deadlines so that arming and cancelling are O(1) and the earliest is found by a few bit operations.
//
// A radix heap laid out as a wheel: 11 levels of 64 slots, one level for each 6-bit digit of a 64-bit nanosecond count.
// A node stands at the level of the highest digit in which its deadline differs from `last_`, the time the wheel has
// reached, in the slot of its own digit there. Hence whatever stands at a lower level is due earlier, within a level
// slots are due in order, and the earliest slot is two count-trailing-zeros away. When time enters a slot of a higher
// level its nodes are spread over the levels below: a timer that is cancelled early, as most are, is never sorted.
// Deadlines are exact and never early; equal ones come out in the order in which they were inserted.
//
// Time moves in turns: advance(now) opens a turn, pop_due() gives its due nodes one by one. A node inserted with a
// deadline that is not after the turn's time counts as due at that time, after those already due, and comes out in the
// next turn, so a callback that always arms itself anew cannot keep a turn from ending. Any node may be removed at any
// time, a due one too. The wheel allocates nothing, reads no clock and belongs to one thread.
#pragma once

#include "../../base/assert.hh"

#include <array>
#include <cstddef>
#include <cstdint>
#include <limits>

namespace shale::detail {

class timer_wheel {
public:
    static constexpr std::uint64_t never = std::numeric_limits<std::uint64_t>::max();

    /// Embedded in whatever has a deadline. Neither copied nor moved while linked; see replace().
    struct node {
        node* next = nullptr;
        node** link = nullptr;  // the pointer that points here
        std::uint64_t deadline_ns = 0;
        std::uint16_t list = unlinked;

        bool linked() const noexcept { return list != unlinked; }
    };

    timer_wheel() noexcept;
    timer_wheel(const timer_wheel&) = delete;
    timer_wheel& operator=(const timer_wheel&) = delete;

    /// Nodes still linked are unlinked: they never fire, and may be destroyed later.
    ~timer_wheel();

    /// Links `n`, which must not be linked and must stay in place until it is removed or popped.
    void insert(node& n, std::uint64_t deadline_ns) noexcept;

    /// Unlinks `n`, which must be linked here.
    void remove(node& n) noexcept;

    /// Puts `fresh`, which must not be linked, in the place of `old`.
    void replace(node& old, node& fresh) noexcept;

    /// Opens a turn at `now_ns`. While an earlier turn has due nodes left (its caller stopped early) that turn goes on
    /// and time stands still. A time before the last one counts as the last one.
    void advance(std::uint64_t now_ns) noexcept;

    /// Unlinks and returns the earliest node of this turn, or null when none is left.
    node* pop_due() noexcept;

    /// When advance() and pop_due() will next have something to do: never early for the earliest deadline by more than
    /// one visit to spread a slot, never late, `never` when empty. Changes nothing; looks at no more than 16 nodes.
    std::uint64_t next_deadline() const noexcept;

    std::size_t size() const noexcept { return size_; }
    bool empty() const noexcept { return size_ == 0; }

private:
    static constexpr unsigned digit_bits = 6;
    static constexpr unsigned slots = 1U << digit_bits;
    static constexpr unsigned levels = (64 + digit_bits - 1) / digit_bits;
    static constexpr std::uint16_t first_overdue = levels * slots;  // two lists of overdue nodes follow the slots
    static constexpr std::uint16_t unlinked = first_overdue + 2;
    static constexpr unsigned scan_max = 16;

    // Ends in the address of the pointer that the next node goes into, so that linking and unlinking need no branch:
    // which slot a timer meets is as good as random, and a wrong guess costs as much as all the rest.
    struct node_list {
        node* first;
        node** end;
    };

    void push_back(std::uint16_t list, node& n) noexcept;
    void clear_if_empty(std::uint16_t list) noexcept;
    void place(node& n) noexcept;
    void spread(std::uint16_t list) noexcept;
    std::uint16_t earliest_slot() const noexcept;
    std::uint64_t slot_start(std::uint16_t slot) const noexcept;

    std::uint64_t last_ = 0;  // all nodes in slots are placed relative to this; last_ <= turn_
    std::uint64_t turn_ = 0;  // the time of the open turn
    std::size_t size_ = 0;
    std::uint16_t due_ = first_overdue;  // of the two overdue lists, the one being popped; the other collects
    bool finished_ = true;               // pop_due() has returned null in this turn
    std::uint16_t occupied_levels_ = 0;  // bit l: occupied_[l] != 0
    std::array<std::uint64_t, levels + 1> occupied_{};  // bit s of word l: slot s of level l is not empty
    std::array<node_list, levels * slots + 2> lists_;
};

}  // namespace shale::detail
