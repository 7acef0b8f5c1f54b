// Time, sleep, waking and entropy.
#include <algorithm>
#include <vector>

#include "sockets.hh"

namespace shale::contract {
namespace {

class clock_contract : public socket_case {
protected:
    platform& here = outside().at(0);
};
INSTANTIATE_TEST_SUITE_P(, clock_contract, all_sides(), name_of);

TEST_P(clock_contract, never_runs_backwards) {
    std::uint64_t last = here.now();
    for (int i = 0; i < 1000; ++i) {
        turn();
        const std::uint64_t now = here.now();
        ASSERT_GE(now, last);
        last = now;
    }
}

TEST_P(clock_contract, is_shared_by_all_shards) {
    constexpr std::uint64_t slack = 1'000'000;
    const std::uint64_t before = here.now();
    const std::uint64_t there = outside().at(1).now();
    const std::uint64_t after = here.now();
    EXPECT_GE(there + slack, before);
    EXPECT_LE(there, after + slack);
}

TEST_P(clock_contract, wait_ends_at_its_deadline) {
    const std::uint64_t deadline = here.now() + 3'000'000;
    while (here.now() < deadline) {
        outside().wait(0, deadline);  // may end early
    }
    EXPECT_GE(here.now(), deadline);
}

TEST_P(clock_contract, wait_for_the_past_ends_at_once) {
    const std::uint64_t now = here.now();
    outside().wait(0, now);
    outside().wait(0, now - 1000);
    outside().wait(0, 0);
}

TEST_P(clock_contract, a_wake_before_the_wait_ends_it) {
    here.wake();
    outside().wait(0, no_deadline);
    outside().wake_from_elsewhere(0);
    outside().wait(0, no_deadline);
}

TEST_P(clock_contract, a_wake_survives_the_turns_before_the_wait) {
    outside().wake_from_elsewhere(0);
    settle();
    outside().wait(0, no_deadline);
}

TEST_P(clock_contract, many_wakes_end_one_wait_at_least) {
    for (int i = 0; i < 10; ++i) {
        here.wake();
    }
    outside().wait(0, no_deadline);
    const std::uint64_t deadline = here.now() + 2'000'000;
    while (here.now() < deadline) {
        outside().wait(0, deadline);
    }
}

TEST_P(clock_contract, a_wake_ends_the_wait_of_its_shard_with_requests_in_flight) {
    const auto [a, b] = tcp_pair();
    char into[10];
    operation recv(io_op::recv, b, into, sizeof into);
    submit(recv);
    settle();
    outside().wake_from_elsewhere(0);
    outside().wait(0, no_deadline);
    settle();
    EXPECT_FALSE(recv.done());
}

TEST_P(clock_contract, wait_ends_when_a_request_finishes) {
    put("file", "content");
    for (int i = 0; i < 20; ++i) {
        const std::string where = path("file");
        operation open(io_op::open, -1, text(where), 0);
        submit(open);
        while (!open.done()) {
            outside().wait(0, no_deadline);
            turn();
        }
        EXPECT_EQ(close(keep(open.result)), 0);
    }
}

TEST_P(clock_contract, wait_ends_when_data_come) {
    const auto [a, b] = tcp_pair();
    for (int i = 0; i < 20; ++i) {
        char into[10];
        operation recv(io_op::recv, b, into, sizeof into);
        submit(recv);
        settle();
        EXPECT_EQ(send(a, "x"), 1);
        while (!recv.done()) {
            outside().wait(0, no_deadline);
            turn();
        }
        EXPECT_EQ(recv.result, 1);
    }
}

TEST_P(clock_contract, wait_does_not_pass_over_what_has_finished) {
    operation refused(io_op::recv, -1, nullptr, 1);
    submit(refused);
    outside().wait(0, no_deadline);
    turn();
    EXPECT_TRUE(refused.done());
}

TEST_P(clock_contract, the_wall_clock_tells_a_date_of_this_century) {
    EXPECT_GT(here.wall(), 1'500'000'000'000'000'000);
    EXPECT_LT(here.wall(), 4'100'000'000'000'000'000);
}

TEST_P(clock_contract, entropy_fills_all_and_repeats_nothing) {
    std::vector<std::byte> one(1000);
    std::vector<std::byte> two(1000);
    here.entropy(one);
    here.entropy(two);
    EXPECT_NE(one, two);
    for (std::size_t i = 0; i < one.size(); i += 100) {
        EXPECT_TRUE(std::any_of(one.begin() + static_cast<std::ptrdiff_t>(i),
                                one.begin() + static_cast<std::ptrdiff_t>(i + 100),
                                [](std::byte b) { return b != std::byte{0}; }));
    }
}

TEST_P(clock_contract, entropy_of_nothing_and_of_odd_sizes) {
    here.entropy({});
    std::vector<std::byte> guarded(9, std::byte{0x55});
    for (int i = 0; i < 50; ++i) {
        here.entropy(std::span(guarded).subspan(1, 7));
    }
    EXPECT_EQ(guarded.front(), std::byte{0x55});
    EXPECT_EQ(guarded.back(), std::byte{0x55});
}

TEST_P(clock_contract, shards_draw_different_entropy) {
    std::vector<std::byte> one(64);
    std::vector<std::byte> two(64);
    here.entropy(one);
    outside().at(1).entropy(two);
    EXPECT_NE(one, two);
}

}  // namespace
}  // namespace shale::contract
