// The promises of core/shard/shard.hh and io.hh: a turn, its order and accounts, and requests that complete once.
// The platform here is a puppet: the test says what time it is and which request is done.
#include <gtest/gtest.h>

#include <cerrno>
#include <deque>
#include <vector>

#include <shale/core/async/coroutine.hh>
#include <shale/core/shard/io.hh>
#include <shale/core/shard/shard.hh>

using namespace shale;

namespace {

class puppet final : public platform {
public:
    std::uint64_t now() noexcept override { return now_ns += 10; }
    std::int64_t wall() noexcept override { return 0; }
    void entropy(std::span<std::byte>) noexcept override {}
    unsigned submit(io_request* const* requests, unsigned count) noexcept override {
        const unsigned take = std::min(count, accept_max);
        taken.insert(taken.end(), requests, requests + take);
        return take;
    }
    unsigned reap(io_request** done, unsigned max) noexcept override {
        unsigned count = 0;
        while (count < max && !finished.empty()) {
            done[count++] = finished.front();
            finished.pop_front();
        }
        return count;
    }
    void wait(std::uint64_t deadline) noexcept override { waits.push_back(deadline); }
    void wake() noexcept override {}

    void finish(io_request& r, std::int32_t result) {
        r.result = result;
        finished.push_back(&r);
    }

    std::uint64_t now_ns = 1000;
    unsigned accept_max = 1000;
    std::vector<io_request*> taken;
    std::deque<io_request*> finished;
    std::vector<std::uint64_t> waits;
};

class a_shard : public ::testing::Test {
protected:
    a_shard() : shard_(outside_, {}), scope_(&shard_) {
        shard* self = &shard_;
        shard_.connect({&self, 1});
    }
    puppet outside_;
    shard shard_;
    run_queue_scope scope_;
};

future<std::int32_t> ask(io_op op, abort_source* abort = nullptr) {
    co_return co_await submit_io(io_request{.op = op}, abort);
}

TEST(shard_quota, ends_the_tasks_of_a_turn_when_it_is_spent) {
    struct seen {
        std::vector<std::uint64_t> since;
    } watched;
    puppet outside;
    shard one(outside,
              {.task_quota_ns = 100'000,
               .watch_tasks =
                   [](void* to, std::uint64_t since_ns) noexcept { static_cast<seen*>(to)->since.push_back(since_ns); },
               .watch_tasks_context = &watched});
    const run_queue_scope scope(&one);
    shard* self = &one;
    one.connect({&self, 1});
    unsigned ran = 0;
    struct slow final : task {
        slow(puppet& p, unsigned& n)
            : task(
                  [](task& t) noexcept {
                      auto& me = static_cast<slow&>(t);
                      me.outside.now_ns += 1'000;
                      ++me.ran;
                  },
                  std::source_location::current()),
              outside(p),
              ran(n) {}
        puppet& outside;
        unsigned& ran;
    };
    std::deque<slow> tasks;
    for (int i = 0; i < 1000; ++i) {
        one.schedule(tasks.emplace_back(outside, ran));
    }
    EXPECT_TRUE(one.step());
    EXPECT_GE(ran, 100u);
    EXPECT_LT(ran, 200u) << "the clock is looked at every few tasks";
    ASSERT_EQ(watched.since.size(), 2u);
    EXPECT_GE(watched.since[0], 1000u);
    EXPECT_EQ(watched.since[1], 0u);
    while (one.step()) {
    }
    EXPECT_EQ(ran, 1000u);
    EXPECT_GE(one.turns(), 5u);
}

}  // namespace

TEST_F(a_shard, does_nothing_in_a_turn_without_work) {
    EXPECT_FALSE(shard_.step());
    EXPECT_TRUE(shard_.can_sleep());
    EXPECT_EQ(shard_.next_deadline(), no_deadline);
}

TEST_F(a_shard, submits_what_its_tasks_asked_for_and_resumes_them_with_the_result) {
    auto answer = ask(io_op::read);
    EXPECT_FALSE(shard_.can_sleep());
    EXPECT_TRUE(shard_.step());
    ASSERT_EQ(outside_.taken.size(), 1U);
    EXPECT_EQ(outside_.taken[0]->op, io_op::read);
    EXPECT_TRUE(shard_.can_sleep()) << "an operation in flight does not forbid sleep";
    EXPECT_FALSE(answer.available());
    outside_.finish(*outside_.taken[0], 42);
    EXPECT_TRUE(shard_.step());
    EXPECT_EQ(answer.get(), 42);
    EXPECT_EQ(shard_.requests_completed(), 1U);
}

TEST_F(a_shard, offers_again_what_the_platform_did_not_take) {
    outside_.accept_max = 1;
    auto first = ask(io_op::read);
    auto second = ask(io_op::write);
    shard_.step();
    EXPECT_EQ(outside_.taken.size(), 1U);
    EXPECT_FALSE(shard_.can_sleep());
    shard_.step();
    ASSERT_EQ(outside_.taken.size(), 2U);
    EXPECT_EQ(outside_.taken[1]->op, io_op::write);
    outside_.finish(*outside_.taken[0], 0);
    outside_.finish(*outside_.taken[1], 1);
    shard_.step();
    EXPECT_EQ(first.get(), 0);
    EXPECT_EQ(second.get(), 1);
}

TEST_F(a_shard, completes_a_cancelled_request_that_never_left_at_once) {
    abort_source abort;
    auto answer = ask(io_op::read, &abort);
    abort.request_abort();
    shard_.step();
    EXPECT_EQ(answer.get(), -ECANCELED);
    EXPECT_TRUE(outside_.taken.empty());
}

TEST_F(a_shard, asks_for_the_withdrawal_of_a_request_in_flight_and_waits_for_its_end) {
    abort_source abort;
    auto answer = ask(io_op::recv, &abort);
    shard_.step();
    abort.request_abort();
    shard_.step();
    ASSERT_EQ(outside_.taken.size(), 2U);
    EXPECT_EQ(outside_.taken[1]->op, io_op::cancel);
    EXPECT_EQ(outside_.taken[1]->extra, outside_.taken[0]);
    EXPECT_FALSE(answer.available()) << "the memory is still the kernel's";
    outside_.finish(*outside_.taken[1], 0);
    outside_.finish(*outside_.taken[0], -ECANCELED);
    shard_.step();
    EXPECT_EQ(answer.get(), -ECANCELED);
}

TEST_F(a_shard, submits_nothing_for_a_source_that_has_fired) {
    abort_source abort;
    abort.request_abort();
    auto answer = ask(io_op::recv, &abort);
    EXPECT_EQ(answer.get(), -ECANCELED);
    EXPECT_TRUE(shard_.can_sleep());
}

TEST_F(a_shard, sleeps_until_its_next_timer_and_not_while_tasks_wait) {
    detail::timer_node node;
    node.fire = [](detail::timer_node&) noexcept {};
    node.group = &shard_.current_group();
    shard_.timers().insert(node, 5'000'000);
    auto waiting = yield();
    shard_.sleep();
    EXPECT_TRUE(outside_.waits.empty());
    while (shard_.step()) {
    }
    shard_.sleep();
    EXPECT_EQ(outside_.waits, std::vector<std::uint64_t>{5'000'000});
    shard_.timers().remove(node);
    waiting.get();
}

TEST_F(a_shard, spreads_a_crowd_of_due_timers_over_turns) {
    static unsigned fired = 0;
    fired = 0;
    std::vector<detail::timer_node> nodes(3000);
    for (detail::timer_node& node : nodes) {
        node.fire = [](detail::timer_node&) noexcept { ++fired; };
        node.group = &shard_.current_group();
        shard_.timers().insert(node, 1);
    }
    shard_.step();
    EXPECT_GT(fired, 0U);
    EXPECT_LT(fired, 3000U) << "completions and tasks must have their turn in between";
    for (int turn = 0; turn < 10; ++turn) {
        shard_.step();
    }
    EXPECT_EQ(fired, 3000U);
}

TEST_F(a_shard, accounts_every_nanosecond_to_a_phase) {
    const std::uint64_t start = outside_.now_ns;
    auto answer = ask(io_op::read);
    for (int i = 0; i < 10; ++i) {
        auto y = yield();
        shard_.step();
        shard_.sleep();
        y.ignore_ready_future();
    }
    outside_.finish(*outside_.taken[0], 0);
    shard_.step();
    shard_.step();
    std::uint64_t sum = 0;
    for (unsigned p = 0; p < phase_count; ++p) {
        sum += shard_.phases().spent_ns(static_cast<phase>(p));
    }
    // A turn's last clock reading may lie before the end of the test, by less than a turn's readings.
    EXPECT_NEAR(static_cast<double>(sum), static_cast<double>(outside_.now_ns - start), 60.0);
    EXPECT_GT(shard_.phases().spent_ns(phase::tasks), 0U);
    EXPECT_GT(shard_.phases().spent_ns(phase::submit), 0U);
    EXPECT_GT(shard_.phases().spent_ns(phase::reap), 0U);
    answer.get();
}

TEST_F(a_shard, charges_task_time_to_the_group) {
    group_queue& busy = shard_.add_group(1, "busy", 100);
    shard_.set_current_group(busy);
    auto y = yield();
    shard_.step();
    EXPECT_GT(busy.runtime_ns(), 0U);
    EXPECT_EQ(busy.tasks_run(), 1U);
    y.get();
}
