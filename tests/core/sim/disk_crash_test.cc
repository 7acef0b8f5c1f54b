// What a power loss leaves: each rule of the simulated disk by itself, over many seeds where it is a matter of chance.
#include <linux/falloc.h>
#include <linux/fs.h>

#include <cerrno>
#include <functional>
#include <set>

#include "disk_fixture.hh"

namespace shale::sim::detail {
namespace {

constexpr std::uint64_t seeds = 200;

class disk_crash : public disk_test {
protected:
    /// Runs `before` and a power loss on a new disk for each seed, and gathers what `after` finds.
    template <class F, class G>
    std::map<std::string, int> outcomes(const disk_profile& profile, F&& before, G&& after) {
        std::map<std::string, int> found;
        for (std::uint64_t seed = 0; seed < seeds; ++seed) {
            use(profile, seed);
            before();
            cycle();
            ++found[after()];
        }
        return found;
    }
    int durable_file(const std::string& path, const std::string& text) {
        const int fd = open(path);
        EXPECT_EQ(write(fd, 0, text), static_cast<int>(text.size()));
        EXPECT_EQ(sync(fd), 0);
        EXPECT_EQ(sync_dir("/"), 0);
        return fd;
    }
    std::string sorted_names() {
        std::string all;
        for (const char* name : {"/a", "/b", "/d/a", "/d/b", "/d/c"}) {
            all += exists(name) ? std::string(name) + " " : "";
        }
        return all;
    }
};

/// Each write has the fate that is asked for.
disk_profile with_rules(crash_rules rules) {
    disk_profile made;
    rules.keep_all = rules.drop_all = 0;
    made.crash = rules;
    return made;
}

TEST_F(disk_crash, keeps_what_was_flushed_and_nothing_else_when_all_else_is_dropped) {
    const int fd = durable_file("/f", "durable");
    ASSERT_EQ(write(fd, 3, "lost, and so is its length"), 26);
    EXPECT_EQ(content("/f"), "durlost, and so is its length");
    cycle(crash_fate::drop_all);
    EXPECT_EQ(content("/f"), "durable");
    EXPECT_EQ(counts.of("disk.power_loss"), 1U);
}

TEST_F(disk_crash, keeps_everything_when_all_is_kept) {
    const int fd = open("/f");
    ASSERT_EQ(write(fd, 0, "old"), 3);
    ASSERT_EQ(mkdir("/d"), 0);
    asked_request in_flight = make(io_op::write, fd, "new and longer", 14);
    asked_request making = make(io_op::mkdir, -1, "/e", 0755);
    begin(in_flight);
    begin(making);
    cycle(crash_fate::keep_all);
    EXPECT_EQ(content("/f"), "new and longer");
    EXPECT_TRUE(exists("/d"));
    EXPECT_TRUE(exists("/e"));
    EXPECT_FALSE(in_flight.done());
}

TEST_F(disk_crash, takes_all_or_nothing_as_often_as_the_rules_say) {
    const auto write_much = [&] {
        const int fd = durable_file("/f", std::string(40, '-'));
        for (int i = 0; i < 40; ++i) {
            write(fd, static_cast<std::uint64_t>(i), "+");
        }
    };
    const auto found = outcomes({}, write_much, [&] { return *content("/f"); });
    const auto all = found.find(std::string(40, '+'));
    const auto nothing = found.find(std::string(40, '-'));
    ASSERT_NE(all, found.end());
    ASSERT_NE(nothing, found.end());
    EXPECT_GT(all->second, 5);  // 20 of 200 on average
    EXPECT_LT(all->second, 45);
    EXPECT_GT(nothing->second, 5);
    EXPECT_LT(nothing->second, 45);
}

TEST_F(disk_crash, a_flush_covers_writes_completed_before_its_submission_and_none_in_flight) {
    const int fd = durable_file("/f", "....");
    ASSERT_EQ(write(fd, 0, "A"), 1);
    asked_request flush = make(io_op::fdatasync, fd);
    asked_request late = make(io_op::write, fd, "B", 1, 1);
    begin(flush);
    begin(late);
    wait_for(late);
    ASSERT_FALSE(flush.done());
    wait_for(flush);
    cycle(crash_fate::drop_all);
    EXPECT_EQ(content("/f"), "A...");
}

TEST_F(disk_crash, a_write_with_dsync_is_durable_with_its_size_when_it_completes) {
    const int fd = durable_file("/f", "");
    ASSERT_EQ(write(fd, 0, "before"), 6);
    ASSERT_EQ(write(fd, 10, "dsync", RWF_DSYNC), 5);
    cycle(crash_fate::drop_all);
    EXPECT_EQ(content("/f"), std::string(10, '\0') + "dsync");

    const int same = open("/f", O_RDWR | O_DSYNC);
    ASSERT_EQ(write(same, 0, "by flag"), 7);
    ASSERT_EQ(write(same, 20, "sync", RWF_SYNC), 4);
    cycle(crash_fate::drop_all);
    EXPECT_EQ(content("/f"), std::string("by flag\0\0\0dsync\0\0\0\0\0sync", 24));
}

TEST_F(disk_crash, nothing_older_comes_back_over_a_write_with_dsync) {
    const auto write_twice = [&] {
        const int fd = durable_file("/f", std::string(2048, '.'));
        write(fd, 0, std::string(2048, 'o'));
        write(fd, 512, std::string(512, 'N'), RWF_DSYNC);
    };
    const auto found = outcomes({}, write_twice, [&] { return content("/f")->substr(512, 512); });
    EXPECT_EQ(found.size(), 1U);
    EXPECT_EQ(found.begin()->first, std::string(512, 'N'));
}

TEST_F(disk_crash, a_cut_that_was_not_flushed_takes_nothing_from_a_later_write_with_dsync) {
    const auto cut_and_write = [&] {
        const int fd = durable_file("/f", std::string(1000, 'o'));
        truncate(fd, 0);
        write(fd, 100, "dsync", RWF_DSYNC);
    };
    const auto found = outcomes({}, cut_and_write, [&] { return *content("/f"); });
    EXPECT_EQ(found.size(), 1U);
    EXPECT_EQ(found.begin()->first, std::string(100, '\0') + "dsync");
}

TEST_F(disk_crash, tears_by_sectors_or_pages_in_arbitrary_sets) {
    const auto write_large = [&] {
        const int fd = durable_file("/f", std::string(16'384, '-'));
        write(fd, 0, std::string(16'384, '+'));
    };
    std::set<std::string> sectors;
    bool by_sector = false;
    const auto look = [&] {
        const std::string text = *content("/f");
        std::string pattern;
        for (std::size_t at = 0; at < text.size(); at += 512) {
            EXPECT_TRUE(text.substr(at, 512) == std::string(512, text[at])) << at;
            pattern += text[at];
        }
        by_sector = by_sector || pattern.substr(0, 8).find_first_not_of(pattern[0]) != std::string::npos;
        return pattern;
    };
    const auto found = outcomes(with_rules({0, 0, 1, 0}), write_large, look);
    EXPECT_TRUE(by_sector);
    EXPECT_GT(found.size(), 50U);
    bool hole = false;
    for (const auto& [pattern, times] : found) {
        hole = hole || pattern.find("+-+") != std::string::npos;
    }
    EXPECT_TRUE(hole) << "not only prefixes";
    EXPECT_EQ(counts.of("disk.crash_torn"), seeds);
}

TEST_F(disk_crash, garbles_with_mixtures_and_noise_where_the_write_was_and_nowhere_else) {
    const auto write_middle = [&] {
        const int fd = durable_file("/f", std::string(4096, '-'));
        write(fd, 1024, std::string(1024, '+'));
    };
    int noise = 0;
    int mixture = 0;
    const auto look = [&] {
        const std::string text = *content("/f");
        const std::string middle = text.substr(1024, 1024);
        noise += middle.find_first_not_of("+-") != std::string::npos ? 1 : 0;
        mixture += middle.substr(0, 512).find("+-") != std::string::npos ? 1 : 0;
        return text.substr(0, 1024) + text.substr(2048);
    };
    const auto found = outcomes(with_rules({0, 0, 0, 1}), write_middle, look);
    EXPECT_EQ(found.size(), 1U);
    EXPECT_EQ(found.begin()->first, std::string(3072, '-'));
    EXPECT_GT(noise, 50);
    EXPECT_GT(mixture, 10);
}

TEST_F(disk_crash, leaves_the_old_or_the_new_size) {
    const auto grow = [&] {
        const int fd = durable_file("/f", "old");
        write(fd, 0, "new, and longer");
    };
    const auto found = outcomes(with_rules({1, 0, 0, 0}), grow, [&] { return *content("/f"); });
    EXPECT_EQ(found.size(), 2U);
    EXPECT_TRUE(found.contains("new"));
    EXPECT_TRUE(found.contains("new, and longer"));
    const auto dropped = outcomes(with_rules({0, 1, 0, 0}), grow, [&] { return *content("/f"); });
    EXPECT_TRUE(dropped.contains("old"));
    EXPECT_TRUE(dropped.contains("old" + std::string(12, '\0')));
}

TEST_F(disk_crash, writes_in_flight_may_have_happened) {
    asked_request in_flight(io_op::write);
    const std::string text = "new";
    const auto submit = [&] {
        const int fd = durable_file("/f", "old");
        in_flight = make(io_op::write, fd, text.data(), 3);
        begin(in_flight);
    };
    const auto found = outcomes({}, submit, [&] { return *content("/f"); });
    EXPECT_TRUE(found.contains("old"));
    EXPECT_TRUE(found.contains("new"));
    EXPECT_FALSE(in_flight.done());
}

TEST_F(disk_crash, a_new_file_may_be_gone_though_its_bytes_were_flushed) {
    const auto make_file = [&] {
        const int fd = open("/a");
        write(fd, 0, "text");
        EXPECT_EQ(sync(fd), 0);
    };
    const auto found = outcomes({}, make_file, [&] { return content("/a").value_or("none"); });
    EXPECT_EQ(found.size(), 2U);
    EXPECT_TRUE(found.contains("none"));
    EXPECT_TRUE(found.contains("text"));
}

TEST_F(disk_crash, the_fsync_of_a_new_file_keeps_its_name_on_ext4_and_those_above_it) {
    ASSERT_EQ(mkdir("/other"), 0);
    const auto make_file = [&] {
        mkdir("/d");
        const int fd = open("/d/a");
        write(fd, 0, "text");
        EXPECT_EQ(sync(fd), 0);
    };
    const auto found = outcomes(disk_profile::ext4_like(), make_file, [&] { return content("/d/a").value_or("none"); });
    EXPECT_EQ(found.size(), 1U);
    EXPECT_TRUE(found.contains("text"));
}

TEST_F(disk_crash, a_rename_leaves_the_old_or_the_new_and_never_both_or_neither) {
    const auto replace = [&] {
        durable_file("/a", "old");
        const int fd = open("/b");
        write(fd, 0, "new");
        sync(fd);
        EXPECT_EQ(sync_dir("/"), 0);
        EXPECT_EQ(rename("/b", "/a"), 0);
    };
    const auto look = [&] { return content("/a").value_or("none") + "," + content("/b").value_or("none"); };
    const auto found = outcomes({}, replace, look);
    EXPECT_EQ(found.size(), 2U);
    EXPECT_TRUE(found.contains("old,new"));
    EXPECT_TRUE(found.contains("new,none"));
    const auto synced = outcomes(
        {},
        [&] {
            replace();
            EXPECT_EQ(sync_dir("/"), 0);
        },
        look);
    EXPECT_EQ(synced.size(), 1U);
    EXPECT_TRUE(synced.contains("new,none"));
}

TEST_F(disk_crash, a_rename_between_directories_is_one_change) {
    const auto move = [&] {
        durable_file("/a", "x");
        EXPECT_EQ(mkdir("/d"), 0);
        EXPECT_EQ(sync_dir("/"), 0);
        EXPECT_GE(open("/d/b"), 0);
        EXPECT_EQ(rename("/a", "/d/a"), 0);
    };
    const auto found = outcomes({}, move, [&] { return sorted_names(); });
    EXPECT_EQ(found.size(), 3U);
    EXPECT_TRUE(found.contains("/a "));
    EXPECT_TRUE(found.contains("/a /d/b "));
    EXPECT_TRUE(found.contains("/d/a /d/b "));
    // Syncing either directory makes the whole change durable, and what it rests on.
    for (const char* directory : {"/", "/d"}) {
        const auto synced = outcomes(
            {},
            [&] {
                move();
                EXPECT_EQ(sync_dir(directory), 0);
            },
            [&] { return sorted_names(); });
        EXPECT_EQ(synced.size(), 1U);
        EXPECT_TRUE(synced.contains("/d/a /d/b "));
    }
}

TEST_F(disk_crash, of_each_directory_the_first_changes_survive) {
    const auto make_files = [&] {
        EXPECT_EQ(mkdir("/d"), 0);
        EXPECT_EQ(sync_dir("/"), 0);
        for (const char* name : {"/a", "/d/a", "/b", "/d/b", "/d/c"}) {
            EXPECT_GE(open(name), 0);
        }
    };
    const auto found = outcomes({}, make_files, [&] { return sorted_names(); });
    EXPECT_EQ(found.size(), 12U);  // 0 to 2 in one, 0 to 3 in the other
    for (const auto& [names, times] : found) {
        EXPECT_TRUE(names.find("/b ") == std::string::npos || names.find("/a ") != std::string::npos) << names;
        EXPECT_TRUE(names.find("/d/c") == std::string::npos || names.find("/d/b") != std::string::npos) << names;
    }
}

TEST_F(disk_crash, a_file_in_a_directory_that_is_not_durable_goes_with_it) {
    ASSERT_EQ(mkdir("/d"), 0);
    ASSERT_GE(open("/d/a"), 0);
    ASSERT_EQ(sync_dir("/d"), 0);
    cycle(crash_fate::drop_all);
    EXPECT_FALSE(exists("/d"));
    ASSERT_EQ(mkdir("/d"), 0);
    EXPECT_FALSE(exists("/d/a"));
}

TEST_F(disk_crash, a_removed_file_comes_back_with_its_bytes_and_its_room) {
    const int fd = durable_file("/a", std::string(5000, 'x'));
    ASSERT_EQ(close(fd), 0);
    ASSERT_EQ(unlink("/a"), 0);
    EXPECT_EQ(drive->used_bytes(), 0U);
    cycle(crash_fate::drop_all);
    EXPECT_EQ(content("/a"), std::string(5000, 'x'));
    EXPECT_EQ(drive->used_bytes(), 8192U);
    ASSERT_EQ(unlink("/a"), 0);
    ASSERT_EQ(sync_dir("/"), 0);
    cycle(crash_fate::drop_all);
    EXPECT_FALSE(exists("/a"));
}

TEST_F(disk_crash, an_exchange_is_one_change) {
    const auto exchange = [&] {
        durable_file("/a", "1");
        durable_file("/b", "2");
        EXPECT_EQ(rename("/a", "/b", RENAME_EXCHANGE), 0);
    };
    const auto found = outcomes({}, exchange, [&] { return *content("/a") + *content("/b"); });
    EXPECT_EQ(found.size(), 2U);
    EXPECT_TRUE(found.contains("12"));
    EXPECT_TRUE(found.contains("21"));
}

TEST_F(disk_crash, truncation_punching_and_zeroing_are_durable_after_a_flush_only) {
    const std::string old(3 * 4096, 'x');
    const int fd = durable_file("/f", old);
    ASSERT_EQ(fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0, 4096), 0);
    ASSERT_EQ(truncate(fd, 5000), 0);
    cycle(crash_fate::drop_all);
    EXPECT_EQ(content("/f"), old);
    const int again = open("/f");
    ASSERT_EQ(fallocate(again, FALLOC_FL_ZERO_RANGE, 0, 4096), 0);
    ASSERT_EQ(truncate(again, 5000), 0);
    ASSERT_EQ(sync(again), 0);
    cycle(crash_fate::drop_all);
    EXPECT_EQ(content("/f"), std::string(4096, '\0') + std::string(904, 'x'));
}

TEST_F(disk_crash, descriptors_from_before_are_none_any_more) {
    const int fd = durable_file("/f", "x");
    drive->power_loss();
    EXPECT_EQ(read(fd, 0, 1), "error " + std::to_string(EBADF));
    EXPECT_EQ(close(fd), -EBADF);
    EXPECT_EQ(process->table.size(), 0U);
}

TEST_F(disk_crash, the_same_seed_gives_the_same_disk) {
    const auto once = [&] {
        use({}, 77);
        const int fd = open("/f");
        for (int i = 0; i < 50; ++i) {
            write(fd, static_cast<std::uint64_t>(i * 300), std::string(1000, static_cast<char>('a' + i % 26)));
        }
        sync_dir("/");
        drive->power_loss(crash_fate::each_its_own);
        return content("/f");
    };
    EXPECT_EQ(once(), once());
}

TEST_F(disk_crash, fsync_failure_loses_the_data_and_lies_ever_after) {
    const int fd = durable_file("/f", "old");
    ASSERT_EQ(write(fd, 0, "new and longer"), 14);
    drive->faults().sync_error = 1;
    EXPECT_EQ(sync(fd), -EIO);
    drive->faults().sync_error = 0;
    EXPECT_EQ(sync(fd), 0);
    EXPECT_EQ(read(fd, 0, 20), "new and longer") << "the page cache has it";
    ASSERT_EQ(write(fd, 8, "longest"), 7);
    EXPECT_EQ(sync(fd), 0);
    cycle(crash_fate::keep_all);
    EXPECT_EQ(content("/f"), std::string("old\0\0\0\0\0longest", 15));
    EXPECT_EQ(counts.of("disk.sync_error"), 1U);
}

TEST_F(disk_crash, a_lying_flush_leaves_out_the_last_changes) {
    use(disk_profile::consumer_ssd());
    drive->faults().lying_flush_depth = 1;
    const int fd = open("/f");
    ASSERT_EQ(write(fd, 0, "a"), 1);
    ASSERT_EQ(sync_dir("/"), 0);
    ASSERT_EQ(write(fd, 1, "b"), 1);
    ASSERT_EQ(sync(fd), 0);
    ASSERT_EQ(write(fd, 2, "c", RWF_DSYNC), 1);
    cycle(crash_fate::drop_all);
    EXPECT_EQ(content("/f"), "a");
    EXPECT_EQ(counts.of("disk.lying_flush"), 3U);
}

}  // namespace
}  // namespace shale::sim::detail
