// What file.hh promises, on this machine's disk and on one in memory that misbehaves.
#include <shale/file/file.hh>

#include <gmock/gmock.h>

#include <cerrno>
#include <cstring>
#include <fstream>
#include <numeric>

#include <shale/core/async/when_all.hh>
#include <shale/core/shard/aligned_pool.hh>
#include <shale/core/shard/sleep.hh>
#include <shale/file/directory.hh>

#include "disk_test_body.hh"
#include "memory_disk.hh"

namespace shale {
namespace {

using test::memory_disk;
using test::run_on;
using test::run_on_linux;
using test::scratch_directory;
using testing::HasSubstr;

constexpr auto fresh = open_flags::rw | open_flags::create | open_flags::truncate;

std::string letters(std::size_t size, unsigned seed = 0) {
    std::string text(size, ' ');
    for (std::size_t i = 0; i < size; ++i) {
        text[i] = static_cast<char>('a' + (i * 7 + i / 26 + seed) % 26);
    }
    return text;
}

/// The message of what `f` fails with; empty if it does not.
template <class T>
future<std::string> failure_of(future<T> f) {
    auto done = co_await as_result(std::move(f));
    if (done) {
        co_return std::string();
    }
    try {
        std::rethrow_exception(done.error());
    } catch (const std::exception& e) {
        co_return e.what();
    }
}

TEST(file, gives_back_what_was_written_at_any_position_and_length) {
    const scratch_directory scratch;
    run_on_linux([&]() -> future<void> {
        file f = co_await open_file_dma(scratch / "data", fresh);
        const std::string text = letters(20'000);
        co_await f.dma_write(0, text.data(), 16'384);
        co_await f.dma_write(16'384, text.data() + 16'384, text.size() - 16'384);
        const std::uint64_t size = co_await f.size();
        EXPECT_EQ(size, text.size());
        for (const auto& [at, length] :
             {std::pair{0, 4096}, {1, 1}, {4095, 2}, {511, 5000}, {19'999, 1}, {0, 20'000}}) {
            auto buffer = co_await f.dma_read<char>(static_cast<std::uint64_t>(at), static_cast<std::size_t>(length));
            EXPECT_EQ(buffer.view(), std::string_view(text).substr(at, length)) << at << " " << length;
        }
        std::vector<char> raw(5000);
        const std::size_t n = co_await f.dma_read(123, raw.data() + 1, 4000);
        EXPECT_EQ(n, 4000U);
        EXPECT_EQ(std::string_view(raw.data() + 1, 4000), std::string_view(text).substr(123, 4000));
        co_await f.close();
    });
}

TEST(file, is_locked_by_one_opening_at_a_time_until_that_is_closed_or_dropped) {
    const scratch_directory scratch;
    run_on_linux([&]() -> future<void> {
        file one = co_await open_file_dma(scratch / "lock", fresh);
        file two = co_await open_file_dma(scratch / "lock", fresh);
        bool locked = co_await one.try_lock();
        EXPECT_TRUE(locked);
        locked = co_await one.try_lock();
        EXPECT_TRUE(locked) << "who has it, has it";
        locked = co_await two.try_lock();
        EXPECT_FALSE(locked);
        co_await one.close();
        const std::string closed = co_await failure_of(one.try_lock());
        EXPECT_THAT(closed, HasSubstr("lock of " + (scratch / "lock")));
        locked = co_await two.try_lock();
        EXPECT_TRUE(locked);
        two = file();
        file three = co_await open_file_dma(scratch / "lock", fresh);
        for (locked = false; !locked;) {  // the closing of what was dropped is in the background
            locked = co_await three.try_lock();
        }
        co_await three.close();
    });
}

TEST(file, says_which_file_cannot_be_locked) {
    memory_disk disk;
    run_on(disk, [&]() -> future<void> {
        file f = co_await open_file_dma("/f", fresh);
        disk.fault = [](const io_request& r) { return r.op == io_op::lock ? -ENOLCK : 0; };
        const std::string why = co_await failure_of(f.try_lock());
        EXPECT_THAT(why, testing::AllOf(HasSubstr("lock of /f:"), HasSubstr("ENOLCK")));
        co_await f.close();
    });
}

TEST(file, reads_short_only_at_the_end) {
    const scratch_directory scratch;
    run_on_linux([&]() -> future<void> {
        file f = co_await open_file_dma(scratch / "data", fresh);
        const std::string text = letters(10'000);
        co_await f.dma_write(0, text.data(), text.size());
        const auto tail = co_await f.dma_read<char>(9'000, 5'000);
        EXPECT_EQ(tail.view(), std::string_view(text).substr(9'000));
        const auto beyond = co_await f.dma_read<char>(50'000, 10);
        EXPECT_TRUE(beyond.empty());
        const auto whole = co_await f.dma_read_exactly<char>(0, 10'000);
        EXPECT_EQ(whole.view(), text);
        const auto bulk = co_await f.dma_read_bulk<char>(4'000, 10);
        EXPECT_GE(bulk.size(), 10U);
        EXPECT_TRUE(std::string_view(text).substr(4'000).starts_with(bulk.view()));
        const std::string why = co_await failure_of(f.dma_read_exactly<char>(9'999, 2));
        EXPECT_THAT(why, HasSubstr(scratch / "data"));
        EXPECT_THAT(why, HasSubstr("ends after 1"));
        co_await f.close();
    });
}

TEST(file, moves_vectors_of_buffers) {
    const scratch_directory scratch;
    run_on_linux([&]() -> future<void> {
        file f = co_await open_file_dma(scratch / "data", fresh);
        const io_buffer a(8192);
        const io_buffer b(4096);
        const std::string text = letters(12'288);
        std::memcpy(a.data(), text.data(), 8192);
        std::memcpy(b.data(), text.data() + 8192, 4096);
        std::vector<iovec> parts{{a.data(), 8192}, {b.data(), 4096}};
        const std::size_t written = co_await f.dma_write(0, parts);
        EXPECT_EQ(written, 12'288U);
        std::string odd(100, ' ');
        std::string rest(20'000, ' ');
        std::vector<iovec> into{{odd.data(), odd.size()}, {rest.data(), rest.size()}};
        const std::size_t read = co_await f.dma_read(0, into);
        EXPECT_EQ(read, 12'288U);
        EXPECT_EQ(odd + rest.substr(0, 12'188), text);
        std::memset(a.data(), 0, 8192);
        std::vector<iovec> again{{b.data(), 4096}, {a.data(), 8192}};
        const std::size_t aligned = co_await f.dma_read(0, again);
        EXPECT_EQ(aligned, 12'288U);
        EXPECT_EQ(std::memcmp(a.data(), text.data() + 4096, 8192), 0);
        co_await f.close();
    });
}

TEST(file, splits_what_is_larger_than_a_request) {
    memory_disk disk;
    run_on(disk, [&]() -> future<void> {
        file f = co_await open_file_dma("/data", fresh, {.request_bytes_max = 8192});
        const std::string text = letters(100'000);
        co_await f.dma_write(0, text.data(), text.size());
        const auto back = co_await f.dma_read<char>(0, text.size());
        EXPECT_EQ(back.view(), text);
        EXPECT_GE(disk.count(io_op::write), 12U);
        EXPECT_GE(disk.count(io_op::read), 12U);
        co_await f.close();
    });
}

TEST(file, continues_short_transfers) {
    memory_disk disk({.seed = 7});
    disk.short_transfers = true;
    run_on(disk, [&]() -> future<void> {
        file f = co_await open_file_dma("/data", fresh);
        for (unsigned round = 0; round < 50; ++round) {
            const std::string text = letters(16'384 + 512 * round, round);
            co_await f.dma_write(0, text.data(), text.size());
            const auto back = co_await f.dma_read<char>(0, text.size());
            EXPECT_EQ(back.view(), text);
        }
        co_await f.close();
    });
}

TEST(file, goes_through_the_page_cache_where_direct_io_is_refused) {
    memory_disk disk({.alignment = 0});
    run_on(disk, [&]() -> future<void> {
        file f = co_await open_file_dma("/data", fresh | open_flags::exclusive);
        EXPECT_FALSE(f.is_direct());
        EXPECT_EQ(f.disk_write_dma_alignment(), 1U);
        co_await f.dma_write(3, "hello", 5);
        const auto back = co_await f.dma_read<char>(4, 4);
        EXPECT_EQ(back.view(), "ello");
        co_await f.close();
    });
}

TEST(file, works_in_memory_backed_file_systems) {
    const scratch_directory scratch("/dev/shm");
    run_on_linux([&]() -> future<void> {
        file f = co_await open_file_dma(scratch / "data", fresh);
        const std::string text = letters(9'999);
        co_await f.dma_write(1, text.data(), text.size(), {.dsync = true});
        const auto back = co_await f.dma_read<char>(1, text.size());
        EXPECT_EQ(back.view(), text);
        co_await f.flush();
        co_await f.close();
    });
}

TEST(file, matches_a_model_under_random_unaligned_access) {
    for (std::uint64_t seed = 1; seed <= 4; ++seed) {
        memory_disk disk({.seed = seed});
        disk.short_transfers = seed % 2 == 0;
        run_on(disk, [&]() -> future<void> {
            random_engine random(seed);
            file f = co_await open_file_dma("/data", fresh, {.request_bytes_max = 16'384});
            std::string model;
            for (int step = 0; step < 1500; ++step) {
                const std::uint64_t at = random.below(100'000);
                const std::size_t length = random.below(random.chance(0.1) ? 60'000 : 3'000);
                if (random.chance(0.5)) {
                    const std::string text = letters(length, static_cast<unsigned>(step));
                    model.resize(length == 0 ? model.size() : std::max(model.size(), at + length));
                    model.replace(length == 0 ? 0 : at, length, text);
                    co_await f.dma_write(at, text.data(), length);
                } else if (random.chance(0.05)) {
                    model.resize(at);
                    co_await f.truncate(at);
                } else {
                    const auto back = co_await f.dma_read<char>(at, length);
                    const std::string wanted = at < model.size() ? model.substr(at, length) : "";
                    CO_ASSERT(back.view() == wanted);
                }
                const std::uint64_t size = co_await f.size();
                CO_ASSERT(size == model.size());
            }
            co_await f.close();
        });
    }
}

TEST(file, keeps_neighbours_of_unaligned_writes_at_the_same_time) {
    memory_disk disk;
    run_on(disk, [&]() -> future<void> {
        file f = co_await open_file_dma("/data", fresh);
        const std::string blank(8192, '.');
        co_await f.dma_write(0, blank.data(), blank.size());
        const std::string text = letters(100);
        std::vector<future<std::size_t>> writes;
        for (unsigned i = 0; i < 80; ++i) {
            writes.push_back(f.dma_write(i * 100, text.data(), text.size()));
        }
        auto done = co_await when_all(std::move(writes));
        for (auto& each : done) {
            EXPECT_EQ(each.get(), 100U);
        }
        const auto back = co_await f.dma_read<char>(0, 8192);
        for (unsigned i = 0; i < 80; ++i) {
            EXPECT_EQ(back.view().substr(i * 100, 100), text) << i;
        }
        co_await f.close();
    });
}

TEST(file, says_path_size_and_offset_when_it_fails) {
    memory_disk disk;
    run_on(disk, [&]() -> future<void> {
        file f = co_await open_file_dma("/data", fresh);
        disk.fault = [](const io_request& r) { return r.op == io_op::write ? -EIO : 0; };
        const std::string text = letters(8192);
        const std::string why = co_await failure_of(f.dma_write(4096, text.data(), 8192));
        EXPECT_THAT(why, HasSubstr("write of 8192 bytes at 4096 of /data"));
        EXPECT_THAT(why, HasSubstr("(EIO)"));
        co_await f.close();
        const std::string missing = co_await failure_of(open_file_dma("/nowhere/data", open_flags::ro));
        EXPECT_THAT(missing, HasSubstr("open of /nowhere/data"));
    });
}

TEST(file, fails_every_flush_after_one_has_failed) {
    memory_disk disk;
    run_on(disk, [&]() -> future<void> {
        file f = co_await open_file_dma("/data", fresh);
        disk.fault = [](const io_request& r) { return r.op == io_op::fdatasync ? -EIO : 0; };
        const std::string why1 = co_await failure_of(f.flush());
        EXPECT_THAT(why1, HasSubstr("lost"));
        disk.fault = nullptr;
        const std::string why2 = co_await failure_of(f.flush());
        EXPECT_THAT(why2, HasSubstr("lost"));
        co_await f.close();
    });
}

TEST(file, retries_interrupted_transfers) {
    memory_disk disk;
    run_on(disk, [&]() -> future<void> {
        file f = co_await open_file_dma("/data", fresh);
        int interruptions = 3;
        disk.fault = [&](const io_request& r) {
            const bool transfer = r.op == io_op::write || r.op == io_op::read;
            return transfer && interruptions-- > 0 ? -EINTR : 0;
        };
        const io_buffer block(4096);
        co_await f.dma_write(0, block.data(), 4096);
        interruptions = 3;
        const std::size_t n = co_await f.dma_read(0, block.data(), 4096);
        EXPECT_EQ(n, 4096U);
        co_await f.close();
    });
}

TEST(file, refuses_calls_after_close_and_waits_for_those_before) {
    memory_disk disk;
    run_on(disk, [&]() -> future<void> {
        file f = co_await open_file_dma("/data", fresh);
        const io_buffer block(4096);
        auto writing = f.dma_write(0, block.data(), 4096);
        co_await f.close();
        EXPECT_TRUE(writing.available());
        EXPECT_EQ(writing.get(), 4096U);
        const std::string why3 = co_await failure_of(f.flush());
        EXPECT_THAT(why3, HasSubstr("closed"));
        EXPECT_EQ(disk.open_files(), 0U);
    });
}

TEST(file, is_closed_when_it_is_dropped) {
    memory_disk disk;
    run_on(disk, [&]() -> future<void> {
        co_await open_file_dma("/data", fresh);
        co_await sleep(1s);
        EXPECT_EQ(disk.open_files(), 0U);
    });
}

TEST(file, does_nothing_when_aborted_before) {
    memory_disk disk;
    run_on(disk, [&]() -> future<void> {
        file f = co_await open_file_dma("/data", fresh);
        abort_source abort;
        abort.request_abort();
        const io_buffer block(4096);
        const std::string why4 = co_await failure_of(f.dma_write(0, block.data(), 4096, {}, &abort));
        EXPECT_EQ(why4, "abort requested");
        const std::string why5 = co_await failure_of(f.dma_write(1, block.data(), 40, {}, &abort));
        EXPECT_EQ(why5, "abort requested");
        const std::string why6 = co_await failure_of(f.dma_read(0, block.data(), 4096, &abort));
        EXPECT_EQ(why6, "abort requested");
        const std::string why7 = co_await failure_of(f.flush(&abort));
        EXPECT_EQ(why7, "abort requested");
        const std::uint64_t size = co_await f.size();
        EXPECT_EQ(size, 0U);
        co_await f.close();
    });
}

TEST(file, knows_when_there_is_no_space_before_writing) {
    memory_disk disk({.capacity = 100'000});
    run_on(disk, [&]() -> future<void> {
        file f = co_await open_file_dma("/data", fresh);
        co_await f.allocate(0, 50'000);
        const std::string why8 = co_await failure_of(f.allocate(0, 200'000));
        EXPECT_THAT(why8, HasSubstr("ENOSPC"));
        co_await f.close();
    });
}

TEST(file, tells_size_kind_and_times) {
    const scratch_directory scratch;
    run_on_linux([&]() -> future<void> {
        file f = co_await open_file_dma(scratch / "data", fresh, {.create_permissions = 0600});
        co_await f.dma_write(0, "12345", 5);
        const stat_data found = co_await f.stat();
        EXPECT_EQ(found.size, 5U);
        EXPECT_EQ(found.type, directory_entry_type::regular);
        EXPECT_EQ(found.mode, 0600U);
        EXPECT_GT(found.time_modified.time_since_epoch().count(), 0);
        co_await f.allocate(0, 1 << 20);
        const stat_data larger = co_await f.stat();
        EXPECT_EQ(larger.size, 1U << 20);
        EXPECT_GE(larger.allocated_size, 1U << 20);
        co_await f.truncate(3);
        const auto rest = co_await f.dma_read<char>(0, 100);
        EXPECT_EQ(rest.view(), "123");
        co_await f.close();
    });
}

}  // namespace
}  // namespace shale
