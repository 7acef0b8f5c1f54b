// Groups of records: all of them are there after a crash or none is, however large they are.
#include <shale/file/record_log.hh>

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <array>

#include "disk_test_body.hh"
#include "log_model.hh"
#include "memory_disk.hh"

namespace shale {
namespace {

using test::append_group;
using test::append_one;
using test::append_waiting;
using test::collect;
using test::expect_same;
using test::memory_disk;
using test::memory_image;
using test::model_record;
using test::model_records;
using test::run_on;

constexpr std::size_t segment_bytes = 64 * 1024;
constexpr std::size_t batch_max = 8 * 1024;
constexpr std::size_t group_records = 6;

record_log_options small(sync_mode mode = sync_mode::always) {
    record_log_options o;
    o.mode = mode;
    o.segment_bytes = segment_bytes;
    o.batch_bytes_max = batch_max;
    return o;
}

/// The records that a log on `image` gives. It has to open.
model_records found_on(const memory_image& image) {
    model_records found;
    memory_disk disk({.seed = 77}, image.copy());
    run_on(disk, [&]() -> future<void> {
        auto log = co_await record_log::open("/log", small(), collect(found));
        co_await log->close();
    });
    return found;
}

void append_all(model_records& to, const model_records& more) {
    to.insert(to.end(), more.begin(), more.end());
}

TEST(record_log_group, is_one_batch_even_if_larger_than_a_batch_may_be) {
    memory_disk disk;
    run_on(disk, [&]() -> future<void> {
        model_records all;
        auto log = co_await record_log::open("/log", small(), {});
        // The batch that is open may be joined as long as both are small.
        all.push_back(co_await append_waiting(*log, 0, 100));
        append_all(all, co_await append_group(*log, 1, 3, 200));
        EXPECT_EQ(all.back().batch, all.front().batch);
        append_all(all, co_await append_group(*log, 4, group_records, 3000));
        EXPECT_EQ(all.back().batch, all.front().batch + 1);
        all.push_back(co_await append_waiting(*log, 4 + group_records, 100));
        EXPECT_EQ(all.back().batch, all.front().batch + 2);
        for (int from_disk = 0; from_disk < 2; ++from_disk) {
            for (const model_record& r : all) {
                const auto entry = co_await log->read(r.where, r.size);
                CO_ASSERT(entry.payload.view() == r.payload);
            }
            co_await log->sync();
        }
        co_await log->close();
        expect_same(found_on(disk.image()), all);
    });
}

TEST(record_log_group, is_all_there_or_not_at_all_after_a_write_that_was_torn_anywhere) {
    memory_disk disk;
    memory_image before;
    memory_image after;
    model_records all;
    model_records group;
    run_on(disk, [&]() -> future<void> {
        auto log = co_await record_log::open("/log", small(), {});
        for (std::uint64_t i = 0; i < 5; ++i) {
            all.push_back(co_await append_waiting(*log, i, 700));
            co_await log->sync();
        }
        before = disk.image().copy();
        group = co_await append_group(*log, 100, group_records, 3000);
        co_await log->sync();
        after = disk.image().copy();
        co_await log->close();
    });
    const std::string path = fmt::format("/log/{:016x}.log", group.front().segment);
    const std::size_t begin = group.front().where.position() - 48;
    const std::size_t end = group.back().where.position() + group.back().size;
    ASSERT_GT(end - begin, 2 * batch_max);
    const auto& whole = after.names.at(path)->seen;
    model_records with = all;
    append_all(with, group);
    for (std::size_t at = begin; at < end + 512; at += 61) {
        // Up to here it got through; and: from here on it did.
        for (const bool head : {true, false}) {
            memory_image torn = before.copy();
            auto& bytes = torn.names.at(path)->seen;
            bytes.resize(whole.size());
            const auto cut = static_cast<std::ptrdiff_t>(at);
            std::copy(whole.begin() + (head ? 0 : cut), head ? whole.begin() + cut : whole.end(),
                      bytes.begin() + (head ? 0 : cut));
            const bool is_whole = head ? at >= end : at == begin;
            expect_same(found_on(torn), is_whole ? with : all);
            if (HasFailure()) {
                FAIL() << "torn at byte " << at << " of " << begin << " to " << end;
            }
        }
    }
}

/// Appends groups and single records until the power goes with request `last`; false if it ended before.
bool crash_at(std::uint64_t last, std::uint64_t seed, sync_mode mode) {
    memory_disk disk({.seed = seed});
    memory_image left;
    model_records all;
    std::vector<model_records> groups;
    std::uint64_t acknowledged = 0;
    run_on(disk, [&]() -> future<void> {
        auto log = co_await record_log::open("/log", small(mode), {});
        std::uint64_t count = 0;
        disk.fault = [&](const io_request&) {
            if (count++ == last) {
                left = disk.power_off();
            }
            return disk.is_off() ? -EIO : 0;
        };
        std::uint64_t next = 1;
        for (const std::size_t length : std::array{20, 3000, 12'000, 1500, 30'000, 3000}) {
            groups.push_back(co_await append_group(*log, next, group_records, length));
            next += group_records;
            auto single = append_one(*log, next++, 500);
            append_all(all, groups.back());
            if (single) {
                all.push_back(*single);
            }
            const auto done = co_await as_result(log->sync());
            if (done && !disk.is_off()) {
                acknowledged = next - 1 - (single ? 0 : 1);
            }
        }
        co_await as_result(log->close());
    });
    if (!disk.is_off()) {
        return false;
    }
    const model_records found = found_on(left);
    for (const model_records& group : groups) {
        std::size_t there = 0;
        for (const model_record& r : group) {
            there += static_cast<std::size_t>(std::ranges::count(found, r));
        }
        EXPECT_TRUE(there == 0 || there == group.size()) << there << " of " << group.size() << " records are there";
        const bool was_acknowledged = !group.empty() && group.back().sequence <= acknowledged;
        EXPECT_TRUE(there != 0 || !was_acknowledged) << "an acknowledged group is lost";
    }
    return true;
}

TEST(record_log_group, is_all_there_or_not_at_all_whenever_the_power_goes) {
    for (const sync_mode mode : {sync_mode::always, sync_mode::everysec, sync_mode::no}) {
        for (std::uint64_t seed = 1; seed <= 8; ++seed) {
            std::uint64_t last = 0;
            while (crash_at(last, seed, mode)) {
                ++last;
                if (HasFailure()) {
                    FAIL() << "request " << last - 1 << ", seed " << seed << ", mode " << static_cast<int>(mode);
                }
            }
            EXPECT_GT(last, 20U);
        }
    }
}

TEST(record_log_group, goes_to_a_segment_of_its_own_if_larger_than_one) {
    memory_disk disk;
    run_on(disk, [&]() -> future<void> {
        model_records all;
        auto log = co_await record_log::open("/log", small(), {});
        all.push_back(co_await append_waiting(*log, 0, 100));
        const std::size_t payload = log_group_payload(group_records, group_records * 20'000);
        const auto refused = log->begin_group(payload);
        CO_ASSERT(!refused);
        EXPECT_EQ(refused.error(), append_refusal::busy);
        append_all(all, co_await append_group(*log, 1, group_records, 20'000));
        EXPECT_NE(all.back().segment, all.front().segment);
        all.push_back(co_await append_waiting(*log, 100, 100));
        co_await log->sync();
        for (const model_record& r : all) {
            const auto entry = co_await log->read(r.where, r.size);
            CO_ASSERT(entry.payload.view() == r.payload);
        }
        co_await log->close();
        expect_same(found_on(disk.image()), all);
    });
}

TEST(record_log_group, of_the_largest_size_has_all_its_records_within_reach) {
    memory_disk disk;
    run_on(disk, [&]() -> future<void> {
        auto log = co_await record_log::open("/log", small(), {});
        // A batch and then the group, in a segment with room for both but not within reach of a location.
        const std::size_t length = 1 << 20;
        co_await log->wait_room(log_group_bytes_max + 4 * length);
        const model_record first = co_await append_waiting(*log, 1, 2 * length);
        const std::size_t count = log_group_bytes_max / (length + 64);
        const model_records group = co_await append_group(*log, 10, count, length);
        CO_ASSERT(group.size() == count);
        EXPECT_NE(group.front().segment, first.segment);
        co_await log->sync();
        for (const model_record& r : group) {
            const auto entry = co_await log->read(r.where, r.size);
            CO_ASSERT(entry.sequence == r.sequence && entry.payload.view() == r.payload);
        }
        const auto refused = log->begin_group(log_group_bytes_max);
        CO_ASSERT(!refused);
        EXPECT_EQ(refused.error(), append_refusal::too_large);
        EXPECT_EQ(log->stats().records, 1 + count);
        co_await log->close();
    });
}

TEST(record_log_group, is_refused_as_a_whole_when_the_disk_is_full) {
    memory_disk disk({.capacity = 3 * segment_bytes});
    run_on(disk, [&]() -> future<void> {
        model_records all;
        auto log = co_await record_log::open("/log", small(), {});
        while (true) {
            const model_records group = co_await append_group(*log, all.size(), group_records, 1000);
            if (group.empty()) {
                break;
            }
            append_all(all, group);
        }
        EXPECT_TRUE(log->out_of_space());
        EXPECT_EQ(log->stats().records, all.size());
        EXPECT_GT(all.size(), 2 * group_records);
        co_await log->close();
        expect_same(found_on(disk.image()), all);
    });
}

TEST(record_log_group, may_stay_smaller_than_announced_or_empty) {
    memory_disk disk;
    run_on(disk, [&]() -> future<void> {
        model_records all;
        auto log = co_await record_log::open("/log", small(), {});
        for (std::uint64_t i = 0; i < 4; ++i) {
            CO_ASSERT(log->begin_group(log_group_payload(10, 20'000)).has_value());
            if (i % 2 == 0) {
                all.push_back(*append_one(*log, i, 100));
            }
            log->end_group();
            co_await log->sync();
        }
        all.push_back(co_await append_waiting(*log, 4, 100));
        co_await log->close();
        expect_same(found_on(disk.image()), all);
    });
}

TEST(record_log_group, dies_when_records_exceed_what_was_announced) {
    EXPECT_DEATH(
        {
            memory_disk disk;
            run_on(disk, []() -> future<void> {
                auto log = co_await record_log::open("/log", small(), {});
                static_cast<void>(log->begin_group(log_group_payload(2, 200)));
                static_cast<void>(append_one(*log, 1, 100));
                static_cast<void>(append_one(*log, 2, 200));
            });
        },
        "left of what its group announced");
}

}  // namespace
}  // namespace shale
