// The wheel against a sorted model: order, ties, removal, turns, and what it promises about the next deadline.
#include <gtest/gtest.h>

#include <shale/core/base/random.hh>
#include <shale/core/shard/detail/timer_wheel.hh>

#include <algorithm>
#include <bit>
#include <deque>
#include <map>
#include <set>
#include <vector>

namespace {

using shale::random_engine;
using shale::detail::timer_wheel;

struct item : timer_wheel::node {
    int id = 0;
};

/// The deadlines a turn at `now` gives, in the order in which they come out.
std::vector<std::uint64_t> turn(timer_wheel& wheel, std::uint64_t now) {
    wheel.advance(now);
    std::vector<std::uint64_t> out;
    while (const timer_wheel::node* n = wheel.pop_due()) {
        out.push_back(n->deadline_ns);
    }
    return out;
}

std::vector<int> turn_ids(timer_wheel& wheel, std::uint64_t now) {
    wheel.advance(now);
    std::vector<int> out;
    while (const timer_wheel::node* n = wheel.pop_due()) {
        out.push_back(static_cast<const item*>(n)->id);
    }
    return out;
}

/// Inserts one node per deadline and keeps them; removes what is left at the end.
class filled {
public:
    filled(timer_wheel& wheel, std::vector<std::uint64_t> deadlines) : wheel_(wheel) {
        for (const std::uint64_t deadline : deadlines) {
            add(deadline);
        }
    }
    ~filled() {
        for (item& i : items) {
            if (i.linked()) {
                wheel_.remove(i);
            }
        }
    }
    item& add(std::uint64_t deadline) {
        items.emplace_back();
        items.back().id = static_cast<int>(items.size()) - 1;
        wheel_.insert(items.back(), deadline);
        return items.back();
    }

    std::deque<item> items;

private:
    timer_wheel& wheel_;
};

using deadlines = std::vector<std::uint64_t>;

TEST(timer_wheel, gives_nothing_when_empty) {
    timer_wheel wheel;
    EXPECT_TRUE(wheel.empty());
    EXPECT_EQ(wheel.next_deadline(), timer_wheel::never);
    EXPECT_EQ(turn(wheel, 100), deadlines{});
    EXPECT_EQ(turn(wheel, timer_wheel::never), deadlines{});
}

TEST(timer_wheel, fires_in_deadline_order_when_armed_out_of_order) {
    timer_wheel wheel;
    filled nodes(wheel, {5'000'000'000, 70, 3, 4096, 64, 65, 1'000'000, 63});
    EXPECT_EQ(turn(wheel, 10'000'000'000), (deadlines{3, 63, 64, 65, 70, 4096, 1'000'000, 5'000'000'000}));
    EXPECT_TRUE(wheel.empty());
}

TEST(timer_wheel, is_never_early_and_exact_to_the_nanosecond) {
    timer_wheel wheel;
    filled nodes(wheel, {1'000'000'007});
    EXPECT_EQ(turn(wheel, 1'000'000'006), deadlines{});
    EXPECT_EQ(turn(wheel, 1'000'000'007), deadlines{1'000'000'007});
}

TEST(timer_wheel, equal_deadlines_keep_arming_order_even_when_armed_at_different_distances) {
    timer_wheel wheel;
    filled nodes(wheel, {});
    constexpr std::uint64_t deadline = 1'000'000;
    for (std::uint64_t now = 0; now < deadline; now += 999) {
        nodes.add(deadline);
        ASSERT_EQ(turn(wheel, now), deadlines{});
    }
    const std::vector<int> order = turn_ids(wheel, deadline);
    EXPECT_EQ(order.size(), nodes.items.size());
    EXPECT_TRUE(std::ranges::is_sorted(order));
}

TEST(timer_wheel, a_deadline_in_the_past_is_due_in_the_next_turn) {
    timer_wheel wheel;
    EXPECT_EQ(turn(wheel, 1000), deadlines{});
    filled nodes(wheel, {7, 0, 1000, 1001});
    EXPECT_LE(wheel.next_deadline(), 1000u);
    EXPECT_EQ(turn_ids(wheel, 1000), (std::vector{0, 1, 2}));  // all count as due at 1000, in arming order
    EXPECT_EQ(turn_ids(wheel, 1001), std::vector{3});
}

TEST(timer_wheel, what_was_overdue_comes_before_what_becomes_due) {
    timer_wheel wheel;
    turn(wheel, 1000);
    filled nodes(wheel, {1001, 999});
    EXPECT_EQ(turn_ids(wheel, 2000), (std::vector{1, 0}));
}

TEST(timer_wheel, arming_for_now_while_firing_waits_for_the_next_turn) {
    timer_wheel wheel;
    filled nodes(wheel, {10});
    wheel.advance(10);
    timer_wheel::node* n = wheel.pop_due();
    ASSERT_NE(n, nullptr);
    wheel.insert(*n, 10);
    EXPECT_EQ(wheel.pop_due(), nullptr);
    EXPECT_EQ(turn(wheel, 10), deadlines{10});
}

TEST(timer_wheel, arming_for_later_but_within_the_turn_waits_for_the_next_turn) {
    timer_wheel wheel;
    filled nodes(wheel, {10, 50});
    wheel.advance(100);
    EXPECT_EQ(wheel.pop_due()->deadline_ns, 10u);
    nodes.add(20);
    EXPECT_EQ(wheel.pop_due()->deadline_ns, 50u);
    EXPECT_EQ(wheel.pop_due(), nullptr);
    EXPECT_EQ(turn(wheel, 100), deadlines{20});
}

TEST(timer_wheel, holds_deadlines_at_the_end_of_time) {
    timer_wheel wheel;
    filled nodes(wheel, {timer_wheel::never, timer_wheel::never - 1, std::uint64_t{1} << 63, std::uint64_t{15} << 60});
    EXPECT_EQ(turn(wheel, (std::uint64_t{1} << 63) - 1), deadlines{});
    EXPECT_EQ(turn(wheel, timer_wheel::never - 1),
              (deadlines{std::uint64_t{1} << 63, std::uint64_t{15} << 60, timer_wheel::never - 1}));
    EXPECT_EQ(wheel.next_deadline(), timer_wheel::never);
    EXPECT_EQ(turn(wheel, timer_wheel::never), deadlines{timer_wheel::never});
}

TEST(timer_wheel, fires_what_lies_exactly_on_every_digit_boundary) {
    timer_wheel wheel;
    std::vector<std::uint64_t> wanted;
    for (unsigned bit = 0; bit < 64; ++bit) {
        wanted.push_back(std::uint64_t{1} << bit);
    }
    filled nodes(wheel, wanted);
    for (const std::uint64_t deadline : wanted) {
        ASSERT_EQ(turn(wheel, deadline - 1), deadlines{});
        ASSERT_EQ(wheel.next_deadline(), deadline);
        ASSERT_EQ(turn(wheel, deadline), deadlines{deadline});
    }
}

TEST(timer_wheel, a_removed_node_does_not_fire) {
    timer_wheel wheel;
    filled nodes(wheel, {10, 20, 30, 20, 5'000'000});
    wheel.remove(nodes.items[1]);
    wheel.remove(nodes.items[4]);
    EXPECT_EQ(wheel.size(), 3u);
    EXPECT_EQ(turn_ids(wheel, 10'000'000), (std::vector{0, 3, 2}));
}

TEST(timer_wheel, removing_the_last_node_leaves_no_trace) {
    timer_wheel wheel;
    filled nodes(wheel, {10, 5'000'000, 1});
    turn(wheel, 2);
    wheel.remove(nodes.items[0]);
    wheel.remove(nodes.items[1]);
    EXPECT_EQ(wheel.next_deadline(), timer_wheel::never);
}

TEST(timer_wheel, a_due_node_can_be_removed_before_it_is_popped) {
    timer_wheel wheel;
    filled nodes(wheel, {10, 11, 4000, 4001});
    wheel.advance(5000);
    EXPECT_EQ(wheel.pop_due(), &nodes.items[0]);
    wheel.remove(nodes.items[1]);
    wheel.remove(nodes.items[2]);
    EXPECT_EQ(wheel.pop_due(), &nodes.items[3]);
    EXPECT_EQ(wheel.pop_due(), nullptr);
}

TEST(timer_wheel, an_overdue_node_can_be_removed) {
    timer_wheel wheel;
    turn(wheel, 100);
    filled nodes(wheel, {1, 2, 3});
    wheel.remove(nodes.items[1]);
    wheel.advance(101);
    EXPECT_EQ(wheel.pop_due(), &nodes.items[0]);
    wheel.remove(nodes.items[2]);
    EXPECT_EQ(wheel.pop_due(), nullptr);
}

TEST(timer_wheel, a_replaced_node_fires_in_the_place_of_the_old_one) {
    for (const std::uint64_t deadline : deadlines{5, 10, 64, 5'000'000}) {  // overdue, and at several levels
        for (std::size_t position = 0; position < 3; ++position) {
            timer_wheel wheel;
            turn(wheel, 5);
            filled nodes(wheel, {deadline, deadline, deadline});
            item fresh;
            fresh.id = static_cast<int>(position);
            wheel.replace(nodes.items[position], fresh);
            EXPECT_FALSE(nodes.items[position].linked());
            nodes.items[position].id = 99;
            EXPECT_EQ(turn_ids(wheel, deadline), (std::vector{0, 1, 2}));
        }
    }
}

TEST(timer_wheel, a_turn_left_early_goes_on_before_time_does) {
    timer_wheel wheel;
    filled nodes(wheel, {10, 20, 30, 200});
    wheel.advance(100);
    EXPECT_EQ(wheel.pop_due(), &nodes.items[0]);
    EXPECT_LE(wheel.next_deadline(), 20u);
    wheel.advance(300);  // 200 is due by now, but what is left of the earlier turn comes first
    EXPECT_EQ(turn_ids(wheel, 300), (std::vector{1, 2}));
    EXPECT_EQ(turn_ids(wheel, 300), std::vector{3});
}

TEST(timer_wheel, time_that_runs_backwards_stands_still) {
    timer_wheel wheel;
    turn(wheel, 1000);
    filled nodes(wheel, {900, 1100});
    EXPECT_EQ(turn_ids(wheel, 500), std::vector{0});
    EXPECT_EQ(turn_ids(wheel, 1100), std::vector{1});
}

TEST(timer_wheel, next_deadline_is_exact_for_few_and_never_late_for_many) {
    timer_wheel wheel;
    turn(wheel, 12'345);
    filled few(wheel, {5'000'000'123, 5'000'000'124});
    EXPECT_EQ(wheel.next_deadline(), 5'000'000'123u);
    filled many(wheel, {});
    for (std::uint64_t i = 0; i < 1000; ++i) {
        many.add(5'000'001'000 + i * 1000);
    }
    const std::uint64_t bound = wheel.next_deadline();
    EXPECT_LE(bound, 5'000'000'123u);
    EXPECT_GT(bound, 12'345u);
}

TEST(timer_wheel, an_idle_shard_wakes_at_most_once_a_level_for_one_deadline) {
    timer_wheel wheel;
    filled nodes(wheel, {});
    constexpr std::uint64_t first = 30'000'000'000;
    for (std::uint64_t i = 0; i < 100'000; ++i) {
        nodes.add(first + i * 10);
    }
    unsigned visits = 0;
    for (std::uint64_t now = wheel.next_deadline(); now < first; now = wheel.next_deadline()) {
        ASSERT_EQ(turn(wheel, now), deadlines{});
        ++visits;
    }
    EXPECT_LE(visits, 5u);
}

TEST(timer_wheel, asking_changes_nothing) {
    timer_wheel wheel;
    filled nodes(wheel, {77, 78, 99'999});
    const std::uint64_t once = wheel.next_deadline();
    for (int i = 0; i < 10; ++i) {
        EXPECT_EQ(wheel.next_deadline(), once);
    }
    EXPECT_EQ(turn(wheel, 100'000), (deadlines{77, 78, 99'999}));
}

/// A wheel beside a multimap; every operation goes to both.
class compared {
public:
    explicit compared(std::uint64_t seed) : random_(seed) {}
    ~compared() {
        for (const auto& [deadline, id] : model_) {
            wheel_.remove(items_[static_cast<std::size_t>(id)]);
        }
        for (const int id : late_) {
            wheel_.remove(items_[static_cast<std::size_t>(id)]);
        }
    }

    void step() {
        const std::uint64_t kind = random_.below(100);
        if (kind < 55) {
            insert();
        } else if (kind < 75) {
            remove();
        } else {
            run_turn();
        }
        ASSERT_EQ(wheel_.size(), model_.size() + late_.size());
        const std::uint64_t next = wheel_.next_deadline();
        if (!late_.empty()) {
            ASSERT_LE(next, now_);
        } else if (model_.empty()) {
            ASSERT_EQ(next, timer_wheel::never);
        } else {
            ASSERT_LE(next, std::max(now_, model_.begin()->first));
            ASSERT_TRUE(next > now_ || model_.begin()->first <= now_);
        }
    }

private:
    /// All magnitudes, many ties, some in the past.
    std::uint64_t some_deadline() {
        const std::uint64_t distance = random_() >> random_.between(3, 63);
        switch (random_.below(8)) {
            case 0:
                return now_ - std::min(now_, distance);
            case 1:
                return now_;
            case 2:
                return (now_ | 0xfff) + 1;
            case 3:
                return timer_wheel::never - random_.below(3);
            default:
                return now_ > timer_wheel::never - distance ? timer_wheel::never : now_ + distance;
        }
    }

    void insert() {
        items_.emplace_back();
        items_.back().id = static_cast<int>(items_.size()) - 1;
        const std::uint64_t deadline = some_deadline();
        wheel_.insert(items_.back(), deadline);
        if (deadline <= now_) {
            late_.push_back(items_.back().id);
        } else {
            model_.emplace(deadline, items_.back().id);
        }
    }

    void remove() {
        if (!late_.empty() && random_.below(2) == 0) {
            const std::size_t at = random_.below(late_.size());
            wheel_.remove(items_[static_cast<std::size_t>(late_[at])]);
            late_.erase(late_.begin() + static_cast<std::ptrdiff_t>(at));
        } else if (!model_.empty()) {
            const auto at = std::next(model_.begin(), static_cast<std::ptrdiff_t>(random_.below(model_.size())));
            wheel_.remove(items_[static_cast<std::size_t>(at->second)]);
            model_.erase(at);
        }
    }

    void run_turn() {
        if (finished_) {
            const std::uint64_t jump = random_() >> random_.between(8, 63);
            const std::uint64_t before = now_;
            now_ = random_.below(4) == 0 && !model_.empty() ? std::max(now_, model_.begin()->first)
                   : now_ > timer_wheel::never - jump       ? now_
                                                            : now_ + jump;
            for (auto it = late_.rbegin(); it != late_.rend(); ++it) {
                model_.emplace_hint(model_.begin(), before, *it);  // before all others, in their own order
            }
            late_.clear();
        }
        wheel_.advance(now_);
        finished_ = false;
        const std::uint64_t budget = random_.below(3) == 0 ? random_.below(4) : timer_wheel::never;
        for (std::uint64_t popped = 0; popped < budget; ++popped) {
            timer_wheel::node* n = wheel_.pop_due();
            if (model_.empty() || model_.begin()->first > now_) {
                ASSERT_EQ(n, nullptr);
                finished_ = true;
                return;
            }
            ASSERT_NE(n, nullptr);
            ASSERT_EQ(static_cast<item*>(n)->id, model_.begin()->second);
            model_.erase(model_.begin());
            if (random_.below(8) == 0) {
                insert();  // from within a callback
            } else if (random_.below(8) == 0) {
                remove();
            }
        }
    }

    random_engine random_;
    timer_wheel wheel_;
    std::deque<item> items_;
    std::multimap<std::uint64_t, int> model_;  // in the order in which they are due; equal keys in arming order
    std::vector<int> late_;                    // armed for a time that had come: due at now_ in the next turn
    std::uint64_t now_ = 0;
    bool finished_ = true;
};

TEST(timer_wheel, agrees_with_a_sorted_model_under_random_operations) {
    for (std::uint64_t seed = 1; seed <= 60; ++seed) {
        SCOPED_TRACE(seed);
        compared both(seed);
        for (int i = 0; i < 3000; ++i) {
            both.step();
            if (HasFatalFailure()) {
                return;
            }
        }
    }
}

}  // namespace
