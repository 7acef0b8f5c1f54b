// The promises of core/async/run_queue.hh: order within a group, shares between groups.
#include <gtest/gtest.h>

#include <algorithm>
#include <vector>

#include <shale/core/async/run_queue.hh>

using namespace shale;

namespace {

struct bare_queue : run_queue {};

/// Writes its number when it runs; queued again as often as asked.
struct note final : task {
    note(int number, std::vector<int>& out) : task(&run, std::source_location::current()), number_(number), out_(out) {}
    static void run(task& self) noexcept {
        auto& n = static_cast<note&>(self);
        n.out_.push_back(n.number_);
        if (n.again_ > 0) {
            --n.again_;
            this_run_queue()->schedule(n);
        } else {
            delete &n;
        }
    }
    int number_;
    std::vector<int>& out_;
    int again_ = 0;
};

}  // namespace

TEST(run_queue, runs_a_group_first_in_first_out_and_urgent_tasks_first) {
    bare_queue queue;
    run_queue_scope scope(&queue);
    std::vector<int> out;
    queue.schedule(*new note(1, out));
    queue.schedule(*new note(2, out));
    queue.schedule_urgent(*new note(0, out));
    EXPECT_EQ(queue.ready_tasks(), 3U);
    queue.run_group(*queue.next_group());
    EXPECT_EQ(out, (std::vector<int>{0, 1, 2}));
    EXPECT_FALSE(queue.has_tasks());
    EXPECT_EQ(queue.next_group(), nullptr);
}

TEST(run_queue, leaves_the_group_when_preemption_is_due_after_at_least_one_task) {
    bare_queue queue;
    run_queue_scope scope(&queue);
    std::vector<int> out;
    queue.schedule(*new note(1, out));
    queue.schedule(*new note(2, out));
    queue.preempt_flag().store(true);
    EXPECT_TRUE(need_preempt());
    queue.run_group(*queue.next_group());
    EXPECT_EQ(out, (std::vector<int>{1}));
    queue.preempt_flag().store(false);
    queue.run_group(*queue.next_group());
    EXPECT_EQ(out, (std::vector<int>{1, 2}));
}

TEST(run_queue, shares_time_by_shares) {
    bare_queue queue;
    run_queue_scope scope(&queue);
    group_queue& small = queue.add_group(1, "small", 100);
    group_queue& large = queue.add_group(2, "large", 400);
    std::vector<int> out;
    for (group_queue* group : {&small, &large}) {
        queue.set_current_group(*group);
        auto* n = new note(static_cast<int>(group->id()), out);
        n->again_ = 999;
        queue.schedule(*n);
    }
    queue.preempt_flag().store(true);
    for (int i = 0; i < 1000; ++i) {
        group_queue* next = queue.next_group();
        queue.run_group(*next);
        queue.charge(*next, 1000);
    }
    const auto of_small = std::count(out.begin(), out.end(), static_cast<int>(small.id()));
    EXPECT_NEAR(static_cast<double>(of_small), 200.0, 5.0);
    queue.preempt_flag().store(false);
    while (group_queue* next = queue.next_group()) {
        queue.run_group(*next);
    }
}

TEST(run_queue, gives_a_group_that_slept_no_credit_for_it) {
    bare_queue queue;
    run_queue_scope scope(&queue);
    group_queue& awake = queue.add_group(1, "awake", 100);
    group_queue& late = queue.add_group(2, "late", 100);
    std::vector<int> out;
    queue.set_current_group(awake);
    auto* busy = new note(1, out);
    busy->again_ = 1999;
    queue.schedule(*busy);
    queue.preempt_flag().store(true);
    auto turns = [&](int count) {
        for (int i = 0; i < count; ++i) {
            group_queue* next = queue.next_group();
            queue.run_group(*next);
            queue.charge(*next, 1000);
        }
    };
    turns(1000);
    queue.set_current_group(late);
    auto* sleeper = new note(2, out);
    sleeper->again_ = 999;
    queue.schedule(*sleeper);
    out.clear();
    turns(100);
    EXPECT_NEAR(static_cast<double>(std::count(out.begin(), out.end(), 2)), 50.0, 2.0);
    queue.preempt_flag().store(false);
    while (group_queue* next = queue.next_group()) {
        queue.run_group(*next);
    }
}
