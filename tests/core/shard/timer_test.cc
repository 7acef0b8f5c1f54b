// Timers on a shard whose time the test sets: order, periods, and all a callback may do to timers.
#include <gtest/gtest.h>

#include <shale/core/shard/scheduling.hh>
#include <shale/core/shard/timer.hh>

#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <vector>

#include "timer_shard.hh"

namespace {

using namespace shale;

class timers : public timer_shard {
protected:
    static clock::time_point in(duration d) { return shale::clock::now() + d; }

    auto note(char c) {
        return [this, c] { fired_ += c; };
    }

    std::string fired_;
};

TEST_F(timers, fires_once_when_its_time_has_come_and_not_before) {
    timer<> t(note('a'));
    EXPECT_FALSE(t.armed());
    t.arm(10ms);
    EXPECT_TRUE(t.armed());
    pass(10ms - 1ns);
    EXPECT_EQ(fired_, "");
    pass(1ns);
    EXPECT_EQ(fired_, "a");
    EXPECT_FALSE(t.armed());
    pass(1h);
    EXPECT_EQ(fired_, "a");
}

TEST_F(timers, fires_in_deadline_order_when_armed_out_of_order) {
    timer<> a(note('a'));
    timer<> b(note('b'));
    timer<> c(note('c'));
    c.arm(3ms);
    a.arm(1ms);
    b.arm(2ms);
    pass(1s);
    EXPECT_EQ(fired_, "abc");
}

TEST_F(timers, equal_deadlines_fire_in_arming_order) {
    timer<> a(note('a'));
    timer<> b(note('b'));
    timer<> c(note('c'));
    const auto when = in(5ms);
    a.arm(when);
    b.arm(when);
    c.arm(when);
    pass(5ms);
    EXPECT_EQ(fired_, "abc");
}

TEST_F(timers, a_deadline_in_the_past_fires_in_the_next_turn) {
    timer<> t(note('a'));
    t.arm(in(-1h));
    EXPECT_EQ(fired_, "");
    pass(0ns);
    EXPECT_EQ(fired_, "a");
    t.arm(shale::clock::time_point::min());
    pass(0ns);
    EXPECT_EQ(fired_, "aa");
}

TEST_F(timers, never_is_never) {
    timer<> t(note('a'));
    t.arm(duration::max());
    EXPECT_EQ(t.get_timeout(), shale::clock::time_point::max());
    pass(24h * 365 * 100);
    EXPECT_EQ(fired_, "");
    EXPECT_TRUE(t.armed());
}

TEST_F(timers, a_cancelled_timer_does_not_fire) {
    timer<> t(note('a'));
    t.arm(1ms);
    EXPECT_TRUE(t.cancel());
    EXPECT_FALSE(t.cancel());
    EXPECT_FALSE(t.armed());
    pass(1s);
    EXPECT_EQ(fired_, "");
}

TEST_F(timers, the_destructor_cancels) {
    {
        timer<> t(note('a'));
        t.arm(1ms);
    }
    pass(1s);
    EXPECT_EQ(fired_, "");
    EXPECT_TRUE(shard_.timers().empty());
}

TEST_F(timers, rearming_replaces_the_deadline) {
    timer<> t(note('a'));
    t.arm(1ms);
    t.rearm(5ms);
    EXPECT_EQ(t.get_timeout(), in(5ms));
    pass(4ms);
    EXPECT_EQ(fired_, "");
    t.rearm(in(2ms));
    pass(2ms);
    EXPECT_EQ(fired_, "a");
    t.rearm(1ms);  // not armed: as arm
    pass(1ms);
    EXPECT_EQ(fired_, "aa");
}

TEST_F(timers, a_callback_can_arm_its_timer_again) {
    int left = 3;
    timer<> t;
    t.set_callback([&] {
        fired_ += 'a';
        EXPECT_FALSE(t.armed());
        if (--left > 0) {
            t.arm(1ms);
        }
    });
    t.arm(1ms);
    for (int i = 0; i < 10; ++i) {
        pass(1ms);
    }
    EXPECT_EQ(fired_, "aaa");
}

TEST_F(timers, a_callback_that_arms_for_now_fires_once_a_turn) {
    timer<> t;
    t.set_callback([&] {
        fired_ += 'a';
        t.arm(0ns);
    });
    t.arm(0ns);
    pass(0ns);
    EXPECT_EQ(fired_, "a");
    pass(0ns);
    EXPECT_EQ(fired_, "aa");
    t.cancel();
}

TEST_F(timers, a_callback_can_cancel_another_due_timer) {
    timer<> b(note('b'));
    timer<> c(note('c'));
    timer<> a([&] {
        fired_ += 'a';
        EXPECT_TRUE(b.cancel());
    });
    a.arm(1ms);
    b.arm(1ms);
    c.arm(2ms);
    pass(2ms);
    EXPECT_EQ(fired_, "ac");
}

TEST_F(timers, a_callback_can_destroy_its_own_timer) {
    auto t = std::make_unique<timer<>>();
    const std::string big(100, 'x');  // captured, so that a use after destruction is seen
    t->set_callback([&, big] {
        t.reset();
        fired_ += big.substr(0, 1);
    });
    t->arm_periodic(1ms);
    pass(1ms);
    pass(10ms);
    EXPECT_EQ(fired_, "x");
    EXPECT_TRUE(shard_.timers().empty());
}

TEST_F(timers, a_callback_can_move_its_own_timer) {
    std::optional<timer<>> first(std::in_place);
    std::optional<timer<>> second;
    first->set_callback([&] {
        fired_ += 'a';
        if (first) {
            second.emplace(std::move(*first));
            first.reset();
        }
    });
    first->arm_periodic(1ms);
    pass(1ms);
    ASSERT_TRUE(second->armed());
    pass(1ms);
    EXPECT_EQ(fired_, "aa");
}

TEST_F(timers, a_callback_can_replace_itself) {
    timer<> t;
    t.set_callback([&] {
        fired_ += 'a';
        t.set_callback(note('b'));
    });
    t.arm_periodic(1ms);
    pass(1ms);
    pass(1ms);
    pass(1ms);
    EXPECT_EQ(fired_, "abb");
}

TEST_F(timers, stays_armed_when_moved) {
    timer<> a(note('a'));
    a.arm(1ms);
    timer<> b(std::move(a));
    EXPECT_FALSE(a.armed());  // NOLINT: moved-from timers are unarmed
    EXPECT_TRUE(b.armed());
    timer<> c(note('c'));
    c.arm(1ms);
    c = std::move(b);
    EXPECT_TRUE(c.armed());
    EXPECT_EQ(c.get_timeout(), in(1ms));
    pass(1ms);
    EXPECT_EQ(fired_, "a");
}

TEST_F(timers, keeps_its_place_in_order_when_moved) {
    timer<> a(note('a'));
    timer<> b(note('b'));
    a.arm(1ms);
    b.arm(1ms);
    timer<> moved(std::move(a));
    pass(1ms);
    EXPECT_EQ(fired_, "ab");
}

TEST_F(timers, a_periodic_timer_does_not_drift) {
    std::vector<std::int64_t> at;
    const auto start = shale::clock::now();
    timer<> t([&] { at.push_back((shale::clock::now() - start).count()); });
    t.arm_periodic(1ms);
    for (int i = 0; i < 1000; ++i) {
        pass(100us + duration(i % 7));  // turns never fall exactly on the period
    }
    ASSERT_GE(at.size(), 99u);
    for (std::size_t i = 0; i < at.size(); ++i) {
        ASSERT_GE(at[i], static_cast<std::int64_t>(i + 1) * 1'000'000);
        ASSERT_LT(at[i], static_cast<std::int64_t>(i + 1) * 1'000'000 + 101'000);
    }
}

TEST_F(timers, a_periodic_timer_does_not_make_up_for_what_it_missed) {
    timer<> t(note('a'));
    t.arm_periodic(1ms);
    pass(10ms + 500us);
    EXPECT_EQ(fired_, "a");
    pass(499us);
    EXPECT_EQ(fired_, "a");
    pass(1us);  // 11 ms after it was armed: in step again
    EXPECT_EQ(fired_, "aa");
}

TEST_F(timers, a_first_deadline_may_differ_from_the_period) {
    timer<> t(note('a'));
    t.arm(in(5ms), 1ms);
    pass(4ms);
    EXPECT_EQ(fired_, "");
    pass(1ms);
    pass(1ms);
    EXPECT_EQ(fired_, "aa");
}

TEST_F(timers, a_periodic_timer_can_cancel_itself) {
    timer<> t;
    t.set_callback([&] {
        fired_ += 'a';
        EXPECT_TRUE(t.armed());
        EXPECT_TRUE(t.cancel());
    });
    t.arm_periodic(1ms);
    pass(1ms);
    pass(5ms);
    EXPECT_EQ(fired_, "a");
}

TEST_F(timers, a_period_of_nothing_fires_once_a_turn) {
    timer<> t(note('a'));
    t.arm_periodic(0ns);
    pass(1ns);
    pass(1ns);
    pass(1ns);
    EXPECT_EQ(fired_, "aaa");
}

TEST_F(timers, an_exception_is_logged_and_stops_nothing) {
    timer<> a([] { throw std::runtime_error("no reason"); });
    timer<> b([] { throw 7; });
    timer<> c(note('c'));
    a.arm_periodic(1ms);
    b.arm(1ms);
    c.arm(1ms);
    testing::internal::CaptureStderr();
    pass(1ms);
    const std::string logged = testing::internal::GetCapturedStderr();
    EXPECT_NE(logged.find("timer: a callback failed: no reason"), std::string::npos) << logged;
    EXPECT_NE(logged.find("unknown type"), std::string::npos) << logged;
    EXPECT_EQ(fired_, "c");
    EXPECT_TRUE(a.armed());
}

TEST_F(timers, runs_in_the_group_current_when_the_callback_was_set) {
    group_queue& other = shard_.add_group(1, "other", 100);
    group_queue& main = shard_.current_group();
    group_queue* ran_in = nullptr;
    timer<> t;
    shard_.set_current_group(other);
    t.set_callback([&] { ran_in = &shard_.current_group(); });
    shard_.set_current_group(main);
    t.arm(1ms);
    pass(1ms);
    EXPECT_EQ(ran_in, &other);
    EXPECT_EQ(&shard_.current_group(), &main);
    t.set_callback(default_scheduling_group(), [&] { ran_in = &shard_.current_group(); });
    t.arm(1ms);
    pass(1ms);
    EXPECT_EQ(ran_in, &main);
    timer<> u(scheduling_group(1), [&] { ran_in = &shard_.current_group(); });
    u.arm(1ms);
    pass(1ms);
    EXPECT_EQ(ran_in, &other);
}

TEST_F(timers, holds_callbacks_that_cannot_be_copied) {
    timer<> t([owned = std::make_unique<char>('m'), this] { fired_ += *owned; });
    t.arm(1ms);
    pass(1ms);
    EXPECT_EQ(fired_, "m");
}

TEST_F(timers, of_low_resolution_are_late_by_milliseconds_at_most_and_never_early) {
    std::vector<std::int64_t> late;
    std::vector<timer<lowres_clock>> many(100);
    for (std::size_t i = 0; i < many.size(); ++i) {
        const auto when = lowres_clock::now() + 10ms + duration(static_cast<std::int64_t>(i) * 100'003);
        many[i].set_callback([&late, when] { late.push_back((lowres_clock::now() - when).count()); });
        many[i].arm(when);
        EXPECT_EQ(many[i].get_timeout(), when);
    }
    for (int i = 0; i < 1000; ++i) {
        pass(50us);
    }
    ASSERT_EQ(late.size(), 100u);
    for (const std::int64_t ns : late) {
        EXPECT_GE(ns, 0);
        EXPECT_LE(ns, 2'200'000);
    }
}

TEST_F(timers, of_low_resolution_share_wake_ups) {
    std::vector<timer<lowres_clock>> many(1000);
    for (std::size_t i = 0; i < many.size(); ++i) {
        many[i].set_callback(note('.'));
        many[i].arm(100ms + duration(static_cast<std::int64_t>(i) * 10'000));  // over 10 ms
    }
    int visits = 0;
    while (fired_.size() < many.size()) {
        outside_.now_ns = shard_.next_deadline();
        shard_.step();
        ++visits;
        ASSERT_LT(visits, 100);
    }
    EXPECT_LE(visits, 12);
}

TEST_F(timers, left_armed_at_the_end_of_their_shard_can_be_destroyed_later) {
    auto t = std::make_unique<timer<>>(note('a'));
    {
        time_only outside;
        shard other(outside, shard_options{});
        const run_queue_scope scope(&other);
        t->arm(1ms);
    }
    EXPECT_FALSE(t->armed());
    t.reset();
}

using timers_death = timers;

TEST_F(timers_death, arming_an_armed_timer_is_a_mistake) {
    timer<> t(note('a'));
    t.arm(1ms);
    EXPECT_DEATH(t.arm(1ms), "armed already");
}

TEST_F(timers_death, arming_without_a_callback_is_a_mistake) {
    timer<> t;
    EXPECT_DEATH(t.arm(1ms), "no callback");
}

}  // namespace
