// What a record log does when the disk is full, fails or cannot do something.
#include <shale/file/record_log.hh>

#include <fcntl.h>
#include <gmock/gmock.h>
#include <sched.h>
#include <sys/mount.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

#include <shale/core/shard/sleep.hh>

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
using test::memory_image;
using test::model_record;
using test::model_records;
using test::run_on;
using test::scratch_directory;
using testing::HasSubstr;

constexpr std::uint64_t segment_bytes = 64 * 1024;

record_log_options small() {
    record_log_options o;
    o.segment_bytes = segment_bytes;
    return o;
}

/// Appends until the log refuses for another reason than being busy; says why.
future<append_refusal> fill(record_log& log, model_records& records, std::size_t length = 1000) {
    while (true) {
        auto made = append_one(log, records.size(), length);
        if (made) {
            records.push_back(*made);
            continue;
        }
        if (made.error() != append_refusal::busy) {
            co_return made.error();
        }
        co_await log.wait_room(length);
    }
}

/// The disk is full, reads and drops go on, and appends do once there is space.
future<void> use_a_full_disk(std::string directory) {
    auto log = co_await record_log::open(directory, small(), {});
    model_records all;
    const append_refusal why = co_await fill(*log, all);
    EXPECT_EQ(why, append_refusal::no_space);
    EXPECT_TRUE(log->out_of_space());
    EXPECT_EQ(log->failure(), nullptr);
    co_await log->sync();
    for (const model_record& r : all) {
        const auto entry = co_await log->read(r.where, r.size);
        CO_ASSERT(entry.payload.view() == r.payload);
    }
    const std::uint64_t oldest = log->oldest()->id;
    std::erase_if(all, [&](const model_record& r) { return r.segment == oldest; });
    const std::size_t before = all.size();
    co_await log->drop(oldest);
    for (unsigned i = 0; log->out_of_space() && i < 10'000; ++i) {
        co_await sleep(1ms);
    }
    CO_ASSERT(!log->out_of_space());
    const std::uint64_t first_new = all.back().sequence + 1;
    for (std::uint64_t i = 0; i < 20; ++i) {
        all.push_back(co_await append_waiting(*log, first_new + i, 1000));
    }
    EXPECT_EQ(all.size(), before + 20);
    co_await log->sync();
    co_await log->close();
    model_records found;
    log = co_await record_log::open(directory, small(), collect(found));
    expect_same(found, all);
    co_await log->close();
}

TEST(record_log_failure, refuses_on_a_full_disk_and_goes_on_when_there_is_space) {
    memory_disk disk({.capacity = 5 * segment_bytes + 1000});
    run_on(disk, [] { return use_a_full_disk("/log"); });
}

TEST(record_log_failure, refuses_on_a_full_file_system_of_this_machine) {
    const scratch_directory scratch;
    // A mount that only this process sees, and that goes with it.
    if (::unshare(CLONE_NEWNS) != 0 || ::mount("none", "/", nullptr, MS_REC | MS_PRIVATE, nullptr) != 0 ||
        ::mount("shale", scratch.path().c_str(), "tmpfs", 0, "size=400k") != 0) {
        GTEST_SKIP() << "a small file system needs the right to mount one; the disk in memory stands in for it";
    }
    test::run_on_linux([&] { return use_a_full_disk(scratch / "log"); });
    ::umount2(scratch.path().c_str(), MNT_DETACH);
}

TEST(record_log_failure, starts_on_a_full_disk_and_serves_reads) {
    memory_disk disk({.capacity = 3 * segment_bytes});
    run_on(disk, [&]() -> future<void> {
        model_records all;
        auto log = co_await record_log::open("/log", small(), {});
        for (std::uint64_t i = 0; i < 30; ++i) {
            all.push_back(co_await append_waiting(*log, i, 1000));
        }
        co_await log->close();
        disk.capacity = 0;
        model_records found;
        record_log_options o = small();
        o.free_segments_max = 0;
        log = co_await record_log::open("/log", std::move(o), collect(found));
        expect_same(found, all);
        const auto entry = co_await log->read(found[3].where, 2000);
        EXPECT_EQ(entry.payload.view(), all[3].payload);
        co_await log->wait_room(10);
        auto refused = append_one(*log, 100, 10);
        CO_ASSERT(!refused);
        EXPECT_EQ(refused.error(), append_refusal::no_space);
        disk.capacity = 10 * segment_bytes;
        co_await sleep(2s);  // a full disk is not asked again at once
        refused = append_one(*log, 100, 10);
        co_await log->wait_room(10);
        EXPECT_TRUE(append_one(*log, 100, 10).has_value());
        co_await log->close();
    });
}

TEST(record_log_failure, keeps_a_reserve_for_who_makes_space) {
    memory_disk disk({.capacity = 6 * segment_bytes});
    run_on(disk, [&]() -> future<void> {
        record_log_options o = small();
        o.reserved_segments = 1;
        auto log = co_await record_log::open("/log", std::move(o), {});
        model_records all;
        const append_refusal why = co_await fill(*log, all);
        EXPECT_EQ(why, append_refusal::no_space);
        const std::uint64_t oldest = log->oldest()->id;
        // A cleaner copies the oldest segment to the reserve and drops it.
        std::uint64_t copied = 0;
        for (const model_record& r : all) {
            if (r.segment != oldest) {
                continue;
            }
            co_await log->wait_room(1000, log_append::cleaner);
            const auto made = append_one(*log, r.sequence, 1000, log_append::cleaner);
            CO_ASSERT(made.has_value());
            ++copied;
        }
        EXPECT_GT(copied, 10U);
        const auto refused = append_one(*log, 1'000'000, 10);
        CO_ASSERT(!refused);
        EXPECT_EQ(refused.error(), append_refusal::no_space);
        co_await log->sync();
        co_await log->drop(oldest);
        EXPECT_EQ(log->stats().free_segments, 1U);  // the reserve is back
        co_await log->close();
    });
}

TEST(record_log_failure, fails_for_good_when_a_commit_cannot_be_written) {
    for (const io_op op : {io_op::write, io_op::fdatasync}) {
        memory_disk disk;
        memory_image left;
        model_records acknowledged;
        run_on(disk, [&]() -> future<void> {
            unsigned calls = 0;
            record_log_options o = small();
            o.write_then_flush = op == io_op::fdatasync;
            o.on_failure = [&](const std::exception_ptr& why) {
                ++calls;
                EXPECT_EQ(test::code(why), EIO);
            };
            auto log = co_await record_log::open("/log", std::move(o), {});
            for (std::uint64_t i = 0; i < 10; ++i) {
                acknowledged.push_back(co_await append_waiting(*log, i, 500));
            }
            co_await log->sync();
            disk.fault = [op](const io_request& r) { return r.op == op ? -EIO : 0; };
            const auto lost = append_one(*log, 10, 500);
            CO_ASSERT(lost.has_value());
            const auto done = co_await as_result(log->committed(lost->batch));
            CO_ASSERT(!done);
            EXPECT_EQ(test::code(done.error()), EIO);
            EXPECT_THAT(test::what(done.error()), HasSubstr("/log/"));
            EXPECT_EQ(calls, 1U);
            disk.fault = nullptr;  // the disk says it is well again: too late
            const auto refused = append_one(*log, 11, 500);
            CO_ASSERT(!refused);
            EXPECT_EQ(refused.error(), append_refusal::failed);
            const auto waited = co_await as_result(log->wait_room(10));
            EXPECT_FALSE(waited.has_value());
            const auto synced = co_await as_result(log->sync());
            EXPECT_FALSE(synced.has_value());
            const auto entry = co_await log->read(acknowledged[3].where, 600);
            EXPECT_EQ(entry.payload.view(), acknowledged[3].payload);
            EXPECT_EQ(calls, 1U);
            const auto closed = co_await as_result(log->close());
            EXPECT_FALSE(closed.has_value());
            EXPECT_EQ(disk.open_files(), 0U);
            left = disk.power_off();
        });
        memory_disk after({}, left);
        run_on(after, [&]() -> future<void> {
            model_records found;
            auto log = co_await record_log::open("/log", small(), collect(found));
            CO_ASSERT(found.size() >= acknowledged.size());
            found.resize(acknowledged.size());
            expect_same(found, acknowledged);
            co_await log->close();
        });
    }
}

TEST(record_log_failure, flushes_where_the_disk_has_no_dsync_writes) {
    memory_disk disk;
    run_on(disk, [&]() -> future<void> {
        disk.fault = [](const io_request& r) { return r.op == io_op::write && r.rw_flags != 0 ? -EOPNOTSUPP : 0; };
        auto log = co_await record_log::open("/log", small(), {});
        for (std::uint64_t i = 0; i < 10; ++i) {
            const auto made = co_await append_waiting(*log, i, 500);
            co_await log->committed(made.batch);
        }
        EXPECT_EQ(disk.dsync_writes, 0U);
        EXPECT_EQ(log->stats().flushes, 10U);
        const memory_image left = disk.power_off();
        co_await as_result(log->close());
        memory_disk after({}, left);
        run_on(after, []() -> future<void> {
            model_records found;
            auto again = co_await record_log::open("/log", small(), collect(found));
            EXPECT_EQ(found.size(), 10U);
            co_await again->close();
        });
    });
}

TEST(record_log_failure, leaves_the_log_whole_when_opening_fails) {
    memory_disk disk;
    run_on(disk, [&]() -> future<void> {
        model_records all;
        auto log = co_await record_log::open("/log", small(), {});
        for (std::uint64_t i = 0; i < 200; ++i) {
            all.push_back(co_await append_waiting(*log, i, 1000));
        }
        co_await log->close();
        // Each request of an opening fails once, until one goes through.
        for (std::uint64_t bad = 0;; ++bad) {
            CO_ASSERT(bad < 1000);
            std::uint64_t at = 0;
            disk.fault = [&](const io_request&) { return at++ == bad ? -EIO : 0; };
            model_records found;
            auto opened = co_await as_result(record_log::open("/log", small(), collect(found)));
            const bool reached = at > bad;
            disk.fault = nullptr;
            if (opened) {
                expect_same(found, all);
                co_await as_result((*opened)->close());
            }
            if (!reached) {
                break;
            }
        }
        EXPECT_EQ(disk.open_files(), 0U);
        model_records found;
        log = co_await record_log::open("/log", small(), collect(found));
        expect_same(found, all);
        co_await log->close();
    });
}

TEST(record_log_failure, passes_on_what_a_visitor_throws) {
    memory_disk disk;
    run_on(disk, [&]() -> future<void> {
        auto log = co_await record_log::open("/log", small(), {});
        co_await append_waiting(*log, 1, 10);
        co_await log->close();
        const auto opened = co_await as_result(
            record_log::open("/log", small(), [](const log_record&) { throw std::runtime_error("no more memory"); }));
        CO_ASSERT(!opened);
        EXPECT_EQ(test::what(opened.error()), "no more memory");
        EXPECT_EQ(disk.open_files(), 0U);
    });
}

}  // namespace
}  // namespace shale
