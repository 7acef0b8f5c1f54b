// GoogleTest bodies that run on shards.
//
//     SHALE_TEST(gate, refuses_entry_once_closed) { co_await ...; EXPECT_TRUE(...); }
//     SHALE_TEST_EVERY_SHARD(smp, answers_from_everywhere) { ... this_shard().id() ... }
//
// Both run in a simulated world: virtual time, no threads, an order drawn from a seed (SHALE_TEST_SEED, else fixed;
// printed when a test fails). A body that never ends, because nothing will ever happen again, fails. So does a failed
// future that nobody looked at, or a promise given up, with the place it came from. GoogleTest's ASSERT_ macros return
// and cannot be used in coroutines: use EXPECT_, or CO_ASSERT, which ends the body.
// Tests on real threads: runtime_test.hh.
// check: allow closure, only tests include it
#pragma once

#include <gtest/gtest.h>

#include <functional>

#include "../async/coroutine.hh"
#include "../sim/world.hh"

/// Ends the coroutine, and the test with a failure, unless `condition` holds.
#define CO_ASSERT(condition)                              \
    do {                                                  \
        if (!(condition)) {                               \
            ADD_FAILURE() << "CO_ASSERT: " << #condition; \
            co_return;                                    \
        }                                                 \
    } while (false)

/// A test whose body is a coroutine on shard 0 of a world of one shard.
#define SHALE_TEST(suite, name)                         \
    static shale::future<void> suite##_##name##_body(); \
    TEST(suite, name) {                                 \
        shale::test::run({}, &suite##_##name##_body);   \
    }                                                   \
    static shale::future<void> suite##_##name##_body()

/// A test whose body runs as a coroutine on every shard at once, of worlds of 1, 2 and 4 shards.
#define SHALE_TEST_EVERY_SHARD(suite, name)                                          \
    static shale::future<void> suite##_##name##_body();                              \
    TEST(suite, name) {                                                              \
        for (unsigned shards : {1U, 2U, 4U}) {                                       \
            SCOPED_TRACE(::testing::Message() << shards << " shards");               \
            shale::test::run_everywhere({.shards = shards}, &suite##_##name##_body); \
        }                                                                            \
    }                                                                                \
    static shale::future<void> suite##_##name##_body()

namespace shale::test {

using body = std::function<future<void>()>;

/// The seed of this process: SHALE_TEST_SEED, or 1.
std::uint64_t seed();

/// Runs `f` as a coroutine on shard 0 of a world and reports what went wrong. `options.seed` of 1 means seed().
void run(sim::world_options options, const body& f);

/// As run(), with `f` on every shard at once.
void run_everywhere(sim::world_options options, const body& f);

/// Makes every dropped failure of `queue` a failure of the current test.
void fail_on_dropped_failures(run_queue& queue) noexcept;

/// While it lives, dropped failures on this shard are collected instead of failing the test.
class expect_dropped_failures {
public:
    expect_dropped_failures();
    expect_dropped_failures(const expect_dropped_failures&) = delete;
    expect_dropped_failures& operator=(const expect_dropped_failures&) = delete;
    ~expect_dropped_failures();

    std::uint64_t count() const noexcept { return queue_->dropped_failures - before_; }

private:
    run_queue* queue_;
    run_queue::dropped_failure_hook hook_;
    std::uint64_t before_;
};

/// A body's error as a failure of the current test.
void report_outcome(future<void>& done);

}  // namespace shale::test
