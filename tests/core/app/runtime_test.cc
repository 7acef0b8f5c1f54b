// Runtimes on real threads: start and stop with few and many shards, several at once, and every way to end.
#include <shale/core/app/runtime.hh>

#include <atomic>
#include <stdexcept>
#include <thread>

#include <gtest/gtest.h>

#include <shale/core/app/exit_code.hh>
#include <shale/core/async/coroutine.hh>
#include <shale/core/shard/shard.hh>
#include <shale/core/shard/sleep.hh>

namespace shale {
namespace {

runtime_options with_shards(unsigned shards) {
    runtime_options options;
    options.placement.shards = shards;
    return options;
}

TEST(runtime, runs_main_on_shard_0_and_gives_what_it_returns) {
    for (const unsigned shards : {1U, 2U, 4U}) {
        runtime subject(with_shards(shards));
        EXPECT_EQ(subject.plan().shards.size(), shards);
        const int code = subject.run([shards]() -> future<int> {
            EXPECT_TRUE(on_shard());
            EXPECT_EQ(this_shard().id(), 0U);
            EXPECT_EQ(this_shard().count(), shards);
            co_return 7;
        });
        EXPECT_EQ(code, 7);
        EXPECT_FALSE(subject.left_something_behind());
        EXPECT_FALSE(on_shard());
    }
}

TEST(runtime, may_be_started_again_and_again) {
    for (int i = 0; i < 5; ++i) {
        EXPECT_EQ(runtime(with_shards(2)).run([i] { return make_ready_future<int>(i); }), i);
    }
}

TEST(runtime, runs_beside_others_in_one_process) {
    std::atomic<int> started{0};
    std::array<int, 3> codes{};
    std::vector<std::thread> threads;
    for (int i = 0; i < 3; ++i) {
        threads.emplace_back([i, &started, &codes] {
            runtime subject(with_shards(2));
            codes[static_cast<std::size_t>(i)] = subject.run([i, &started]() -> future<int> {
                ++started;
                while (started < 3) {  // all of them live at the same time
                    co_await sleep(100us);
                }
                EXPECT_EQ(this_shard().id(), 0U);
                co_return 10 + i;
            });
        });
    }
    for (std::thread& each : threads) {
        each.join();
    }
    EXPECT_EQ(codes, (std::array<int, 3>{10, 11, 12}));
}

TEST(runtime, waits_for_main_while_shards_sleep) {
    runtime subject(with_shards(2));
    EXPECT_EQ(subject.run([]() -> future<int> {
        const auto begin = this_shard().now();
        co_await sleep(5ms);
        EXPECT_GE(this_shard().now() - begin, 5ms);
        co_return 1;
    }),
              1);
}

TEST(runtime, tells_main_when_another_thread_asks_for_the_stop) {
    runtime subject(with_shards(2));
    std::atomic<bool> running{false};
    std::thread other([&] {
        while (!running) {
            std::this_thread::yield();
        }
        subject.request_stop();
    });
    EXPECT_EQ(subject.run([&]() -> future<int> {
        running = true;
        co_await subject.stop_signal();
        EXPECT_TRUE(subject.stop_source().abort_requested());
        co_return 2;
    }),
              2);
    other.join();
}

TEST(runtime, remembers_a_stop_that_was_asked_for_before_the_start) {
    runtime subject(with_shards(1));
    subject.request_stop();
    EXPECT_EQ(subject.run([&]() -> future<int> {
        co_await subject.stop_signal();
        co_return 3;
    }),
              3);
}

TEST(runtime, fires_the_abort_source_when_main_returns) {
    runtime subject(with_shards(1));
    bool fired = false;
    std::optional<abort_source::subscription> subscription;
    EXPECT_EQ(subject.run([&]() -> future<int> {
        subscription = subject.stop_source().subscribe([&](const std::exception_ptr&) { fired = true; });
        subject.at_exit([&]() -> future<> {
            co_await sleep(1ms);
            subscription.reset();
        });
        co_return 0;
    }),
              0);
    EXPECT_TRUE(fired);
}

TEST(runtime, runs_exit_functions_before_the_shards_end) {
    runtime subject(with_shards(2));
    std::vector<int> order;
    EXPECT_EQ(subject.run([&]() -> future<int> {
        for (int i = 0; i < 3; ++i) {
            subject.at_exit([&order, i]() -> future<> {
                co_await sleep(100us);
                EXPECT_TRUE(on_shard());
                order.push_back(i);
            });
        }
        co_return 0;
    }),
              0);
    EXPECT_EQ(order, (std::vector<int>{2, 1, 0}));
}

TEST(runtime, finishes_what_was_left_in_the_background) {
    runtime subject(with_shards(2));
    int steps = 0;
    EXPECT_EQ(subject.run([&]() -> future<int> {
        (void)[](int& counted)->future<> {
            for (int i = 0; i < 1000; ++i) {
                co_await yield_now();
                ++counted;
            }
        }
        (steps);
        co_return 0;
    }),
              0);
    EXPECT_EQ(steps, 1000);
}

TEST(runtime, fails_when_main_throws) {
    runtime subject(with_shards(2));
    EXPECT_EQ(subject.run([]() -> future<int> {
        co_await sleep(1us);
        throw std::runtime_error("on purpose");
    }),
              exit_code::failed);
}

TEST(runtime, polls_without_sleeping_when_told_to) {
    runtime_options options = with_shards(1);
    options.poll = true;
    runtime subject(options);
    EXPECT_EQ(subject.run([]() -> future<int> {
        const std::uint64_t before = this_shard().sleeps();
        co_await sleep(2ms);
        co_return static_cast<int>(this_shard().sleeps() - before);
    }),
              0);
}

TEST(runtime, asks_long_tasks_to_give_way) {
    runtime_options options = with_shards(1);
    options.task_quota = 200us;
    runtime subject(options);
    EXPECT_EQ(subject.run([]() -> future<int> {
        co_await yield_now();
        while (!need_preempt()) {
        }
        co_return 0;
    }),
              0);
}

TEST(runtime, refuses_impossible_options_in_a_sentence_before_anything_starts) {
    runtime_options options;
    options.placement.cpuset = {4000};
    try {
        const runtime subject(options);
        FAIL() << "accepted";
    } catch (const std::runtime_error& error) {
        EXPECT_TRUE(std::string(error.what()).starts_with("--cpuset 4000: there is no CPU 4000 here (online: "))
            << error.what();
    }
}

}  // namespace
}  // namespace shale
