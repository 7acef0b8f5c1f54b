// After a stop that was not in order, what the log gives is durable before anything is built on it, although a flush
// has failed and the disk has forgotten what that was to keep.
#include <gtest/gtest.h>

#include <map>
#include <memory>
#include <span>
#include <vector>

#include <shale/core/async/coroutine.hh>
#include <shale/core/shard/sleep.hh>
#include <shale/core/sim/sim.hh>
#include <shale/file/directory.hh>
#include <shale/file/record_log.hh>

using namespace shale;
using sim::detail::crash_fate;

namespace {

constexpr std::size_t record_bytes = 5000;

/// What a log gave when it was opened.
struct opened {
    std::unique_ptr<record_log> log;
    std::map<std::uint64_t, log_location> records;  ///< by sequence
};

struct log_unclean : ::testing::TestWithParam<sync_mode> {
    explicit log_unclean(const sim::fault_options& faults = {})
        : world({.seed = 3, .faults = faults, .disk = sim::disk_profile{}}) {}

    sim::world world;

    sim::detail::disk& disk() { return *world.tester().disk(); }

    void run(std::function<future<>()> body) {
        auto done = world.on(0, body);
        ASSERT_TRUE(world.run_until([&] { return done.available(); }));
        world.on(0, [&] { done.get(); });
    }

    future<opened> open() {
        record_log_options options;
        options.mode = GetParam();
        options.write_then_flush = true;
        options.segment_bytes = 64 * 1024;
        opened made;
        made.log = co_await record_log::open("/log", std::move(options), [&made](const log_record& record) {
            EXPECT_TRUE(made.records.emplace(record.sequence, record.where).second) << record.sequence;
        });
        co_return made;
    }

    future<> append(record_log& log, std::uint64_t sequence) {
        const std::vector<std::byte> record(record_bytes, static_cast<std::byte>(sequence));
        const std::span<const std::byte> parts[] = {record};
        auto added = log.append(parts, sequence, 0);
        while (!added && added.error() == append_refusal::busy) {
            co_await log.wait_room(record_bytes);
            added = log.append(parts, sequence, 0);
        }
        if (!added) {
            throw std::runtime_error(to_string(added.error()));
        }
        co_await log.committed(added->batch);
    }

    /// A log with the records 1 to `sequence`, of which a failed flush was to keep the last.
    future<> end_with_a_failed_flush(std::uint64_t sequence) {
        opened first = co_await open();
        for (std::uint64_t each = 1; each <= sequence; ++each) {
            const bool last = each == sequence;
            disk().faults().sync_error = last ? 1 : 0;
            (void)co_await as_result(append(*first.log, each));
            const auto done = co_await as_result(first.log->sync());
            EXPECT_EQ(bool(done), !last);
        }
        (void)co_await as_result(first.log->close());
        disk().faults().sync_error = 0;
    }

    static future<> expect_whole(const opened& from) {
        for (const auto& [sequence, where] : from.records) {
            const log_entry entry = co_await from.log->read(where, record_bytes);
            EXPECT_EQ(entry.sequence, sequence);
            EXPECT_EQ(entry.payload.size(), record_bytes);
            EXPECT_EQ(entry.payload.get()[record_bytes - 1], static_cast<char>(sequence));
        }
    }
};

/// Segments are left early, as soon as there is another.
struct log_unclean_leaving : log_unclean {
    log_unclean_leaving()
        : log_unclean({.enabled = true, .activate = 0, .overrides = {{"log.segment_left_early", 1, 1}}}) {}
};

INSTANTIATE_TEST_SUITE_P(modes, log_unclean, ::testing::Values(sync_mode::always, sync_mode::everysec),
                         [](const auto& p) { return p.param == sync_mode::always ? "always" : "everysec"; });

INSTANTIATE_TEST_SUITE_P(modes, log_unclean_leaving, ::testing::Values(sync_mode::always),
                         [](const auto&) { return std::string("always"); });

}  // namespace

TEST_P(log_unclean, what_a_failed_flush_lost_is_no_hole_before_what_came_after_it) {
    run([&]() -> future<> {
        co_await end_with_a_failed_flush(3);
        {
            const opened second = co_await open();
            EXPECT_EQ(second.records.size(), 3U);
            co_await expect_whole(second);
            co_await append(*second.log, 4);
            co_await second.log->close();
        }
        disk().power_loss(crash_fate::drop_all);
        const opened third = co_await open();
        EXPECT_EQ(third.records.size(), 4U);
        co_await expect_whole(third);
        co_await third.log->close();
    });
}

TEST_P(log_unclean, what_was_read_at_a_start_is_there_at_the_next_one) {
    run([&]() -> future<> {
        co_await end_with_a_failed_flush(3);
        {
            const opened second = co_await open();
            EXPECT_EQ(second.records.size(), 3U);
            (void)co_await as_result(second.log->close());
        }
        disk().power_loss(crash_fate::drop_all);
        const opened third = co_await open();
        EXPECT_EQ(third.records.size(), 3U);
        co_await third.log->close();
    });
}

// A segment that was dropped is a free file whose name may not be durable yet; what a start writes to it must not come
// back under the old name.
TEST_P(log_unclean, a_free_segment_is_not_used_before_its_name_is_durable) {
    const auto completed = [](io_op op) {
        return [op](const sim::world_event& e) {
            return e.what == sim::world_event::kind::completed && e.op == op && e.result == 0;
        };
    };
    std::vector<sim::detail::disk_image> images;
    run([&]() -> future<> {
        {
            const opened first = co_await open();
            for (std::uint64_t sequence = 1; first.log->segments().size() < 2; ++sequence) {
                co_await append(*first.log, sequence);
            }
            co_await first.log->sync();
            world.at_event(completed(io_op::rename), 1, [this](auto&) { disk().faults().name_error = 1; });
            const auto dropped = co_await as_result(first.log->drop(first.log->segments()[0].id));
            EXPECT_FALSE(dropped) << "its new name could not be made durable";
            (void)co_await as_result(first.log->close());
            disk().faults().name_error = 0;
        }
        // What the disk holds whenever a flush of the next start is done.
        const auto flushed = [](const sim::world_event& e) {
            return e.what == sim::world_event::kind::completed && (e.op == io_op::fsync || e.op == io_op::fdatasync);
        };
        for (unsigned n = 1; n <= 3; ++n) {
            world.at_event(flushed, n, [&](auto&) { images.push_back(disk().snapshot()); });
        }
        const opened second = co_await open();
        co_await second.log->close();
        EXPECT_FALSE(images.empty());
        for (const auto& image : images) {
            disk().restore(image);
            disk().power_loss(crash_fate::drop_all);
            const opened third = co_await open();
            co_await expect_whole(third);
            co_await third.log->close();
        }
    });
}

TEST_P(log_unclean_leaving, a_log_that_was_opened_on_a_full_disk_goes_on_when_there_is_room) {
    run([&]() -> future<> {
        co_await end_with_a_failed_flush(3);
        disk().set_capacity(disk().used_bytes());
        const opened full = co_await open();
        EXPECT_EQ(full.records.size(), 3U);
        EXPECT_TRUE(full.log->out_of_space());
        disk().set_capacity(std::uint64_t{1} << 30);
        co_await sleep(std::chrono::seconds(2));
        co_await append(*full.log, 4);
        co_await full.log->close();
    });
}
