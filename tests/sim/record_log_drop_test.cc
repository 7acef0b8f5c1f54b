// Segments of a log are given back in order, whatever the disk says: what a later one made void must not come back.
#include <gtest/gtest.h>

#include <memory>
#include <span>
#include <vector>

#include <shale/core/async/coroutine.hh>
#include <shale/core/sim/sim.hh>
#include <shale/file/directory.hh>
#include <shale/file/record_log.hh>

using namespace shale;

namespace {

/// A log of at least four segments.
future<std::unique_ptr<record_log>> make_log() {
    record_log_options options;
    options.segment_bytes = 64 * 1024;
    co_await recursive_touch_directory("/log");
    auto log = co_await record_log::open("/log", std::move(options), {});
    const std::vector<std::byte> record(20'000, std::byte{1});
    const std::span<const std::byte> parts[] = {record};
    for (std::uint64_t sequence = 1; log->segments().size() < 4; ++sequence) {
        const auto added = log->append(parts, sequence, 0);
        if (added) {
            co_await log->committed(added->batch);
        } else {
            co_await log->wait_room(record.size());
        }
    }
    co_return log;
}

std::string first_path(const io_request& request) {
    return static_cast<const char*>(request.data);
}

struct log_drop : ::testing::Test {
    sim::world world{{.seed = 3, .disk = sim::disk_profile{}}};
    std::vector<std::string> given_back;  ///< names that segments had, in the order in which they lost them

    void watch() {
        world.at_event(
            [this](const sim::world_event& e) {
                if (e.what == sim::world_event::kind::completed && e.op == io_op::rename && e.result == 0) {
                    given_back.push_back(first_path(*e.request));
                }
                return false;
            },
            1, [](const sim::world_event&) {});
    }

    /// The next rename fails, and none after it.
    void fail_one_rename() {
        sim::detail::disk& disk = *world.tester().disk();
        disk.faults().name_error = 1;
        const auto failed = [](const sim::world_event& e) {
            return e.what == sim::world_event::kind::completed && e.op == io_op::rename && e.result < 0;
        };
        world.at_event(failed, 1, [&disk](const sim::world_event&) { disk.faults().name_error = 0; });
    }

    void run(std::function<future<>()> body) {
        auto done = world.on(0, body);
        ASSERT_TRUE(world.run_until([&] { return done.available(); }));
        world.on(0, [&] { done.get(); });
    }
};

}  // namespace

TEST_F(log_drop, keeps_the_order_when_a_name_cannot_be_changed_at_first) {
    run([&]() -> future<> {
        const auto log = co_await make_log();
        const auto segments = log->segments();
        watch();
        fail_one_rename();
        auto first = log->drop(segments[0].id);
        auto second = log->drop(segments[1].id);
        co_await std::move(second);
        EXPECT_TRUE(first.failed());
        first.ignore_ready_future();
        co_await log->close();
        EXPECT_EQ(world.faults().of("disk.name_error"), 1U);
        EXPECT_GE(given_back.size(), 2U);
        if (given_back.size() >= 2) {
            EXPECT_LT(given_back[0], given_back[1]) << "the names count up";
        }
    });
}

TEST_F(log_drop, lets_nothing_go_behind_what_stays_and_closes_all_the_same) {
    run([&]() -> future<> {
        const auto log = co_await make_log();
        const auto segments = log->segments();
        watch();
        world.tester().disk()->faults().name_error = 1;
        auto first = log->drop(segments[0].id);
        auto second = log->drop(segments[1].id);
        const auto first_left = co_await as_result(std::move(first));
        const auto second_left = co_await as_result(std::move(second));
        EXPECT_FALSE(first_left);
        EXPECT_FALSE(second_left);
        (void)co_await as_result(log->close());
        EXPECT_TRUE(given_back.empty());
    });
}
