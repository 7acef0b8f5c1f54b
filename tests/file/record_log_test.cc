// What record_log.hh promises while nothing breaks, on this machine's disk and on one in memory.
#include <shale/file/record_log.hh>

#include <gmock/gmock.h>

#include <algorithm>
#include <cerrno>
#include <set>

#include <shale/core/async/when_all.hh>
#include <shale/core/base/random.hh>
#include <shale/core/shard/sleep.hh>
#include <shale/file/directory.hh>

#include "disk_test_body.hh"
#include "log_model.hh"
#include "memory_disk.hh"

namespace shale {
namespace {

using test::append_one;
using test::append_waiting;
using test::collect;
using test::expect_same;
using test::memory_disk;
using test::model_record;
using test::model_records;
using test::run_on;
using test::run_on_linux;
using test::scratch_directory;
using testing::HasSubstr;

constexpr std::uint64_t small_segment = 64 * 1024;

record_log_options small() {
    record_log_options o;
    o.segment_bytes = small_segment;
    o.batch_bytes_max = 16 * 1024;
    return o;
}

TEST(record_log, keeps_records_over_a_restart) {
    const scratch_directory scratch;
    run_on_linux([&]() -> future<void> {
        model_records wanted;
        for (unsigned run = 0; run < 3; ++run) {
            model_records found;
            record_log_options mine{.owner = {1, 4, run}};
            auto log = co_await record_log::open(scratch / "log", std::move(mine), collect(found));
            expect_same(found, wanted);
            if (run != 0) {
                EXPECT_TRUE(log->recovered().closed);
                EXPECT_EQ(log->recovered().owner, (log_owner{1, 4, run - 1}));
            }
            std::uint64_t last = 0;
            for (std::uint64_t i = 0; i < 500; ++i) {
                auto made = co_await append_waiting(*log, wanted.size() + 1, 1 + i * 37 % 3000);
                last = made.batch;
                wanted.push_back(std::move(made));
            }
            co_await log->committed(last);
            EXPECT_GE(log->committed_batch(), last);
            co_await log->close();
        }
    });
}

TEST(record_log, reads_records_back_before_and_after_they_are_written) {
    const scratch_directory scratch;
    run_on_linux([&]() -> future<void> {
        auto log = co_await record_log::open(scratch / "log", small(), {});
        model_records all;
        for (std::uint64_t i = 0; i < 300; ++i) {
            auto made = co_await append_waiting(*log, i, i * 53 % 9000);
            auto entry = co_await log->read(made.where, made.size);
            EXPECT_EQ(entry.payload.view(), made.payload);
            EXPECT_EQ(entry.sequence, made.sequence);
            EXPECT_EQ(entry.tag, made.tag);
            all.push_back(std::move(made));
        }
        co_await log->sync();
        for (const model_record& r : all) {
            for (const std::size_t hint : {r.size, std::uint64_t{0}, std::uint64_t{100'000}}) {
                auto entry = co_await log->read(r.where, hint);
                EXPECT_EQ(entry.payload.view(), r.payload);
            }
        }
        co_await log->close();
    });
}

TEST(record_log, reads_with_one_request_when_the_hint_is_right) {
    memory_disk disk;
    run_on(disk, [&]() -> future<void> {
        auto log = co_await record_log::open("/log", {}, {});
        const auto made = co_await append_waiting(*log, 1, 10'000);
        co_await log->sync();
        const std::uint64_t before = disk.count(io_op::read);
        co_await log->read(made.where, made.size);
        EXPECT_EQ(disk.count(io_op::read), before + 1);
        co_await log->read(made.where, 100);
        EXPECT_EQ(disk.count(io_op::read), before + 3);
        co_await log->close();
    });
}

TEST(record_log, commits_what_arrives_together_in_one_write) {
    memory_disk disk;
    run_on(disk, [&]() -> future<void> {
        std::vector<std::uint64_t> commits;
        record_log_options o;
        o.on_commit = [&](std::uint64_t number) { commits.push_back(number); };
        auto log = co_await record_log::open("/log", std::move(o), {});
        const std::uint64_t before = disk.dsync_writes;
        for (std::uint64_t i = 0; i < 100; ++i) {
            const auto made = append_one(*log, i, 100);
            CO_ASSERT(made.has_value());
        }
        co_await log->committed(log->open_batch());
        EXPECT_EQ(disk.dsync_writes, before + 1);
        EXPECT_EQ(commits.size(), 1U);
        EXPECT_EQ(log->stats().batches, 1U);
        EXPECT_EQ(log->stats().records, 100U);
        co_await log->close();
    });
}

TEST(record_log, lets_the_next_batch_form_while_one_is_written) {
    memory_disk disk;
    run_on(disk, [&]() -> future<void> {
        auto log = co_await record_log::open("/log", {}, {});
        auto writer = [&](std::uint64_t id) -> future<void> {
            for (std::uint64_t i = 0; i < 20; ++i) {
                const auto made = append_one(*log, id * 100 + i, 200);
                CO_ASSERT(made.has_value());
                co_await log->committed(made->batch);
            }
        };
        std::vector<future<void>> writers;
        for (std::uint64_t id = 0; id < 50; ++id) {
            writers.push_back(writer(id));
        }
        auto done = co_await when_all(std::move(writers));
        for (auto& each : done) {
            each.get();
        }
        // Each writer waits for its own record: 20 rounds, and not 1000 writes.
        EXPECT_LE(log->stats().batches, 45U);
        EXPECT_EQ(log->stats().records, 1000U);
        co_await log->close();
    });
}

TEST(record_log, never_has_two_commits_in_flight) {
    memory_disk disk;
    run_on(disk, [&]() -> future<void> {
        record_log_options o = small();
        o.write_then_flush = true;
        auto log = co_await record_log::open("/log", std::move(o), {});
        for (std::uint64_t i = 0; i < 500; ++i) {
            co_await append_waiting(*log, i, 700);
            const std::uint64_t committed = log->committed_batch();
            EXPECT_GE(committed + 30, log->open_batch());
        }
        co_await log->sync();
        EXPECT_EQ(log->stats().flushes, log->stats().batches);
        co_await log->close();
    });
}

TEST(record_log, rolls_over_segments_and_reuses_dropped_ones) {
    const scratch_directory scratch;
    run_on_linux([&]() -> future<void> {
        auto log = co_await record_log::open(scratch / "log", small(), {});
        model_records kept;
        for (std::uint64_t i = 0; i < 3000; ++i) {
            kept.push_back(co_await append_waiting(*log, i, 500));
            const auto oldest = log->oldest();
            CO_ASSERT(oldest.has_value());
            if (log->segments().size() > 4) {
                const std::uint64_t id = oldest->id;
                std::erase_if(kept, [&](const model_record& r) { return r.segment == id; });
                co_await log->drop(id);
            }
        }
        co_await log->sync();
        const record_log_stats stats = log->stats();
        EXPECT_GT(stats.segments_recycled, 10U);
        EXPECT_LE(stats.disk_bytes, 10 * small_segment);
        co_await log->close();
        model_records found;
        log = co_await record_log::open(scratch / "log", small(), collect(found));
        expect_same(found, kept);
        co_await log->close();
    });
}

TEST(record_log, takes_records_larger_than_a_segment) {
    memory_disk disk;
    run_on(disk, [&]() -> future<void> {
        auto log = co_await record_log::open("/log", small(), {});
        model_records wanted;
        for (const std::size_t length : {100UL, 200'000UL, 300UL, 65'536UL, 500'000UL, 1UL}) {
            wanted.push_back(co_await append_waiting(*log, wanted.size(), length));
            auto entry = co_await log->read(wanted.back().where, wanted.back().size);
            EXPECT_EQ(entry.payload.view(), wanted.back().payload);
        }
        co_await log->sync();
        for (const model_record& r : wanted) {
            auto entry = co_await log->read(r.where, r.size);
            EXPECT_EQ(entry.payload.view(), r.payload);
        }
        co_await log->close();
        model_records found;
        log = co_await record_log::open("/log", small(), collect(found));
        expect_same(found, wanted);
        co_await log->close();
    });
}

TEST(record_log, refuses_records_above_the_limit) {
    memory_disk disk;
    run_on(disk, [&]() -> future<void> {
        record_log_options o = small();
        o.record_bytes_max = 1000;
        auto log = co_await record_log::open("/log", std::move(o), {});
        const auto made = append_one(*log, 1, 1001);
        CO_ASSERT(!made);
        EXPECT_EQ(made.error(), append_refusal::too_large);
        EXPECT_TRUE(append_one(*log, 1, 1000));
        co_await log->close();
    });
}

TEST(record_log, holds_writers_back_while_too_much_is_pending) {
    memory_disk disk;
    run_on(disk, [&]() -> future<void> {
        record_log_options o;
        o.pending_bytes_max = 50'000;
        auto log = co_await record_log::open("/log", std::move(o), {});
        std::uint64_t most = 0;
        for (std::uint64_t i = 0; i < 300; ++i) {
            co_await log->wait_room(1000);
            CO_ASSERT(append_one(*log, i, 1000).has_value());
            most = std::max(most, log->stats().pending_bytes);
        }
        EXPECT_GT(most, 40'000U);
        EXPECT_LT(most, 52'000U);
        co_await log->close();
    });
}

TEST(record_log, lets_go_of_waiters_that_are_aborted) {
    memory_disk disk;
    run_on(disk, [&]() -> future<void> {
        auto log = co_await record_log::open("/log", {}, {});
        abort_source abort;
        CO_ASSERT(append_one(*log, 1, 10).has_value());
        auto waiting = log->committed(log->open_batch(), &abort);
        auto other = log->committed(log->open_batch());
        abort.request_abort();
        CO_ASSERT(waiting.available());
        EXPECT_THROW(waiting.get(), abort_requested_exception);
        co_await std::move(other);
        co_await log->close();
    });
}

TEST(record_log, flushes_once_a_second_in_mode_everysec) {
    memory_disk disk;
    run_on(disk, [&]() -> future<void> {
        record_log_options o;
        o.mode = sync_mode::everysec;
        auto log = co_await record_log::open("/log", std::move(o), {});
        const std::uint64_t before = disk.dsync_writes;
        for (std::uint64_t i = 0; i < 100; ++i) {
            const auto made = append_one(*log, i, 100);
            CO_ASSERT(made.has_value());
            co_await log->committed(made->batch);
            co_await sleep(50ms);
        }
        EXPECT_EQ(disk.dsync_writes, before);
        EXPECT_GE(log->stats().flushes, 4U);
        EXPECT_LE(log->stats().flushes, 6U);
        const std::uint64_t flushes = log->stats().flushes;
        co_await sleep(5s);
        EXPECT_LE(log->stats().flushes, flushes + 1);  // an idle log leaves the disk alone
        co_await log->close();
    });
}

TEST(record_log, leaves_flushing_to_full_segments_in_mode_no) {
    memory_disk disk;
    run_on(disk, [&]() -> future<void> {
        record_log_options o = small();
        o.mode = sync_mode::no;
        auto log = co_await record_log::open("/log", std::move(o), {});
        for (std::uint64_t i = 0; i < 1000; ++i) {
            co_await append_waiting(*log, i, 500);
        }
        co_await log->committed(log->open_batch());
        const record_log_stats stats = log->stats();
        EXPECT_EQ(stats.flushes, stats.segments_created - 1 - (log->segments().size() < stats.segments ? 1 : 0));
        co_await log->sync();
        EXPECT_EQ(log->stats().flushes, stats.flushes + 1);
        co_await log->close();
    });
}

TEST(record_log, walks_a_segment_and_keeps_it_until_the_walk_is_done) {
    memory_disk disk;
    run_on(disk, [&]() -> future<void> {
        auto log = co_await record_log::open("/log", small(), {});
        model_records all;
        while (log->segments().size() < 3) {
            all.push_back(co_await append_waiting(*log, all.size(), 300));
        }
        const std::uint64_t first = log->oldest()->id;
        std::erase_if(all, [&](const model_record& r) { return r.segment != first; });
        model_records found;
        auto walking = log->for_each(first, [&](const log_record& r) -> future<void> {
            found.push_back({r.sequence, r.tag, std::string(as_text(r.payload)), r.where, r.segment, 0, 0});
            EXPECT_EQ(r.where, all[found.size() - 1].where);
            co_await sleep(1ms);
        });
        auto dropping = log->drop(first);
        EXPECT_NE(log->oldest()->id, first);
        co_await sleep(20ms);
        EXPECT_FALSE(dropping.available());
        co_await std::move(walking);
        co_await std::move(dropping);
        expect_same(found, all);
        const auto late = co_await as_result(log->read(all[0].where, 100));
        EXPECT_FALSE(late.has_value() && late->payload.view() == all[0].payload);
        co_await log->close();
    });
}

TEST(record_log, keeps_a_dropped_segment_for_a_read_in_flight) {
    memory_disk disk({.latency_ns = 10'000'000});
    run_on(disk, [&]() -> future<void> {
        auto log = co_await record_log::open("/log", small(), {});
        model_records all;
        while (log->segments().size() < 2) {
            all.push_back(co_await append_waiting(*log, all.size(), 300));
        }
        co_await log->sync();
        std::vector<future<log_entry>> reads;
        for (unsigned i = 0; i < 20; ++i) {
            reads.push_back(log->read(all[i].where, all[i].size));
        }
        auto dropping = log->drop(all[0].segment);
        for (unsigned i = 0; i < 20; ++i) {
            const auto entry = co_await std::move(reads[i]);
            EXPECT_EQ(entry.payload.view(), all[i].payload);
        }
        co_await std::move(dropping);
        co_await log->close();
    });
}

TEST(record_log, is_read_and_destroyed_by_a_run_with_another_number_of_shards) {
    memory_disk disk;
    run_on(disk, [&]() -> future<void> {
        model_records wanted;
        auto log = co_await record_log::open("/old", {.owner = {1, 2, 0}}, {});
        for (std::uint64_t i = 0; i < 100; ++i) {
            wanted.push_back(co_await append_waiting(*log, i, 100));
        }
        co_await log->close();
        model_records found;
        log = co_await record_log::open("/old", {.read_only = true}, collect(found));
        expect_same(found, wanted);
        EXPECT_EQ(log->recovered().owner, (log_owner{1, 2, 0}));
        const auto entry = co_await log->read(found[7].where, 200);
        EXPECT_EQ(entry.payload.view(), wanted[7].payload);
        const auto refused = append_one(*log, 1, 1);
        CO_ASSERT(!refused);
        EXPECT_EQ(refused.error(), append_refusal::closed);
        co_await log->destroy();
        const bool there = co_await file_exists("/old");
        EXPECT_FALSE(there);
        EXPECT_EQ(disk.open_files(), 0U);
    });
}

TEST(record_log, writes_zeros_ahead_but_never_over_records) {
    for (std::uint64_t seed = 1; seed <= 4; ++seed) {
        memory_disk disk({.seed = seed});
        run_on(disk, [&]() -> future<void> {
            random_engine random(seed);
            auto log = co_await record_log::open("/log", {.segment_bytes = 16 << 20, .batch_bytes_max = 256 << 10}, {});
            model_records all;
            for (std::uint64_t i = 0; i < 300; ++i) {
                all.push_back(co_await append_waiting(*log, i, random.below(200'000)));
                if (random.chance(0.2)) {
                    co_await sleep(1ms);
                }
            }
            co_await log->sync();
            for (const model_record& r : all) {
                const auto entry = co_await log->read(r.where, r.size);
                CO_ASSERT(entry.payload.view() == r.payload);
            }
            EXPECT_GT(log->stats().zeroed_bytes, 0U);
            co_await log->close();
        });
    }
}

TEST(record_log, matches_a_model_over_thousands_of_random_operations_and_restarts) {
    for (std::uint64_t seed = 1; seed <= 6; ++seed) {
        memory_disk disk({.seed = seed});
        disk.short_transfers = seed % 2 == 1;
        run_on(disk, [&]() -> future<void> {
            random_engine random(seed);
            model_records model;
            std::uint64_t next = 1;
            auto log = co_await record_log::open("/log", small(), {});
            for (unsigned step = 0; step < 4000; ++step) {
                const auto what = random.below(100);
                if (what < 70) {
                    model.push_back(
                        co_await append_waiting(*log, next++, random.below(random.chance(0.02) ? 90'000 : 900)));
                } else if (what < 90 && !model.empty()) {
                    const model_record& r = model[random.below(model.size())];
                    const auto entry = co_await log->read(r.where, r.size);
                    CO_ASSERT(entry.payload.view() == r.payload);
                } else if (what < 94) {
                    co_await log->sync();
                } else if (what < 96 && log->segments().size() > 2) {
                    const auto all = log->segments();
                    const std::uint64_t id = all[random.below(all.size() - 1)].id;
                    std::erase_if(model, [&](const model_record& r) { return r.segment == id; });
                    co_await log->drop(id);
                } else if (what == 99 && random.chance(0.3)) {
                    co_await log->close();
                    model_records found;
                    log = co_await record_log::open("/log", small(), collect(found));
                    expect_same(found, model);
                    CO_ASSERT(found.size() == model.size());
                    for (std::size_t i = 0; i < found.size(); ++i) {
                        model[i].where = found[i].where;
                        model[i].segment = found[i].segment;
                    }
                }
            }
            co_await log->close();
            EXPECT_EQ(disk.open_files(), 0U);
        });
    }
}

}  // namespace
}  // namespace shale
