// The meeting of a crew's threads: nobody goes on before the last has come, and it can be called off.
#include <shale/core/app/detail/meeting.hh>

#include <thread>
#include <vector>

#include <gtest/gtest.h>

namespace shale::detail {
namespace {

TEST(meeting, lets_nobody_pass_before_all_have_come) {
    constexpr unsigned members = 4;
    constexpr unsigned rounds = 200;
    meeting subject(members);
    std::vector<unsigned> done(members);  // plain: the meetings order the accesses
    std::vector<std::thread> threads;
    for (unsigned id = 0; id < members; ++id) {
        threads.emplace_back([&, id] {
            for (unsigned round = 1; round <= rounds; ++round) {
                done[id] = round;
                EXPECT_TRUE(subject.meet());
                for (const unsigned other : done) {
                    EXPECT_EQ(other, round);
                }
                EXPECT_TRUE(subject.meet());
            }
        });
    }
    for (std::thread& each : threads) {
        each.join();
    }
}

TEST(meeting, lets_all_go_when_it_is_called_off) {
    meeting subject(3);
    std::vector<std::thread> waiting;
    for (int i = 0; i < 2; ++i) {
        waiting.emplace_back([&] { EXPECT_FALSE(subject.meet()); });
    }
    subject.call_off();
    for (std::thread& each : waiting) {
        each.join();
    }
    EXPECT_TRUE(subject.called_off());
    for (int i = 0; i < 4; ++i) {
        EXPECT_FALSE(subject.meet());  // also those who come too late, and alone
    }
}

TEST(meeting, of_one_never_waits) {
    meeting subject(1);
    EXPECT_TRUE(subject.meet());
    EXPECT_TRUE(subject.meet());
}

}  // namespace
}  // namespace shale::detail
