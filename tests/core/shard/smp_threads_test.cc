// Cross-core calls between real threads: what the simulation, on one thread, cannot get wrong.
#include <memory>
#include <shale/core/shard/foreign_ptr.hh>
#include <shale/core/shard/sleep.hh>
#include <shale/core/shard/smp.hh>

#include "thread_shards.hh"

namespace {

using namespace shale;

void on_threads(const std::function<future<>()>& body) {
    for (unsigned count : {1U, 2U, 4U}) {
        SCOPED_TRACE(testing::Message() << count << " shards");
        test::thread_shards(count).run_everywhere(body);
    }
}

TEST(smp_threads, answers_every_call_of_everybody) {
    on_threads([]() -> future<> {
        std::vector<future<unsigned>> calls;
        for (unsigned i = 0; i < 100; ++i) {
            for (unsigned target : smp::all_shards()) {
                calls.push_back(smp::submit_to(target, [i] { return i + this_shard_id(); }));
            }
        }
        for (unsigned i = 0; i < calls.size(); ++i) {
            const unsigned answer = co_await std::move(calls[i]);
            EXPECT_EQ(answer, i / smp::shard_count() + i % smp::shard_count());
        }
    });
}

TEST(smp_threads, wakes_sleeping_shards_one_call_at_a_time) {
    on_threads([]() -> future<> {
        for (unsigned i = 0; i < 50; ++i) {
            for (unsigned target : smp::all_shards()) {
                const unsigned answer = co_await smp::submit_to(target, [&i] { return i + this_shard_id(); });
                EXPECT_EQ(answer, i + target);
            }
        }
    });
}

TEST(smp_threads, carries_exceptions_objects_and_slow_answers) {
    on_threads([]() -> future<> {
        const unsigned next = (this_shard_id() + 1) % smp::shard_count();
        for (int i = 0; i < 20; ++i) {
            auto failing = smp::submit_to(next, [text = std::string(50, 'x')]() -> future<> {
                co_await sleep(10us);
                throw std::runtime_error(text);
            });
            const auto outcome = co_await as_result(std::move(failing));
            EXPECT_FALSE(outcome.has_value());
            auto p = co_await smp::submit_to(next, [&i] { return make_foreign(std::make_unique<int>(i)); });
            EXPECT_EQ(p.get_owner_shard(), next);
            co_await p.destroy();
        }
        co_await smp::invoke_on_all([] { return sleep(10us); });
    });
}

}  // namespace
