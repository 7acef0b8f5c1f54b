// The promises of core/sim/deadline.hh.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <shale/core/shard/sleep.hh>
#include <shale/core/sim/deadline.hh>
#include <shale/core/testing/testing.hh>

using namespace shale;
using namespace std::chrono_literals;

namespace {

future<int> seven_after(duration wait) {
    co_await sleep(wait);
    co_return 7;
}

future<> fail_after(duration wait) {
    co_await sleep(wait);
    throw std::runtime_error("mine");
}

template <class Make>
auto on_tester(Make make) {
    sim::world world({});
    auto f = world.on(0, [&] { return make(world); });
    EXPECT_TRUE(world.run_until([&] { return f.available(); }));
    world.settle();
    return f;
}

}  // namespace

TEST(deadline, passes_on_what_comes_in_time) {
    EXPECT_EQ(on_tester([](sim::world& w) { return sim::deadline(w, 1s, seven_after(10ms)); }).get(), 7);
    EXPECT_THROW(on_tester([](sim::world& w) { return sim::deadline(w, 1s, fail_after(10ms)); }).get(),
                 std::runtime_error);
    EXPECT_NO_THROW(on_tester([](sim::world& w) { return sim::deadline(w, 1s, make_ready_future<>()); }).get());
}

TEST(deadline, says_who_waits_for_what_when_it_is_missed) {
    try {
        on_tester([](sim::world& w) { return sim::deadline(w, 1s, fail_after(2s)); }).get();
        ADD_FAILURE() << "it was not in time";
    } catch (const sim::deadline_missed& e) {
        EXPECT_THAT(e.what(), testing::AllOf(testing::HasSubstr("after 1000 ms"), testing::HasSubstr("test/0: ")));
    }
}
