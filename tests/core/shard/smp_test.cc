// Cross-core calls, on simulated shards.
#include <gmock/gmock.h>

#include <algorithm>
#include <memory>
#include <numeric>
#include <shale/core/async/timed_out.hh>
#include <shale/core/shard/sleep.hh>
#include <shale/core/shard/smp.hh>
#include <shale/core/testing/testing.hh>
#include <string>
#include <vector>

namespace {

using namespace shale;

/// A test on shard 0 of a world of `shards`, with rings of `capacity`.
void on_world(unsigned shards, unsigned capacity, const test::body& body) {
    test::run({.shards = shards, .mailbox_capacity = capacity}, body);
}

SHALE_TEST_EVERY_SHARD(smp, runs_on_the_shard_it_is_sent_to) {
    EXPECT_EQ(this_shard_id(), this_shard().id());
    for (unsigned target : smp::all_shards()) {
        const unsigned ran_on = co_await smp::submit_to(target, [] { return this_shard_id(); });
        EXPECT_EQ(ran_on, target);
    }
}

SHALE_TEST_EVERY_SHARD(smp, brings_back_values_futures_and_nothing) {
    const unsigned next = (this_shard_id() + 1) % smp::shard_count();
    const auto text = co_await smp::submit_to(next, [] { return std::string("here"); });
    EXPECT_EQ(text, "here");
    const int number = co_await smp::submit_to(next, [] { return make_ready_future<int>(3); });
    EXPECT_EQ(number, 3);
    co_await smp::submit_to(next, [] {});
    co_await smp::submit_to(next, [] { return sleep(1ms); });
    auto f = smp::submit_to(next, [p = std::make_unique<int>(4)]() mutable { return std::move(p); });
    const auto moved = co_await std::move(f);
    EXPECT_EQ(*moved, 4);
}

SHALE_TEST_EVERY_SHARD(smp, brings_back_exceptions) {
    const unsigned next = (this_shard_id() + 1) % smp::shard_count();
    auto thrown = co_await as_result(smp::submit_to(next, []() -> int { throw std::out_of_range("too far"); }));
    EXPECT_FALSE(thrown.has_value());
    EXPECT_THROW(std::rethrow_exception(thrown.error()), std::out_of_range);
    auto later = co_await as_result(smp::submit_to(next, []() -> future<int> {
        co_await sleep(1ms);
        throw std::out_of_range("too far");
    }));
    EXPECT_THROW(std::rethrow_exception(later.error()), std::out_of_range);
}

SHALE_TEST_EVERY_SHARD(smp, keeps_a_coroutine_lambda_alive_until_its_future_is_done) {
    for (unsigned target : smp::all_shards()) {
        auto witness = std::make_shared<int>(7);
        std::weak_ptr<int> watch = witness;
        auto f =
            smp::submit_to(target, [w = std::move(witness), text = std::string(100, 'x')]() -> future<std::size_t> {
                co_await sleep(1ms);
                co_return text.size() + static_cast<std::size_t>(*w);
            });
        EXPECT_FALSE(watch.expired());
        const std::size_t size = co_await std::move(f);
        EXPECT_EQ(size, 107U);
        EXPECT_TRUE(watch.expired());
    }
}

SHALE_TEST(smp, runs_in_place_on_its_own_shard) {
    bool ran = false;
    auto f = smp::submit_to(0, [&] { ran = true; });
    EXPECT_TRUE(ran);
    EXPECT_TRUE(f.available());
    co_await std::move(f);
}

SHALE_TEST(smp, copies_what_a_callable_refers_to) {
    std::string text = "shared";
    auto f = smp::submit_to(0, [&text]() -> std::string& { return text; });
    static_assert(std::is_same_v<decltype(f), future<std::string>>);
    text = "changed";
    const auto copy = co_await std::move(f);
    EXPECT_EQ(copy, "shared");
}

TEST(smp, starts_calls_in_the_order_they_were_made) {
    on_world(2, 2, []() -> future<> {
        auto order = std::make_shared<std::vector<int>>();
        std::vector<future<>> calls;
        for (int i = 0; i < 100; ++i) {
            calls.push_back(smp::submit_to(1, [order = order.get(), i] { order->push_back(i); }));
        }
        for (auto& call : calls) {
            co_await std::move(call);
        }
        std::vector<int> expected(100);
        std::iota(expected.begin(), expected.end(), 0);
        EXPECT_EQ(*order, expected);
    });
}

TEST(smp, runs_in_the_callers_scheduling_group) {
    sim::world world({.shards = 2});
    for (unsigned id : {0U, 1U}) {
        world.on(id, [&] { world.at(id).add_group(1, "batch", 100); });
    }
    auto f = world.on(0, [&] {
        this_shard().set_current_group(this_shard().group(1));
        auto call = smp::submit_to(1, []() -> future<std::string> {
            co_await sleep(1ms);
            co_return this_shard().current_group().name();
        });
        this_shard().set_current_group(this_shard().group(0));
        return call;
    });
    EXPECT_TRUE(world.run_until([&] { return f.available(); }));
    world.on(0, [&] { EXPECT_EQ(f.get(), "batch"); });
}

SHALE_TEST_EVERY_SHARD(smp, invokes_on_all_and_on_others) {
    const unsigned n = smp::shard_count();
    std::vector<std::uint8_t> hits(n);
    co_await smp::invoke_on_all([&hits] { ++hits[this_shard_id()]; });
    EXPECT_THAT(hits, testing::Each(1));
    co_await smp::invoke_on_others([&hits]() -> future<> {
        co_await sleep(1ms);
        ++hits[this_shard_id()];
    });
    EXPECT_EQ(hits[this_shard_id()], 1);
    EXPECT_EQ(std::ranges::count(hits, 2), n - 1);
}

SHALE_TEST_EVERY_SHARD(smp, waits_for_all_shards_although_one_fails) {
    const unsigned n = smp::shard_count();
    std::vector<std::uint8_t> done(n);
    auto outcome = co_await as_result(smp::invoke_on_all([&done]() -> future<> {
        co_await sleep(std::chrono::milliseconds(this_shard_id()));
        done[this_shard_id()] = 1;
        throw std::runtime_error("everywhere");
    }));
    EXPECT_FALSE(outcome.has_value());
    EXPECT_THAT(done, testing::Each(1));
}

// Every shard calls every other at once, far beyond what the rings hold.
TEST(smp, completes_a_flood_through_rings_of_one) {
    for (unsigned shards : {2U, 3U, 4U}) {
        test::run_everywhere({.shards = shards, .mailbox_capacity = 1}, []() -> future<> {
            std::vector<future<unsigned>> calls;
            for (unsigned i = 0; i < 200; ++i) {
                for (unsigned target : smp::all_shards()) {
                    calls.push_back(smp::submit_to(target, [i] { return i + this_shard_id(); }));
                }
            }
            for (unsigned i = 0; i < calls.size(); ++i) {
                const unsigned answer = co_await std::move(calls[i]);
                EXPECT_EQ(answer, i / smp::shard_count() + i % smp::shard_count());
            }
            const auto& sent = this_shard().mail().sent_to((this_shard_id() + 1) % smp::shard_count());
            EXPECT_EQ(sent.messages, 400U);  // 200 requests and 200 replies
            EXPECT_GT(sent.full_waits, 0U);
            EXPECT_GT(this_shard().mail().received_from((this_shard_id() + 1) % smp::shard_count()).samples, 0U);
        });
    }
}

TEST(smp, gives_up_a_call_that_could_not_be_sent_in_time) {
    on_world(2, 1, []() -> future<> {
        int ran = 0;
        auto first = smp::submit_to(1, [&ran] { ++ran; });
        auto second = smp::submit_to(1, {.send_by = clock::now()}, [&ran] { ++ran; });
        abort_source abort;
        auto third = smp::submit_to(1, {.abort = &abort}, [&ran] { ++ran; });
        auto fourth = smp::submit_to(1, [&ran] { ++ran; });
        abort.request_abort();
        EXPECT_TRUE(third.failed());
        EXPECT_THROW(third.get(), abort_requested_exception);
        auto outcome = co_await as_result(std::move(second));
        if (!outcome) {
            EXPECT_THROW(std::rethrow_exception(outcome.error()), timed_out_error);
        }
        co_await std::move(first);
        co_await std::move(fourth);
        EXPECT_EQ(ran, outcome ? 3 : 2);
    });
}

TEST(smp, completes_a_call_that_was_sent_although_it_is_aborted) {
    on_world(2, 1, []() -> future<> {
        abort_source abort;
        auto call = smp::submit_to(1, {.abort = &abort}, [] { return 1; });
        abort.request_abort();
        const int answer = co_await std::move(call);
        EXPECT_EQ(answer, 1);
        auto late = smp::submit_to(1, {.abort = &abort}, [] { return 1; });
        EXPECT_THROW(late.get(), abort_requested_exception);
    });
}

TEST(smp, gives_up_the_last_of_those_that_wait_and_sends_on) {
    on_world(2, 1, []() -> future<> {
        abort_source abort;
        auto first = smp::submit_to(1, [] { return 1; });
        auto second = smp::submit_to(1, [] { return 2; });
        auto third = smp::submit_to(1, {.abort = &abort}, [] { return 3; });
        abort.request_abort();
        EXPECT_THROW(third.get(), abort_requested_exception);
        auto fourth = smp::submit_to(1, [] { return 4; });
        std::vector<int> answers;
        for (future<int>* call : {&first, &second, &fourth}) {
            const int answer = co_await std::move(*call);
            answers.push_back(answer);
        }
        EXPECT_THAT(answers, testing::ElementsAre(1, 2, 4));
    });
}

TEST(smp, lets_the_caller_drop_the_future) {
    on_world(2, 4, []() -> future<> {
        auto ran = std::make_shared<bool>(false);
        (void)smp::submit_to(1, [ran = ran.get()] { *ran = true; });
        co_await sleep(1ms);
        EXPECT_TRUE(*ran);
    });
}

}  // namespace
