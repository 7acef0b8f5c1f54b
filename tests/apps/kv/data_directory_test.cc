// What data_directory.hh promises of a server's start, on a simulated disk.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <shale/apps/kv/data_directory.hh>
#include <shale/core/async/coroutine.hh>
#include <shale/core/shard/sleep.hh>
#include <shale/core/sim/sim.hh>
#include <shale/file/directory.hh>

namespace shale::kv {
namespace {

using namespace std::chrono_literals;

constexpr std::uint64_t mib = std::uint64_t{1} << 20;

/// Why the directory cannot be locked; empty if it can, and then it is not locked any more.
future<std::string> refusal(std::string directory) {
    auto locked = co_await as_result(lock_directory(std::move(directory)));
    if (locked) {
        co_await locked->close();
        co_return std::string();
    }
    try {
        std::rethrow_exception(locked.error());
    } catch (const std::exception& why) {
        co_return why.what();
    }
}

struct data_directory : ::testing::Test {
    /// Runs `program` on a machine whose disk is like `disk` and gives its exit code.
    std::optional<int> run(std::function<future<int>()> program, sim::disk_profile disk = {}) {
        sim::world world({.disk = disk});
        sim::machine& m = world.add_machine({.name = "kv", .entry = std::move(program)});
        m.start();
        world.settle();
        EXPECT_EQ(m.failure(), "");
        return m.exit_code();
    }
};

TEST_F(data_directory, is_locked_until_the_lock_is_closed) {
    const auto code = run([]() -> future<int> {
        file lock = co_await lock_directory("/a/b");
        const std::string second = co_await refusal("/a/b");
        EXPECT_EQ(second, "the data directory /a/b is in use by another kv. Stop it, or give another with --dir.");
        co_await lock.close();
        const std::string third = co_await refusal("/a/b");
        EXPECT_EQ(third, "");
        co_return 3;
    });
    EXPECT_EQ(code, 3);
}

TEST_F(data_directory, refuses_what_cannot_be_had_in_one_line) {
    const auto code = run([]() -> future<int> {
        file plain = co_await open_file_dma("/plain", open_flags::rw | open_flags::create);
        co_await plain.close();
        std::string why = co_await refusal("/plain");
        EXPECT_EQ(why, "cannot write to the data directory /plain: Not a directory. Give another with --dir.");
        why = co_await refusal("/plain/below");
        EXPECT_EQ(why, "cannot make the data directory /plain/below: Not a directory. Give another with --dir.");
        why = co_await refusal("");
        EXPECT_EQ(why, "cannot make the data directory : No such file or directory. Give another with --dir.");
        co_return 3;
    });
    EXPECT_EQ(code, 3);
}

TEST_F(data_directory, is_free_again_after_a_kill_and_still_there_after_a_power_loss) {
    sim::disk_profile disk;
    disk.crash.keep_all = 0;
    disk.crash.drop_all = 1;
    sim::world world({.disk = disk});
    unsigned locked = 0;
    unsigned found = 0;
    sim::machine& m = world.add_machine({.name = "kv", .entry = [&]() -> future<int> {
                                             const bool there = co_await file_exists("/data");
                                             found += there ? 1 : 0;
                                             const file lock = co_await lock_directory("/data");
                                             ++locked;
                                             while (true) {
                                                 co_await sleep(1s);
                                             }
                                         }});
    m.start();
    ASSERT_TRUE(world.run_until([&] { return locked == 1; }));
    m.restart();
    ASSERT_TRUE(world.run_until([&] { return locked == 2; }));
    m.power_loss();
    m.start();
    ASSERT_TRUE(world.run_until([&] { return locked == 3; }));
    EXPECT_EQ(found, 2U);
}

TEST_F(data_directory, has_smaller_segments_on_a_smaller_disk) {
    const auto segment_bytes = [this](std::uint64_t capacity, unsigned shards) {
        std::uint64_t bytes = 0;
        run(
            [&]() -> future<int> {
                bytes = co_await fitting_segment_bytes("/", shards);
                co_return 0;
            },
            {.capacity_bytes = capacity});
        return bytes;
    };
    EXPECT_EQ(segment_bytes(std::uint64_t{1} << 40, 4), 64 * mib);
    EXPECT_EQ(segment_bytes(1024 * mib, 2), 32 * mib);
    EXPECT_EQ(segment_bytes(1024 * mib - 4096, 2), 31 * mib);
    EXPECT_EQ(segment_bytes(16 * mib, 2), 4 * mib);
}

TEST_F(data_directory, takes_a_disk_that_does_not_say_its_size_for_a_large_one) {
    std::uint64_t bytes = 0;
    run([&]() -> future<int> {
        bytes = co_await fitting_segment_bytes("/no/such", 1);
        co_return 0;
    });
    EXPECT_EQ(bytes, 64 * mib);
}

}  // namespace
}  // namespace shale::kv
