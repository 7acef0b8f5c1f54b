// The promises of core/async/task.hh: group and site at creation, memory from the shard's pool.
#include <gtest/gtest.h>

#include <shale/core/async/run_queue.hh>
#include <shale/core/async/task.hh>

using namespace shale;

namespace {

struct bare_queue : run_queue {};

struct plain final : task {
    explicit plain(std::source_location site = std::source_location::current()) : task(&run, site) {}
    static void run(task& self) noexcept { delete &static_cast<plain&>(self); }
};

}  // namespace

TEST(task, belongs_to_the_group_that_was_current_when_it_was_made) {
    bare_queue queue;
    run_queue_scope scope(&queue);
    group_queue& first = queue.current_group();
    group_queue& second = queue.add_group(1, "second", 100);
    auto* a = new plain;
    queue.set_current_group(second);
    auto* b = new plain;
    EXPECT_EQ(&a->group(), &first);
    EXPECT_EQ(&b->group(), &second);
    queue.schedule(*a);
    queue.schedule(*b);
    EXPECT_EQ(first.length(), 1U);
    EXPECT_EQ(second.length(), 1U);
    while (group_queue* group = queue.next_group()) {
        queue.run_group(*group);
    }
    EXPECT_EQ(first.tasks_run() + second.tasks_run(), 2U);
}

TEST(task, knows_where_it_was_made) {
    bare_queue queue;
    run_queue_scope scope(&queue);
    plain t;
    EXPECT_NE(std::string_view(t.site().file_name()).find("task_test.cc"), std::string_view::npos);
}

TEST(task, takes_its_memory_from_the_shard) {
    bare_queue queue;
    run_queue_scope scope(&queue);
    auto* t = new plain;
    EXPECT_EQ(queue.frames().live(), 1);
    delete t;
    EXPECT_EQ(queue.frames().live(), 0);
}

TEST(task_death, cannot_be_made_on_a_thread_that_is_no_shard) {
    EXPECT_DEATH(plain{}, "only on a shard");
}
