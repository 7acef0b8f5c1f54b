// What directory.hh promises.
#include <shale/file/directory.hh>

#include <gmock/gmock.h>
#include <sys/statvfs.h>

#include <cerrno>

#include <shale/core/async/coroutine.hh>
#include <shale/core/base/bytes.hh>
#include <shale/file/file.hh>

#include "disk_test_body.hh"
#include "memory_disk.hh"

namespace shale {
namespace {

using test::memory_disk;
using test::run_on;
using test::run_on_linux;
using test::scratch_directory;

future<void> write_file(std::string path, std::string text) {
    file f = co_await open_file_dma(path, open_flags::rw | open_flags::create);
    co_await f.dma_write(0, text.data(), text.size());
    co_await f.flush();
    co_await f.close();
}

future<std::string> read_file(std::string path) {
    file f = co_await open_file_dma(path, open_flags::ro);
    auto all = co_await f.dma_read<char>(0, 100'000);
    co_await f.close();
    co_return std::string(all.view());
}

TEST(directory, makes_lists_renames_and_removes) {
    const scratch_directory scratch;
    run_on_linux([&]() -> future<void> {
        co_await recursive_touch_directory(scratch / "a/b//c/");
        co_await recursive_touch_directory(scratch / "a/b/c");
        co_await touch_directory(scratch / "a/b");
        const auto again = co_await as_result(make_directory(scratch / "a/b"));
        EXPECT_FALSE(again);
        co_await write_file(scratch / "a/two", "2");
        co_await write_file(scratch / "a/one", "1");
        auto entries = co_await list_directory(scratch / "a");
        CO_ASSERT(entries.size() == 3);
        EXPECT_EQ(entries[0].name, "b");
        EXPECT_EQ(entries[0].type, directory_entry_type::directory);
        EXPECT_EQ(entries[1].name, "one");
        EXPECT_EQ(entries[1].type, directory_entry_type::regular);
        co_await rename_file(scratch / "a/one", scratch / "a/two");
        const std::string text = co_await read_file(scratch / "a/two");
        EXPECT_EQ(text, "1");
        const bool gone = co_await file_exists(scratch / "a/one");
        EXPECT_FALSE(gone);
        co_await remove_file(scratch / "a/two");
        co_await remove_file(scratch / "a/b/c");
        co_await sync_directory(scratch / "a");
        entries = co_await list_directory(scratch / "a/b");
        EXPECT_TRUE(entries.empty());
        const bool nowhere = co_await file_exists(scratch / "x/y");
        EXPECT_FALSE(nowhere);
    });
}

TEST(directory, lists_more_than_fits_one_answer) {
    const scratch_directory scratch;
    run_on_linux([&]() -> future<void> {
        for (unsigned i = 0; i < 1500; ++i) {
            co_await touch_directory(scratch / ("entry_with_a_rather_long_name_" + std::to_string(100'000 + i)));
        }
        const auto entries = co_await list_directory(scratch.path());
        CO_ASSERT(entries.size() == 1500);
        EXPECT_EQ(entries.back().name, "entry_with_a_rather_long_name_101499");
    });
}

TEST(directory, tells_sizes_and_links) {
    const scratch_directory scratch;
    run_on_linux([&]() -> future<void> {
        co_await write_file(scratch / "file", "12345");
        std::filesystem::create_symlink("file", scratch / "link");
        const std::uint64_t size = co_await file_size(scratch / "link");
        EXPECT_EQ(size, 5U);
        const stat_data link = co_await file_stat(scratch / "link", false);
        EXPECT_EQ(link.type, directory_entry_type::link);
    });
}

TEST(directory, tells_the_room_of_a_file_system) {
    const scratch_directory scratch;
    run_on_linux([&]() -> future<void> {
        struct statvfs expected {};
        CO_ASSERT(::statvfs(scratch.path().c_str(), &expected) == 0);
        const space_info room = co_await file_system_space(scratch.path());
        EXPECT_EQ(room.capacity, std::uint64_t{expected.f_blocks} * expected.f_frsize);
        EXPECT_LE(room.free, room.capacity);
        EXPECT_LE(room.available, room.free);
        EXPECT_GT(room.available, 0U);
        const auto nowhere = co_await as_result(file_system_space(scratch / "no/such"));
        CO_ASSERT(!nowhere);
        try {
            std::rethrow_exception(nowhere.error());
        } catch (const std::system_error& e) {
            EXPECT_EQ(e.code().value(), ENOENT);
            EXPECT_THAT(e.what(), testing::HasSubstr(scratch / "no/such"));
        }
    });
}

TEST(directory, makes_nothing_of_an_empty_path) {
    memory_disk disk;
    run_on(disk, []() -> future<void> {
        const auto made = co_await as_result(recursive_touch_directory(""));
        EXPECT_FALSE(made);
        co_await recursive_touch_directory("/");
    });
}

TEST(directory, names_the_path_that_failed) {
    memory_disk disk;
    run_on(disk, [&]() -> future<void> {
        for (auto* call : {+[] { return remove_file("/no/such"); }, +[] { return rename_file("/no/such", "/b"); },
                           +[] { return list_directory("/no/such").discard_result(); },
                           +[] { return file_size("/no/such").discard_result(); }}) {
            const auto done = co_await as_result(call());
            CO_ASSERT(!done);
            try {
                std::rethrow_exception(done.error());
            } catch (const std::system_error& e) {
                EXPECT_EQ(e.code().value(), ENOENT);
                EXPECT_THAT(e.what(), testing::HasSubstr("/no/such"));
            }
        }
    });
}

TEST(directory, replaces_a_file_whole_or_not_at_all_when_the_power_goes) {
    unsigned replaced = 0;
    for (std::uint64_t seed = 1; seed <= 60; ++seed) {
        memory_disk disk({.seed = seed});
        test::memory_image left;
        run_on(disk, [&]() -> future<void> {
            co_await atomic_replace("/settings", as_bytes("old settings"));
            std::uint64_t countdown = seed % 12;
            disk.fault = [&](const io_request&) {
                if (countdown-- == 0) {
                    left = disk.power_off();
                }
                return disk.is_off() ? -EIO : 0;
            };
            const auto done = co_await as_result(atomic_replace("/settings", as_bytes("new settings, longer")));
            if (done) {
                left = disk.power_off();
            }
            replaced += done ? 1 : 0;
        });
        memory_disk after({.seed = seed}, left);
        run_on(after, []() -> future<void> {
            const std::string text = co_await read_file("/settings");
            EXPECT_TRUE(text == "old settings" || text == "new settings, longer") << text;
        });
    }
    EXPECT_GT(replaced, 0U);
}

TEST(directory, knows_the_parent_of_a_path) {
    EXPECT_EQ(parent_directory("a/b"), "a");
    EXPECT_EQ(parent_directory("/b"), "/");
    EXPECT_EQ(parent_directory("b"), ".");
    EXPECT_EQ(parent_directory("/a/b/"), "/a");
}

}  // namespace
}  // namespace shale
