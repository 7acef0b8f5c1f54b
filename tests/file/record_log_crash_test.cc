// What a record log holds after a crash: everything acknowledged, nothing half there, nothing from an earlier life; and
// what it says when the disk has changed what it holds.
#include <shale/file/record_log.hh>

#include <fmt/format.h>
#include <gmock/gmock.h>

#include <algorithm>
#include <cerrno>
#include <map>
#include <set>

#include <shale/core/async/when_all.hh>
#include <shale/core/base/random.hh>
#include <shale/core/shard/sleep.hh>
#include <shale/core/testing/chosen_faults.hh>

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
using testing::HasSubstr;

record_log_options small(bool salvage = false) {
    record_log_options o;
    o.segment_bytes = 64 * 1024;
    o.batch_bytes_max = 8 * 1024;
    o.salvage = salvage;
    return o;
}

/// A log as it is after some commits and no close, its records, and the path of its last segment.
struct written_log {
    memory_image image;
    model_records records;
    std::string path;
};

written_log write_log(std::size_t batches, std::size_t records_each, std::size_t length) {
    written_log made;
    memory_disk disk;
    run_on(disk, [&]() -> future<void> {
        auto log = co_await record_log::open("/log", small(), {});
        for (std::size_t b = 0; b < batches; ++b) {
            for (std::size_t i = 0; i < records_each; ++i) {
                made.records.push_back(co_await append_waiting(*log, made.records.size(), length));
            }
            co_await log->sync();
        }
        made.image = disk.image().copy();
        co_await log->close();
    });
    made.path = fmt::format("/log/{:016x}.log", made.records.back().segment);
    return made;
}

struct reopened {
    model_records records;
    std::string failure;
    int error = 0;
    log_recovery_report report;
};

/// Opens what is on `image`, appends a record, and opens it again: what was found must be found again.
reopened reopen(const memory_image& image, bool salvage = false) {
    reopened found;
    memory_disk disk({}, image.copy());
    run_on(disk, [&]() -> future<void> {
        auto opening = co_await as_result(record_log::open("/log", small(salvage), collect(found.records)));
        if (!opening) {
            found.failure = test::what(opening.error());
            found.error = test::code(opening.error());
            co_return;
        }
        auto log = std::move(*opening);
        found.report = log->recovered();
        const auto added = co_await append_waiting(*log, 999'999, 77);
        co_await log->sync();
        const memory_image after = disk.image().copy();
        co_await log->close();
        if (!salvage) {
            memory_disk second({.seed = 2}, after);
            model_records again;
            test::run_on(second, [&]() -> future<void> {
                auto reread = co_await record_log::open("/log", small(), collect(again));
                co_await reread->close();
            });
            auto wanted = found.records;
            wanted.push_back(added);
            expect_same(again, wanted);
        }
    });
    return found;
}

TEST(record_log_crash, cuts_a_torn_end_at_every_byte_of_the_last_record) {
    const written_log log = write_log(6, 1, 100);
    const model_record& last = log.records.back();
    const model_records before(log.records.begin(), log.records.end() - 1);
    const std::uint64_t begin = last.where.position();
    for (std::uint64_t at = begin - 48; at < begin + last.size; ++at) {
        memory_image flipped = log.image.copy();
        flipped.names.at(log.path)->seen[at] ^= std::byte{0x10};
        const reopened found = reopen(flipped);
        EXPECT_EQ(found.failure, "") << at;
        expect_same(found.records, before);
        if (HasFailure()) {
            FAIL() << "at byte " << at;
        }

        memory_image cut = log.image.copy();
        cut.names.at(log.path)->seen.resize(at);
        const reopened shorter = reopen(cut);
        EXPECT_EQ(shorter.failure, "") << at;
        expect_same(shorter.records, before);
        if (HasFailure()) {
            FAIL() << "cut at byte " << at;
        }
    }
}

TEST(record_log_crash, says_that_it_cut_a_torn_end) {
    const written_log log = write_log(6, 3, 100);
    memory_image torn = log.image.copy();
    torn.names.at(log.path)->seen[log.records.back().where.position() + 30] ^= std::byte{1};
    const reopened found = reopen(torn);
    EXPECT_THAT(found.report.torn, HasSubstr("batch 6 at offset"));
    EXPECT_THAT(found.report.torn, HasSubstr(log.path));
    EXPECT_EQ(reopen(log.image).report.torn, "");
    // All three records of the batch, though two were whole.
    EXPECT_EQ(found.records.size(), log.records.size() - 3);
}

TEST(record_log_crash, reports_a_damaged_middle_by_file_and_offset_wherever_it_is) {
    const written_log log = write_log(5, 2, 200);
    for (std::size_t i = 0; i < log.records.size() - 2; ++i) {
        const model_record& r = log.records[i];
        const std::uint64_t begin = i % 2 == 0 ? r.where.position() - 48 : r.where.position();
        for (std::uint64_t at = begin; at < r.where.position() + 20 + r.payload.size(); at += 7) {
            memory_image damaged = log.image.copy();
            damaged.names.at(log.path)->seen[at] ^= std::byte{0x80};
            const reopened found = reopen(damaged);
            EXPECT_EQ(found.error, EBADMSG);
            EXPECT_THAT(found.failure, HasSubstr(log.path)) << at;
            EXPECT_THAT(found.failure, HasSubstr(fmt::format("offset {} of", at / 4096 * 4096))) << at;
            if (HasFailure()) {
                FAIL() << "at byte " << at;
            }
        }
    }
}

TEST(record_log_crash, saves_everything_but_the_damage_when_told_to) {
    const written_log log = write_log(5, 4, 200);
    for (std::size_t i = 0; i < log.records.size() - 4; ++i) {
        const model_record& r = log.records[i];
        memory_image damaged = log.image.copy();
        damaged.names.at(log.path)->seen[r.where.position() + 50] ^= std::byte{0x80};
        const reopened found = reopen(damaged, true);
        EXPECT_EQ(found.failure, "");
        model_records wanted = log.records;
        wanted.erase(wanted.begin() + static_cast<std::ptrdiff_t>(i));
        expect_same(found.records, wanted);
        EXPECT_EQ(found.report.damages.size(), 1U);
    }
}

TEST(record_log_crash, reports_damage_in_an_older_segment) {
    const written_log log = write_log(60, 1, 3000);
    ASSERT_NE(log.records.front().segment, log.records.back().segment);
    for (const std::size_t i : {0UL, 5UL, 14UL, 15UL}) {
        const model_record& r = log.records[i];
        memory_image damaged = log.image.copy();
        const std::string path = fmt::format("/log/{:016x}.log", r.segment);
        damaged.names.at(path)->seen[r.where.position() + 50] ^= std::byte{0x80};
        EXPECT_EQ(reopen(damaged).error, EBADMSG) << i;
    }
}

TEST(record_log_crash, reports_segments_that_are_missing_or_have_a_damaged_header) {
    const written_log log = write_log(60, 1, 3000);
    const std::string path = fmt::format("/log/{:016x}.log", log.records[20].segment);
    ASSERT_NE(path, log.path);
    memory_image damaged = log.image.copy();
    damaged.names.at(path)->seen[17] ^= std::byte{1};
    reopened found = reopen(damaged);
    EXPECT_EQ(found.error, EBADMSG);
    EXPECT_THAT(found.failure, HasSubstr(path));
    found = reopen(damaged, true);
    EXPECT_FALSE(found.report.damages.empty());
    EXPECT_LT(found.records.size(), log.records.size());
    EXPECT_EQ(found.records.back().sequence, log.records.back().sequence);
}

TEST(record_log_crash, reports_damage_when_a_record_is_read_and_never_gives_it) {
    memory_disk disk;
    run_on(disk, [&]() -> future<void> {
        auto log = co_await record_log::open("/log", small(), {});
        const auto made = co_await append_waiting(*log, 1, 5000);
        co_await log->sync();
        const std::string path = fmt::format("/log/{:016x}.log", made.segment);
        for (const std::uint64_t at : {0U, 4U, 9U, 17U, 21U, 3000U, 5019U}) {
            disk.bytes(path)[made.where.position() + at] ^= std::byte{4};
            const auto entry = co_await as_result(log->read(made.where, made.size));
            CO_ASSERT(!entry.has_value());
            EXPECT_EQ(test::code(entry.error()), EBADMSG);
            EXPECT_THAT(test::what(entry.error()), HasSubstr(path));
            EXPECT_THAT(test::what(entry.error()), HasSubstr(fmt::format("offset {}", made.where.position())));
            disk.bytes(path)[made.where.position() + at] ^= std::byte{4};
        }
        const auto entry = co_await log->read(made.where, made.size);
        EXPECT_EQ(entry.payload.view(), made.payload);
        co_await log->close();
    });
}

/// The state of the world over several crashes of one log.
struct crash_model {
    model_records records;             ///< appended and not dropped, in order
    std::uint64_t acknowledged = 0;    ///< sequences up to this one must survive
    std::set<std::uint64_t> dropped;   ///< segments whose drop() was done
    std::set<std::uint64_t> dropping;  ///< those whose was not
    std::uint64_t next_sequence = 1;
};

/// Works on the log until the power goes.
future<void> work(record_log& log, memory_disk& disk, crash_model& model, random_engine& random, sync_mode mode) {
    std::vector<future<void>> acknowledging;
    auto acknowledge = [&](std::uint64_t batch, std::uint64_t sequence) -> future<void> {
        const auto done = co_await as_result(log.committed(batch));
        if (done && mode == sync_mode::always && !disk.is_off()) {
            model.acknowledged = std::max(model.acknowledged, sequence);
        }
    };
    auto forget = [&](std::uint64_t id) -> future<void> {
        model.dropping.insert(id);
        const auto done = co_await as_result(log.drop(id));
        if (done && !disk.is_off()) {
            model.dropped.insert(id);
        }
    };
    while (!disk.is_off() && !log.failure()) {
        if (random.chance(0.05)) {
            // Of a batch and more, now and then of more than a segment.
            const std::size_t count = random.between(2, 12);
            const model_records group = co_await append_group(log, model.next_sequence, count,
                                                              random.below(random.chance(0.1) ? 20'000 : 3000));
            if (!group.empty()) {
                model.next_sequence += count;
                model.records.insert(model.records.end(), group.begin(), group.end());
                acknowledging.push_back(acknowledge(group.back().batch, group.back().sequence));
            }
            continue;
        }
        const std::size_t length = random.below(random.chance(0.02) ? 70'000 : 1500);
        auto made = append_one(log, model.next_sequence, length);
        if (made) {
            ++model.next_sequence;
            model.records.push_back(*made);
            acknowledging.push_back(acknowledge(made->batch, made->sequence));
        } else if (made.error() == append_refusal::busy) {
            co_await as_result(log.wait_room(length));
        } else {
            break;
        }
        if (random.chance(0.05)) {
            co_await sleep(std::chrono::microseconds(random.below(300)));
        }
        if (random.chance(0.02) && log.segments().size() > 3) {
            acknowledging.push_back(forget(log.oldest()->id));
        }
        if (mode != sync_mode::always && random.chance(0.01)) {
            const std::uint64_t sequence = model.next_sequence - 1;
            const auto done = co_await as_result(log.sync());
            if (done && !disk.is_off()) {
                model.acknowledged = std::max(model.acknowledged, sequence);
            }
        }
    }
    auto all = co_await when_all(std::move(acknowledging));
    for (auto& each : all) {
        each.ignore_ready_future();
    }
}

/// What was found after a crash against what may be there; the model becomes what was found.
void check(crash_model& model, const model_records& found) {
    std::set<std::uint64_t> there;
    for (const model_record& r : found) {
        EXPECT_TRUE(there.insert(r.sequence).second) << "record " << r.sequence << " is there twice";
        EXPECT_EQ(r.payload, test::payload_of(r.sequence, r.payload.size()));
    }
    EXPECT_TRUE(std::ranges::is_sorted(found, {}, &model_record::sequence));
    std::map<std::uint64_t, bool> batch_is_there;
    bool ended = false;
    for (const model_record& r : model.records) {
        const bool is_there = there.contains(r.sequence);
        if (model.dropped.contains(r.segment)) {
            EXPECT_FALSE(is_there) << "record " << r.sequence << " of a dropped segment has come back";
            continue;
        }
        if (model.dropping.contains(r.segment)) {
            continue;
        }
        EXPECT_TRUE(is_there || r.sequence > model.acknowledged) << "acknowledged record " << r.sequence << " is lost";
        EXPECT_FALSE(is_there && ended) << "record " << r.sequence << " is there, but not all before it";
        ended = ended || !is_there;
        const auto [at, first] = batch_is_there.emplace(r.batch, is_there);
        EXPECT_EQ(at->second, is_there) << "batch " << r.batch << " is half there";
    }
    std::erase_if(model.records, [&](const model_record& r) { return !there.contains(r.sequence); });
    EXPECT_EQ(found.size(), model.records.size());
    for (std::size_t i = 0; i < std::min(found.size(), model.records.size()); ++i) {
        model.records[i].where = found[i].where;
        model.records[i].segment = found[i].segment;
    }
    model.dropped.clear();
    model.dropping.clear();
    model.acknowledged = model.next_sequence - 1;
    if (!model.records.empty()) {
        model.acknowledged = model.records.back().sequence;
    }
}

void crash_again_and_again(sync_mode mode, std::uint64_t seed) {
    SCOPED_TRACE(testing::Message() << "seed " << seed);
    random_engine random(seed);
    crash_model model;
    memory_image image;
    for (unsigned round = 0; round < 12 && !testing::Test::HasFailure(); ++round) {
        SCOPED_TRACE(testing::Message() << "round " << round);
        memory_disk disk({.seed = random()}, std::move(image));
        disk.short_transfers = random.chance(0.3);
        run_on(disk, [&]() -> future<void> {
            // Sometimes the power goes while the log is being opened.
            std::uint64_t requests_left = random.chance(0.3) ? random.below(30) : 30 + random.below(1500);
            disk.fault = [&](const io_request&) {
                if (requests_left-- == 0) {
                    image = disk.power_off();
                }
                return disk.is_off() ? -EIO : 0;
            };
            model_records found;
            record_log_options o = small();
            o.mode = mode;
            o.segment_bytes = 128 * 1024;
            o.free_segments_max = static_cast<unsigned>(random.below(4));
            auto opened = co_await as_result(record_log::open("/log", std::move(o), collect(found)));
            if (!opened) {
                EXPECT_TRUE(disk.is_off()) << test::what(opened.error());
                co_return;
            }
            check(model, found);
            auto log = std::move(*opened);
            co_await work(*log, disk, model, random, mode);
            EXPECT_TRUE(disk.is_off());
            co_await as_result(log->close());
        });
    }
}

TEST(record_log_crash, loses_nothing_acknowledged_over_many_power_losses) {
    for (std::uint64_t seed = 1; seed <= 20 && !HasFailure(); ++seed) {
        crash_again_and_again(sync_mode::always, seed);
    }
}

TEST(record_log_crash, loses_nothing_acknowledged_while_fault_points_fire) {
    for (std::uint64_t seed = 301; seed <= 320 && !HasFailure(); ++seed) {
        const test::chosen_faults faults({"log.*", "file.*", "shard.*"}, seed % 2 == 0 ? 0.3 : 0.03, seed);
        crash_again_and_again(seed % 4 == 0 ? sync_mode::everysec : sync_mode::always, seed);
    }
}

TEST(record_log_crash, keeps_a_beginning_of_what_was_written_in_mode_everysec) {
    for (std::uint64_t seed = 101; seed <= 115 && !HasFailure(); ++seed) {
        crash_again_and_again(sync_mode::everysec, seed);
    }
}

TEST(record_log_crash, keeps_a_beginning_of_what_was_written_in_mode_no) {
    for (std::uint64_t seed = 201; seed <= 208 && !HasFailure(); ++seed) {
        crash_again_and_again(sync_mode::no, seed);
    }
}

}  // namespace
}  // namespace shale
