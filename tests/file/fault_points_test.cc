// The record log and files under their own fault points: whatever a point does, each record acknowledged is there, in
// order, read back while the log runs, after it was closed, and after a crash.
#include <shale/file/file.hh>
#include <shale/file/record_log.hh>

#include <gtest/gtest.h>

#include <algorithm>

#include <shale/core/base/random.hh>
#include <shale/core/testing/chosen_faults.hh>

#include "disk_test_body.hh"
#include "log_model.hh"
#include "memory_disk.hh"

namespace shale {
namespace {

using test::append_group;
using test::append_one;
using test::append_waiting;
using test::chosen_faults;
using test::collect;
using test::expect_same;
using test::memory_disk;
using test::memory_image;
using test::model_records;
using test::run_on;

record_log_options small(sync_mode mode) {
    record_log_options o;
    o.mode = mode;
    o.segment_bytes = 64 * 1024;
    o.batch_bytes_max = 8 * 1024;
    o.reserved_segments = 1;
    o.free_segments_max = 2;
    return o;
}

/// Appends until the log has gone through several segments, dropping old ones; `records` is what it holds then.
future<void> fill(record_log& log, model_records& records, random_engine& random) {
    for (std::uint64_t sequence = 1; sequence < 400;) {
        if (random.chance(0.05)) {
            const model_records group = co_await append_group(log, sequence, 5, random.below(2000));
            sequence += group.size();
            records.insert(records.end(), group.begin(), group.end());
        } else {
            records.push_back(co_await append_waiting(log, sequence++, random.below(1500)));
        }
        const test::model_record& some = records[random.below(records.size())];
        const auto entry = co_await log.read(some.where, some.size);
        EXPECT_EQ(entry.payload.view(), some.payload) << "of record " << some.sequence;
        if (random.chance(0.1)) {
            co_await log.committed(records.back().batch);
        }
        if (random.chance(0.05) && log.segments().size() > 4) {
            const std::uint64_t oldest = log.oldest()->id;
            co_await log.drop(oldest);
            std::erase_if(records, [&](const test::model_record& r) { return r.segment == oldest; });
        }
    }
    co_await log.sync();
}

model_records found_on(memory_image image, sync_mode mode) {
    model_records found;
    memory_disk disk({.seed = 3}, std::move(image));
    run_on(disk, [&]() -> future<void> {
        auto log = co_await record_log::open("/log", small(mode), collect(found));
        for (const test::model_record& one : found) {
            const auto entry = co_await log->read(one.where, 100);
            EXPECT_EQ(entry.payload.view(), one.payload);
        }
        co_await log->close();
    });
    return found;
}

/// What the log holds is the same in its life, after a power loss, and after an orderly end.
void keeps_everything(sync_mode mode, std::uint64_t seed) {
    random_engine random(seed);
    model_records records;
    memory_image closed;
    memory_image crashed;
    memory_disk disk({.seed = seed});
    run_on(disk, [&]() -> future<void> {
        auto log = co_await record_log::open("/log", small(mode), {});
        co_await fill(*log, records, random);
        co_await log->close();
        closed = disk.image().copy();
    });
    expect_same(found_on(closed, mode), records);

    // Again on what is left, and this time the power goes after the last sync().
    memory_disk again({.seed = seed + 1}, std::move(closed));
    run_on(again, [&]() -> future<void> {
        model_records found;
        auto log = co_await record_log::open("/log", small(mode), collect(found));
        records = found;
        for (std::uint64_t sequence = 1000; sequence < 1100; ++sequence) {
            records.push_back(co_await append_waiting(*log, sequence, 300));
        }
        co_await log->sync();
        crashed = again.power_off();
        co_await as_result(log->close());
    });
    expect_same(found_on(crashed, mode), records);
}

class log_fault : public testing::TestWithParam<const char*> {};

TEST_P(log_fault, that_fires_always_loses_nothing) {
    chosen_faults plan({GetParam()});
    for (const sync_mode mode : {sync_mode::always, sync_mode::everysec, sync_mode::no}) {
        SCOPED_TRACE(static_cast<int>(mode));
        keeps_everything(mode, 1);
    }
    EXPECT_GT(plan.fired(GetParam()), 0U);
}

TEST_P(log_fault, that_fires_now_and_then_loses_nothing) {
    std::uint64_t fired = 0;
    for (std::uint64_t seed = 1; seed <= 10 && !HasFailure(); ++seed) {
        SCOPED_TRACE(seed);
        chosen_faults plan({GetParam()}, 0.3, seed);
        keeps_everything(seed % 2 == 0 ? sync_mode::always : sync_mode::everysec, seed);
        fired += plan.fired(GetParam());
    }
    EXPECT_GT(fired, 0U);
}

INSTANTIATE_TEST_SUITE_P(each, log_fault,
                         testing::Values("log.batch_cut_early", "log.segment_left_early", "log.next_not_prepared",
                                         "log.commit_waits_a_turn", "log.no_zeros_ahead", "log.flush_early",
                                         "log.no_read_ahead", "log.segment_not_kept", "file.read_in_pieces",
                                         "file.write_in_pieces"),
                         [](const auto& which) {
                             std::string name = which.param;
                             std::ranges::replace(name, '.', '_');
                             return name;
                         });

// Always would be for ever: who appends asks again at once.
TEST(log_faults, that_refuse_room_now_and_then_lose_nothing) {
    for (std::uint64_t seed = 1; seed <= 10 && !HasFailure(); ++seed) {
        SCOPED_TRACE(seed);
        chosen_faults plan({"log.seems_busy"}, 0.3, seed);
        keeps_everything(sync_mode::always, seed);
        EXPECT_GT(plan.fired("log.seems_busy"), 0U);
        EXPECT_GT(plan.probed("log.no_room_for_a_record"), 0U);
    }
}

TEST(log_faults, that_refuse_room_always_leave_the_cleaner_its_room) {
    memory_disk disk;
    run_on(disk, [&]() -> future<void> {
        chosen_faults plan({"log.seems_busy"});
        auto log = co_await record_log::open("/log", small(sync_mode::always), {});
        EXPECT_EQ(append_one(*log, 1, 100).error(), append_refusal::busy);
        EXPECT_TRUE(append_one(*log, 2, 100, log_append::cleaner).has_value());
        co_await log->close();
    });
}

TEST(log_faults, that_fire_together_now_and_then_lose_nothing) {
    std::uint64_t rolled = 0;
    std::uint64_t recycled = 0;
    std::uint64_t recovered = 0;
    for (std::uint64_t seed = 1; seed <= 20 && !HasFailure(); ++seed) {
        SCOPED_TRACE(seed);
        chosen_faults plan({"log.*", "file.*", "shard.*", "pool.*"}, 0.1, seed);
        keeps_everything(static_cast<sync_mode>(seed % 3), seed);
        rolled += plan.probed("log.segment_rolled");
        recycled += plan.probed("log.segment_recycled");
        recovered += plan.probed("log.recovered_after_a_crash");
    }
    EXPECT_GT(rolled, 0U);
    EXPECT_GT(recycled, 0U);
    EXPECT_GT(recovered, 0U);
}

TEST(log_faults, that_cut_batches_put_each_record_into_one_of_its_own) {
    memory_disk disk;
    run_on(disk, [&]() -> future<void> {
        chosen_faults plan({"log.batch_cut_early"});
        auto log = co_await record_log::open("/log", small(sync_mode::always), {});
        const auto first = append_one(*log, 1, 100);
        const auto second = append_one(*log, 2, 100);
        EXPECT_EQ(second->batch, first->batch + 1);
        const model_records group = co_await append_group(*log, 3, 4, 100);
        EXPECT_EQ(group.front().batch, group.back().batch) << "a group is cut";
        co_await log->close();
    });
}

TEST(file_faults, that_cut_requests_leave_transfers_whole) {
    memory_disk disk;
    run_on(disk, [&]() -> future<void> {
        for (const std::size_t size : {1UL, 511UL, 4096UL, 10'000UL, 100'000UL}) {
            chosen_faults plan({"file.read_in_pieces", "file.write_in_pieces"});
            file f = co_await open_file_dma("/f", open_flags::rw | open_flags::create | open_flags::truncate);
            const std::string text = test::payload_of(size, size);
            co_await f.dma_write(100, text.data(), text.size());
            std::string back(size, '\0');
            const std::size_t got = co_await f.dma_read(100, back.data(), size);
            EXPECT_EQ(got, size);
            EXPECT_EQ(back, text);
            const std::uint64_t length = co_await f.size();
            EXPECT_EQ(length, 100 + size);
            co_await f.close();
            EXPECT_GT(plan.fired("file.read_in_pieces"), 0U);
            EXPECT_GT(plan.fired("file.write_in_pieces"), 0U);
        }
    });
}

}  // namespace
}  // namespace shale
