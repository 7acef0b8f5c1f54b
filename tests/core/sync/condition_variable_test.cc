// Condition variables under virtual time: who wakes, what is remembered, how waits end.
#include <shale/core/shard/sleep.hh>
#include <shale/core/sync/condition_variable.hh>
#include <shale/core/testing/testing.hh>

#include <vector>

using namespace shale;

namespace {

future<void> wait_and_note(condition_variable& cv, int name, std::vector<int>& log) {
    co_await cv.when();
    log.push_back(name);
}

}  // namespace

SHALE_TEST(condition_variable, signal_wakes_the_one_that_waited_longest) {
    condition_variable cv;
    std::vector<int> log;
    future<void> first = wait_and_note(cv, 1, log);
    future<void> second = wait_and_note(cv, 2, log);
    cv.signal();
    co_await std::move(first);
    EXPECT_EQ(log, std::vector<int>{1});
    EXPECT_TRUE(cv.has_waiters());
    cv.signal();
    co_await std::move(second);
    EXPECT_EQ(log, (std::vector<int>{1, 2}));
    EXPECT_FALSE(cv.has_waiters());
}

SHALE_TEST(condition_variable, signal_without_a_waiter_is_remembered_once) {
    condition_variable cv;
    cv.signal();
    cv.signal();
    co_await cv.wait();
    future<void> second = cv.wait();
    EXPECT_FALSE(second.available());
    cv.signal();
    co_await std::move(second);
}

SHALE_TEST(condition_variable, broadcast_wakes_all_and_is_not_remembered) {
    condition_variable cv;
    std::vector<int> log;
    future<void> first = wait_and_note(cv, 1, log);
    future<void> second = cv.wait();
    cv.broadcast();
    co_await std::move(first);
    co_await std::move(second);
    future<void> third = cv.wait();
    EXPECT_FALSE(third.available());
    cv.broadcast();
    co_await std::move(third);
}

SHALE_TEST(condition_variable, predicate_is_asked_again_after_each_signal) {
    condition_variable cv;
    int value = 0;
    future<void> waiting = cv.wait([&] { return value == 3; });
    for (value = 1; value < 3; ++value) {
        cv.signal();
        co_await sleep(1ms);
        EXPECT_FALSE(waiting.available());
    }
    cv.signal();
    co_await std::move(waiting);
    co_await cv.when([&] { return value == 3; });
}

SHALE_TEST(condition_variable, wait_ends_with_its_time_and_with_an_abort) {
    condition_variable cv;
    abort_source abort;
    auto late = co_await as_result(cv.wait(3ms));
    EXPECT_FALSE(late.has_value());
    bool timed_out = false;
    try {
        co_await cv.when(3ms);
    } catch (const condition_variable_timed_out&) {
        timed_out = true;
    }
    EXPECT_TRUE(timed_out);
    future<void> waiting = cv.wait(abort, [] { return false; });
    abort.request_abort();
    bool aborted = false;
    try {
        co_await std::move(waiting);
    } catch (const abort_requested_exception&) {
        aborted = true;
    }
    EXPECT_TRUE(aborted);
    EXPECT_FALSE(cv.has_waiters());
    aborted = false;
    try {
        co_await cv.when(abort);
    } catch (const abort_requested_exception&) {
        aborted = true;
    }
    EXPECT_TRUE(aborted);
}

SHALE_TEST(condition_variable, time_limit_of_a_predicate_wait_is_for_the_whole) {
    condition_variable cv;
    const auto begun = clock::now();
    future<void> waiting = cv.wait(10ms, [] { return false; });
    for (int i = 0; i < 4; ++i) {
        co_await sleep(4ms);
        cv.broadcast();
    }
    auto result = co_await as_result(std::move(waiting));
    EXPECT_FALSE(result.has_value());
    EXPECT_GE(clock::now() - begun, 10ms);
}

SHALE_TEST(condition_variable, broken_one_fails_waits_of_now_and_later) {
    auto cv = std::make_unique<condition_variable>();
    future<void> waiting = cv->wait();
    cv->broken();
    auto now = co_await as_result(std::move(waiting));
    auto later = co_await as_result(cv->wait());
    EXPECT_FALSE(now.has_value());
    EXPECT_FALSE(later.has_value());
    bool broken = false;
    try {
        co_await cv->when();
    } catch (const broken_condition_variable&) {
        broken = true;
    }
    EXPECT_TRUE(broken);
    auto other = std::make_unique<condition_variable>();
    future<void> left = other->wait();
    other.reset();
    auto last = co_await as_result(std::move(left));
    EXPECT_FALSE(last.has_value());
}
