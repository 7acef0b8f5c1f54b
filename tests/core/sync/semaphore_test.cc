// Semaphores under virtual time: order, limits, and units that come back.
#include <shale/core/async/loop.hh>
#include <shale/core/shard/sleep.hh>
#include <shale/core/sync/semaphore.hh>
#include <shale/core/testing/testing.hh>

#include <string>
#include <vector>

using namespace shale;

namespace {

/// Waits, notes its name, and gives nothing back.
future<void> take(semaphore& from, std::size_t units, std::string name, std::vector<std::string>& log) {
    co_await from.wait(units);
    log.push_back(name);
}

template <class E, class T>
bool failed_with(std::expected<T, std::exception_ptr>& result) {
    if (result) {
        return false;
    }
    try {
        std::rethrow_exception(result.error());
    } catch (const E&) {
        return true;
    } catch (...) {
        return false;
    }
}

}  // namespace

SHALE_TEST(semaphore, gives_what_is_there_at_once) {
    semaphore sem(3);
    future<void> first = sem.wait(2);
    EXPECT_TRUE(first.available());
    first.get();
    EXPECT_EQ(sem.current(), 1U);
    EXPECT_FALSE(sem.try_wait(2));
    EXPECT_TRUE(sem.try_wait(1));
    EXPECT_EQ(sem.available_units(), 0);
    co_return;
}

SHALE_TEST(semaphore, serves_in_the_order_of_coming_though_a_later_one_wants_less) {
    semaphore sem(1);
    std::vector<std::string> log;
    future<void> large = take(sem, 5, "large", log);
    future<void> small = take(sem, 1, "small", log);
    EXPECT_EQ(sem.waiters(), 2U);
    EXPECT_FALSE(sem.try_wait(1)) << "nobody may overtake those who wait";
    sem.signal(1);
    co_await yield_now();
    EXPECT_TRUE(log.empty());
    sem.signal(4);
    co_await std::move(large);
    co_await std::move(small);
    EXPECT_EQ(log, (std::vector<std::string>{"large", "small"}));
    EXPECT_EQ(sem.current(), 0U);
}

SHALE_TEST(semaphore, wait_fails_once_its_time_is_over_and_has_taken_nothing) {
    semaphore sem(1);
    const auto begun = clock::now();
    auto result = co_await as_result(sem.wait(10ms, 2));
    EXPECT_TRUE(failed_with<semaphore_timed_out>(result));
    EXPECT_GE(clock::now() - begun, 10ms);
    EXPECT_EQ(sem.current(), 1U);
    EXPECT_EQ(sem.waiters(), 0U);
}

SHALE_TEST(semaphore, one_that_gives_up_lets_those_behind_it_go_on) {
    semaphore sem(1);
    future<void> large = sem.wait(10ms, 5);
    std::vector<std::string> log;
    future<void> small = take(sem, 1, "small", log);
    auto result = co_await as_result(std::move(large));
    EXPECT_TRUE(failed_with<semaphore_timed_out>(result));
    co_await std::move(small);
    EXPECT_EQ(sem.current(), 0U);
}

SHALE_TEST(semaphore, wait_ends_with_the_abort_sources_reason) {
    semaphore sem(0);
    abort_source plain;
    abort_source special;
    future<void> first = sem.wait(plain);
    future<semaphore_units> second = get_units(sem, 1, special);
    plain.request_abort();
    special.request_abort_ex(std::make_exception_ptr(std::runtime_error("enough")));
    auto first_result = co_await as_result(std::move(first));
    auto second_result = co_await as_result(std::move(second));
    EXPECT_TRUE(failed_with<semaphore_aborted>(first_result));
    EXPECT_TRUE(failed_with<std::runtime_error>(second_result));
    auto late = co_await as_result(sem.wait(plain));
    EXPECT_TRUE(failed_with<semaphore_aborted>(late));
    sem.signal(1);
    co_await sem.wait(plain);  // what is there is taken whatever the limit
    EXPECT_EQ(sem.current(), 0U);
}

SHALE_TEST(semaphore, limit_of_a_served_wait_ends_nothing_later) {
    semaphore sem(0);
    abort_source abort;
    future<void> served = sem.wait({5ms, &abort}, 1);
    sem.signal(1);
    abort.request_abort();
    co_await sleep(10ms);
    co_await std::move(served);
    EXPECT_EQ(sem.current(), 0U);
}

SHALE_TEST(semaphore, broken_one_fails_waits_of_now_and_later) {
    semaphore sem(1);
    future<void> waiting = sem.wait(2);
    sem.broken();
    auto now = co_await as_result(std::move(waiting));
    auto later = co_await as_result(sem.wait(1));
    auto units = co_await as_result(get_units(sem, 1));
    EXPECT_TRUE(failed_with<broken_semaphore>(now));
    EXPECT_TRUE(failed_with<broken_semaphore>(later));
    EXPECT_TRUE(failed_with<broken_semaphore>(units));
}

SHALE_TEST(semaphore, destruction_fails_those_who_wait) {
    auto sem = std::make_unique<semaphore>(0);
    future<void> waiting = sem->wait();
    sem.reset();
    auto result = co_await as_result(std::move(waiting));
    EXPECT_TRUE(failed_with<broken_semaphore>(result));
}

SHALE_TEST(semaphore, consume_may_go_below_zero) {
    semaphore sem(1);
    {
        auto debt = consume_units(sem, 3);
        EXPECT_EQ(sem.available_units(), -2);
        EXPECT_EQ(sem.current(), 0U);
        EXPECT_FALSE(sem.try_wait(1));
    }
    EXPECT_EQ(sem.available_units(), 1);
    co_return;
}

SHALE_TEST(semaphore, units_come_back_however_they_are_moved_about) {
    semaphore sem(10);
    {
        auto units = co_await get_units(sem, 6);
        auto half = units.split(2);
        EXPECT_EQ(units.count(), 4U);
        EXPECT_EQ(half.count(), 2U);
        EXPECT_EQ(sem.current(), 4U);
        EXPECT_EQ(units.return_units(1), 3U);
        EXPECT_EQ(sem.current(), 5U);
        auto moved = std::move(half);
        units.adopt(std::move(moved));
        EXPECT_EQ(units.count(), 5U);
        EXPECT_TRUE(try_get_units(sem, 5).has_value());
        EXPECT_FALSE(try_get_units(sem, 6).has_value());
    }
    EXPECT_EQ(sem.current(), 10U);
    auto kept = co_await get_units(sem, 4);
    EXPECT_EQ(kept.release(), 4U);
    EXPECT_EQ(sem.current(), 6U);
}

SHALE_TEST(semaphore, units_for_somebody_who_has_gone_come_back) {
    semaphore sem(0);
    { future<semaphore_units> dropped = get_units(sem, 1); }
    future<void> next = sem.wait(1);
    sem.signal(1);
    co_await std::move(next);
    EXPECT_EQ(sem.current(), 0U);
}

SHALE_TEST(semaphore, with_semaphore_bounds_concurrency_and_keeps_the_callable) {
    semaphore sem(2);
    int running = 0;
    int most = 0;
    std::vector<int> jobs{1, 2, 3, 4, 5, 6};
    std::vector<std::string> seen;
    co_await parallel_for_each(jobs, [&](int job) {
        return with_semaphore(sem, 1, [&, text = std::string(40, static_cast<char>('a' + job))]() -> future<void> {
            ++running;
            most = std::max(most, running);
            co_await sleep(1ms);
            seen.push_back(text);  // a capture, after a wait
            --running;
        });
    });
    EXPECT_EQ(most, 2);
    EXPECT_EQ(seen.size(), 6U);
    EXPECT_EQ(seen.front(), std::string(40, 'b'));
    EXPECT_EQ(sem.current(), 2U);
}

SHALE_TEST(semaphore, with_semaphore_gives_back_after_a_failure) {
    semaphore sem(1);
    auto result = co_await as_result(with_semaphore(sem, 1, [] { throw std::runtime_error("no"); }));
    EXPECT_TRUE(failed_with<std::runtime_error>(result));
    EXPECT_EQ(sem.current(), 1U);
    const int value = co_await with_semaphore(sem, 1, 1s, [] { return 7; });
    EXPECT_EQ(value, 7);
}
