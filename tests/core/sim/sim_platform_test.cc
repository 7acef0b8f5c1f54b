// The promises of core/sim/detail/sim_platform.hh: a shard's clock, entropy, and the way of its requests.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <array>
#include <vector>

#include <shale/core/shard/platform.hh>
#include <shale/core/sim/detail/sim_platform.hh>

#include "simulated_part.hh"

using namespace shale;
using sim::detail::sim_platform;

namespace {

struct fixture {
    explicit fixture(std::uint64_t seed = 1) : world({.seed = seed}) {
        at.name = "a";
        at.disk = std::make_unique<sim::simulated_part>();
    }
    sim::simulated_part& disk() { return static_cast<sim::simulated_part&>(*at.disk); }
    std::vector<io_request*> reap(unsigned max = 256) {
        std::vector<io_request*> done(max);
        done.resize(outside.reap(done.data(), max));
        return done;
    }
    void submit(io_request& request) {
        io_request* one = &request;
        EXPECT_EQ(outside.submit(&one, 1), 1U);
    }

    sim::detail::world_core world;
    sim::detail::host at;
    sim::detail::handle_table handles;
    sim_platform outside{world, at, handles, 0, 0};
};

/// The order in which 8 requests that finished at once come back.
std::vector<std::uint64_t> order_of_completions(std::uint64_t seed) {
    fixture f(seed);
    std::array<io_request, 8> requests{};
    for (unsigned i = 0; i < requests.size(); ++i) {
        requests[i] = {.op = io_op::read, .offset = i};
        f.submit(requests[i]);
    }
    f.disk().finish_all(0);
    std::vector<std::uint64_t> order;
    while (order.size() < requests.size()) {
        const auto some = f.reap(3);
        EXPECT_LE(some.size(), 3U);
        EXPECT_FALSE(some.empty());
        for (const io_request* each : some) {
            order.push_back(each->offset);
        }
    }
    EXPECT_TRUE(f.reap().empty());
    return order;
}

}  // namespace

TEST(sim_platform, has_a_clock_that_moves_with_its_turns_and_never_back) {
    fixture f;
    const auto start = f.outside.now();
    f.outside.begin_turn(start + 100);
    EXPECT_EQ(f.outside.now(), start + 100);
    f.outside.charge(7);
    EXPECT_EQ(f.outside.now(), start + 107);
    f.outside.end_turn(50);
    EXPECT_EQ(f.outside.ready_ns(), start + 157);
    f.outside.begin_turn(start + 120);
    EXPECT_EQ(f.outside.now(), start + 157);
}

TEST(sim_platform, draws_the_same_entropy_from_the_same_seed) {
    std::array<std::byte, 32> first{};
    std::array<std::byte, 32> second{};
    for (auto* out : {&first, &second}) {
        fixture f(9);
        f.outside.entropy(*out);
    }
    EXPECT_EQ(first, second);
    fixture other(10);
    other.outside.entropy(second);
    EXPECT_NE(first, second);
}

TEST(sim_platform, stays_asleep_until_the_deadline_or_a_wake) {
    fixture f;
    const auto now = f.outside.now();
    f.outside.begin_turn(now);
    f.outside.wait(now + 77);
    EXPECT_TRUE(f.outside.asleep());
    EXPECT_EQ(f.outside.ready_ns(), now + 77);
    f.outside.wake();
    EXPECT_FALSE(f.outside.asleep());
    EXPECT_EQ(f.outside.ready_ns(), now);
    f.outside.wait(no_deadline);
    EXPECT_FALSE(f.outside.asleep()) << "a wake before the wait ends it too";
}

TEST(sim_platform, completes_what_has_no_part_with_enosys) {
    fixture f;
    io_request request{.op = io_op::recv};
    f.submit(request);
    EXPECT_THAT(f.reap(), testing::ElementsAre(&request));
    EXPECT_EQ(request.result, -ENOSYS);
}

TEST(sim_platform, refuses_to_close_what_is_not_open) {
    fixture f;
    io_request request{.op = io_op::close, .fd = 3};
    f.submit(request);
    EXPECT_THAT(f.reap(), testing::ElementsAre(&request));
    EXPECT_EQ(request.result, -EBADF);
}

TEST(sim_platform, gives_completions_back_in_an_order_drawn_from_the_seed) {
    EXPECT_EQ(order_of_completions(3), order_of_completions(3));
    EXPECT_NE(order_of_completions(3), order_of_completions(4));
    EXPECT_THAT(order_of_completions(3), testing::UnorderedElementsAre(0, 1, 2, 3, 4, 5, 6, 7));
}

TEST(sim_platform, wakes_a_shard_whose_request_finishes) {
    fixture f;
    io_request request{.op = io_op::read};
    f.submit(request);
    f.outside.wait(no_deadline);
    EXPECT_EQ(f.outside.ready_ns(), no_deadline);
    EXPECT_EQ(f.outside.describe_requests(), "1 read");
    f.disk().finish_all(12);
    EXPECT_LT(f.outside.ready_ns(), no_deadline);
    EXPECT_THAT(f.reap(), testing::ElementsAre(&request));
    EXPECT_EQ(request.result, 12);
    EXPECT_EQ(f.outside.describe_requests(), "");
}

TEST(sim_platform, cancels_with_three_honest_answers) {
    fixture f;
    io_request target{.op = io_op::read};
    std::array<io_request, 3> cancels{};
    for (io_request& each : cancels) {
        each = {.op = io_op::cancel, .extra = &target};
    }
    f.submit(target);
    f.disk().withdrawable = false;
    f.submit(cancels[0]);
    EXPECT_THAT(f.reap(), testing::ElementsAre(&cancels[0]));
    EXPECT_EQ(cancels[0].result, -EALREADY);

    io_request other{.op = io_op::read};
    f.disk().withdrawable = true;
    f.submit(other);
    cancels[1].extra = &other;
    f.submit(cancels[1]);
    EXPECT_THAT(f.reap(), testing::UnorderedElementsAre(&other, &cancels[1]));
    EXPECT_EQ(cancels[1].result, 0);
    EXPECT_EQ(other.result, -ECANCELED);

    cancels[2].extra = &other;
    f.submit(cancels[2]);
    EXPECT_THAT(f.reap(), testing::ElementsAre(&cancels[2]));
    EXPECT_EQ(cancels[2].result, -ENOENT);
}

TEST(sim_platform, answers_nobody_once_dead) {
    fixture f;
    io_request request{.op = io_op::read};
    f.submit(request);
    f.outside.die();
    f.disk().finish_all(3);
    EXPECT_EQ(request.result, 0);
    io_request late{.op = io_op::read};
    f.submit(late);
    EXPECT_TRUE(f.disk().pending.empty());
    EXPECT_TRUE(f.reap().empty());
}
