// Sleeping coroutines on a shard whose time the test sets.
#include <gtest/gtest.h>

#include <shale/core/async/coroutine.hh>
#include <shale/core/shard/sleep.hh>

#include <optional>
#include <string>
#include <vector>

#include "timer_shard.hh"

namespace {

using namespace shale;

class sleeping : public timer_shard {};

TEST_F(sleeping, ends_when_its_time_has_come_and_not_before) {
    future<> f = sleep(10ms);
    pass(10ms - 1ns);
    EXPECT_FALSE(f.available());
    pass(1ns);
    EXPECT_TRUE(f.available());
    f.get();
}

TEST_F(sleeping, for_nothing_takes_one_turn) {
    for (const duration d : {duration(0), duration(-5s), duration::min()}) {
        future<> f = sleep(d);
        EXPECT_FALSE(f.available());
        pass(0ns);
        EXPECT_TRUE(f.available());
        f.get();
    }
}

future<> note_after(duration d, char c, std::string& out) {
    co_await sleep(d);
    out += c;
}

TEST_F(sleeping, coroutines_wake_in_deadline_order) {
    std::string order;
    future<> c = note_after(3ms, 'c', order);
    future<> a = note_after(1ms, 'a', order);
    future<> b = note_after(2ms, 'b', order);
    pass(1s);
    EXPECT_EQ(order, "abc");
    a.get();
    b.get();
    c.get();
}

TEST_F(sleeping, until_a_time_is_sleeping_for_the_rest) {
    future<> f = sleep_until(shale::clock::now() + 5ms);
    pass(5ms);
    EXPECT_TRUE(f.available());
    f.get();
}

TEST_F(sleeping, in_low_resolution_is_a_little_late) {
    future<> f = sleep<lowres_clock>(10ms);
    pass(10ms - 1ns);
    EXPECT_FALSE(f.available());
    pass(2200us);
    EXPECT_TRUE(f.available());
    f.get();
}

TEST_F(sleeping, fails_at_once_when_aborted) {
    abort_source abort;
    future<> f = sleep_abortable(1h, abort);
    pass(1ms);
    EXPECT_FALSE(f.available());
    abort.request_abort();
    ASSERT_TRUE(f.failed());
    EXPECT_THROW(f.get(), sleep_aborted);
    EXPECT_TRUE(shard_.timers().empty());
}

TEST_F(sleeping, an_abort_is_caught_as_any_abort) {
    abort_source abort;
    abort.request_abort();
    future<> f = sleep_abortable(1h, abort);
    ASSERT_TRUE(f.failed());
    EXPECT_THROW(f.get(), abort_requested_exception);
    EXPECT_TRUE(shard_.timers().empty());
}

TEST_F(sleeping, an_abort_after_the_end_does_nothing) {
    abort_source abort;
    future<> f = sleep_abortable(1ms, abort);
    pass(1ms);
    abort.request_abort();
    EXPECT_FALSE(f.failed());
    f.get();
}

TEST_F(sleeping, outlives_its_abort_source) {
    std::optional<abort_source> abort(std::in_place);
    future<> f = sleep_abortable(1ms, *abort);
    abort.reset();
    pass(1ms);
    ASSERT_TRUE(f.available());
    f.get();
}

TEST_F(sleeping, goes_on_when_nobody_waits_for_it) {
    (void)sleep(1ms);
    pass(1ms);
    EXPECT_TRUE(shard_.timers().empty());
}

TEST_F(sleeping, aborting_one_of_many_leaves_the_others) {
    abort_source first;
    abort_source second;
    future<> a = sleep_abortable(1ms, first);
    future<> b = sleep_abortable(1ms, second);
    first.request_abort();
    pass(1ms);
    EXPECT_TRUE(a.failed());
    EXPECT_TRUE(b.available() && !b.failed());
    a.ignore_ready_future();
    b.get();
}

}  // namespace
