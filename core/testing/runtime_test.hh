// GoogleTest bodies on real threads: a whole runtime of 1, 2 and 4 shards on this machine, with its disks and sockets.
//
//     SHALE_RUNTIME_TEST(socket, carries_bytes_both_ways) { co_await ...; }
//
// The body is a coroutine on shard 0. More shards than CPUs share them, so 4 is oversubscribed on 2 cores. As with
// SHALE_TEST, dropped failures on any shard fail the test. No test asserts how long anything took. Link with `shale`.
// check: allow closure, only tests include it
// check: allow test, every test on threads uses it
#pragma once

#include "../app/runtime.hh"
#include "../shard/smp.hh"
#include "testing.hh"

/// A test whose body is a coroutine on shard 0 of runtimes of 1, 2 and 4 shards, one after the other.
#define SHALE_RUNTIME_TEST(suite, name)                                  \
    static shale::future<void> suite##_##name##_body();                  \
    TEST(suite, name) {                                                  \
        for (unsigned shards : {1U, 2U, 4U}) {                           \
            SCOPED_TRACE(::testing::Message() << shards << " shards");   \
            shale::test::run_on_threads(shards, &suite##_##name##_body); \
        }                                                                \
    }                                                                    \
    static shale::future<void> suite##_##name##_body()

namespace shale::test {

/// Runs `f` on shard 0 of a runtime of `shards` shards and reports what went wrong.
inline void run_on_threads(unsigned shards, const body& f) {
    runtime machine({.placement = {.shards = shards}, .stop_timeout = 60s}, "test");
    const int code = machine.run([&f]() -> future<int> {
        co_await smp::invoke_on_all([] { fail_on_dropped_failures(*this_run_queue()); });
        auto done = futurize_invoke(f);
        co_await when_available(done);
        report_outcome(done);
        co_return 0;
    });
    EXPECT_EQ(code, 0) << "the runtime did not stop in order";
}

}  // namespace shale::test
