// Names on the simulated disk: each result is what Linux 6.18 gives on ext4 for the same call.
#include <dirent.h>
#include <linux/fs.h>
#include <sys/stat.h>

#include <cerrno>
#include <set>

#include "disk_fixture.hh"

namespace shale::sim::detail {
namespace {

class disk_names : public disk_test {
protected:
    void SetUp() override {
        ASSERT_EQ(mkdir("/d"), 0);
        ASSERT_EQ(mkdir("/d/e"), 0);
        ASSERT_GE(open("/f"), 0);
    }

    std::multiset<std::string> list(const std::string& path, std::size_t buffer_size = 4096) {
        const int fd = open(path, O_RDONLY | O_DIRECTORY);
        EXPECT_GE(fd, 0);
        std::multiset<std::string> names;
        std::vector<char> buffer(buffer_size);
        for (int size; (size = run(io_op::readdir, fd, buffer.data(), buffer.size())) != 0;) {
            EXPECT_GT(size, 0);
            for (int at = 0; at < size;) {
                const auto* entry = reinterpret_cast<const dirent64*>(buffer.data() + at);
                names.insert(std::string(entry->d_name) + (entry->d_type == DT_DIR ? "/" : ""));
                at += entry->d_reclen;
            }
        }
        close(fd);
        return names;
    }
};

TEST_F(disk_names, opens_with_the_errors_of_linux) {
    EXPECT_EQ(open("/no", O_RDWR), -ENOENT);
    EXPECT_EQ(open("/no/x", O_RDWR | O_CREAT), -ENOENT);
    EXPECT_EQ(open("/f", O_RDWR | O_CREAT | O_EXCL), -EEXIST);
    EXPECT_EQ(open("/f", O_DIRECTORY), -ENOTDIR);
    EXPECT_EQ(open("/f/x", O_RDONLY), -ENOTDIR);
    EXPECT_EQ(open("/f/", O_RDONLY), -ENOTDIR);
    EXPECT_EQ(open("/f/", O_RDWR | O_CREAT), -EISDIR);
    EXPECT_EQ(open("/new/", O_RDWR | O_CREAT), -EISDIR);
    EXPECT_EQ(open("/d", O_RDWR), -EISDIR);
    EXPECT_EQ(open("/d", O_RDONLY | O_CREAT), -EISDIR);
    EXPECT_EQ(open("/d", O_RDONLY | O_TRUNC), -EISDIR);
    EXPECT_EQ(open("/d", O_RDONLY | O_CREAT | O_EXCL), -EEXIST);
    EXPECT_EQ(open("/d", O_RDONLY | O_CREAT | O_DIRECTORY), -EINVAL);
    EXPECT_EQ(open("/d", O_RDONLY | O_DIRECT), -EINVAL);
    EXPECT_EQ(open(".", O_RDONLY | O_CREAT), -EISDIR);
    EXPECT_EQ(open("", O_RDONLY), -ENOENT);
    EXPECT_GE(open("/f", O_RDONLY | O_NOFOLLOW), 0);
}

TEST_F(disk_names, walks_relative_paths_dots_and_double_slashes_from_the_root) {
    EXPECT_TRUE(exists("f"));
    EXPECT_TRUE(exists("./d/../f"));
    EXPECT_TRUE(exists("//d//e/"));
    EXPECT_TRUE(exists("/../../f"));
    EXPECT_EQ(stat_result("/f/."), -ENOTDIR);
    EXPECT_EQ(stat_result("/f/.."), -ENOTDIR);
    EXPECT_EQ(stat_result("/no/.."), -ENOENT);
}

TEST_F(disk_names, limits_the_lengths_of_names_and_paths) {
    EXPECT_GE(open(std::string(255, 'a')), 0);
    EXPECT_EQ(open(std::string(256, 'a')), -ENAMETOOLONG);
    std::string path;
    for (int i = 0; i < 2047; ++i) {
        path += "./";
    }
    EXPECT_GE(open(path + "a"), 0);
    EXPECT_EQ(open(path + "aa"), -ENAMETOOLONG);
}

TEST_F(disk_names, refuses_a_descriptor_too_many) {
    process->table.limit = process->table.size() + 1;
    const int fd = open("/f");
    EXPECT_GE(fd, 0);
    EXPECT_EQ(open("/g"), -EMFILE);
    EXPECT_EQ(close(fd), 0);
    EXPECT_FALSE(exists("/g"));
    EXPECT_EQ(open("/g"), fd);
}

TEST_F(disk_names, removes_with_the_errors_of_linux) {
    EXPECT_EQ(unlink("/f/"), -ENOTDIR);
    EXPECT_EQ(unlink("/d"), -EISDIR);
    EXPECT_EQ(unlink("/d/"), -EISDIR);
    EXPECT_EQ(unlink("."), -EISDIR);
    EXPECT_EQ(unlink("/no/"), -ENOENT);
    EXPECT_EQ(rmdir("/f"), -ENOTDIR);
    EXPECT_EQ(rmdir("."), -EINVAL);
    EXPECT_EQ(rmdir("/d/."), -EINVAL);
    EXPECT_EQ(rmdir("/d/e/.."), -ENOTEMPTY);
    EXPECT_EQ(rmdir("/"), -EBUSY);
    EXPECT_EQ(rmdir("/d"), -ENOTEMPTY);
    EXPECT_EQ(run(io_op::unlink, -1, "/f", 0x4000), -EINVAL);
    EXPECT_EQ(rmdir("/d/e"), 0);
    EXPECT_EQ(rmdir("/d"), 0);
    EXPECT_EQ(unlink("/f"), 0);
    EXPECT_EQ(unlink("/f"), -ENOENT);
}

TEST_F(disk_names, makes_directories_with_the_errors_of_linux) {
    EXPECT_EQ(mkdir("/d"), -EEXIST);
    EXPECT_EQ(mkdir("/f"), -EEXIST);
    EXPECT_EQ(mkdir("/f/"), -EEXIST);
    EXPECT_EQ(mkdir("."), -EEXIST);
    EXPECT_EQ(mkdir("/"), -EEXIST);
    EXPECT_EQ(mkdir("/no/x"), -ENOENT);
    EXPECT_EQ(mkdir("/f/x"), -ENOTDIR);
    EXPECT_EQ(mkdir("/n/"), 0);
    EXPECT_TRUE(exists("/n"));
}

TEST_F(disk_names, renames_with_the_errors_of_linux) {
    ASSERT_EQ(mkdir("/n"), 0);
    EXPECT_EQ(rename("/d", "/d/e/x"), -EINVAL);
    EXPECT_EQ(rename("/d/e", "/d"), -ENOTEMPTY);
    EXPECT_EQ(rename("/f", "/d"), -EISDIR);
    EXPECT_EQ(rename("/d", "/f"), -ENOTDIR);
    EXPECT_EQ(rename("/f", "/f"), 0);
    EXPECT_EQ(rename("/f", "/x/"), -ENOTDIR);
    EXPECT_EQ(rename("/f", "/n/"), -ENOTDIR);
    EXPECT_EQ(rename("/f/", "/x"), -ENOTDIR);
    EXPECT_EQ(rename("/no", "/f"), -ENOENT);
    EXPECT_EQ(rename(".", "/x"), -EBUSY);
    EXPECT_EQ(rename("/d", "."), -EBUSY);
    EXPECT_EQ(rename("/n", "/d"), -ENOTEMPTY);
    EXPECT_EQ(rename("/n", "/f/"), -ENOTDIR);
    EXPECT_EQ(rename("/f", "/d", RENAME_NOREPLACE), -EEXIST);
    EXPECT_EQ(rename("/f", "/d", RENAME_NOREPLACE | RENAME_EXCHANGE), -EINVAL);
    EXPECT_EQ(rename("/f", "/d", 8), -EINVAL);
    EXPECT_EQ(rename("/f", "/zz", RENAME_EXCHANGE), -ENOENT);
    EXPECT_EQ(rename("/d/e", "/y/"), 0);
    EXPECT_EQ(rename("/n", "/y"), 0);
    EXPECT_FALSE(exists("/n"));
    EXPECT_EQ(list("/d"), (std::multiset<std::string>{"./", "../"}));
}

TEST_F(disk_names, moves_a_directory_with_all_below_it_and_keeps_descriptors_valid) {
    const int fd = open("/d/e/file");
    EXPECT_EQ(write(fd, 0, "below"), 5);
    EXPECT_EQ(rename("/d", "/moved"), 0);
    EXPECT_EQ(content("/moved/e/file"), "below");
    EXPECT_EQ(read(fd, 0, 10), "below");
    EXPECT_TRUE(exists("/moved/e/../../f"));
    EXPECT_EQ(rename("/moved/e", "/e"), 0);
    EXPECT_TRUE(exists("/e/../f"));
}

TEST_F(disk_names, exchanges_two_names) {
    const int fd = open("/d/g");
    ASSERT_EQ(write(fd, 0, "g"), 1);
    EXPECT_EQ(rename("/f", "/d/g", RENAME_EXCHANGE), 0);
    EXPECT_EQ(content("/f"), "g");
    EXPECT_EQ(content("/d/g"), "");
    EXPECT_EQ(rename("/f", "/d", RENAME_EXCHANGE), 0);
    EXPECT_EQ(content("/d"), "g");
    EXPECT_TRUE(exists("/f/e"));
}

TEST_F(disk_names, lists_each_entry_once_however_small_the_buffer) {
    EXPECT_EQ(list("/"), (std::multiset<std::string>{"./", "../", "d/", "f"}));
    std::multiset<std::string> expected{"./", "../", "e/"};
    for (int i = 0; i < 100; ++i) {
        const std::string name = "file" + std::to_string(i);
        ASSERT_GE(open("/d/" + name), 0);
        expected.insert(name);
    }
    EXPECT_EQ(list("/d", 100), expected);
    const int fd = open("/d", O_RDONLY);
    char tiny[20];
    EXPECT_EQ(run(io_op::readdir, fd, tiny, sizeof tiny), -EINVAL);
    EXPECT_EQ(run(io_op::readdir, open("/f"), tiny, sizeof tiny), -ENOTDIR);
}

TEST_F(disk_names, tells_of_files_by_stat) {
    const std::uint64_t before = events.now_ns();
    const int fd = open("/s", O_RDWR | O_CREAT, 0666);
    ASSERT_EQ(write(fd, 0, std::string(5000, 'x')), 5000);
    const struct statx file = stat("/s");
    EXPECT_EQ(file.stx_size, 5000U);
    EXPECT_EQ(file.stx_blocks, 16U);
    EXPECT_EQ(file.stx_mode, S_IFREG | 0644);
    EXPECT_EQ(file.stx_nlink, 1U);
    EXPECT_GT(file.stx_ino, name_space::root);
    const auto wall = static_cast<std::uint64_t>(drive->profile().wall_offset_ns) + before;
    const std::uint64_t modified =
        static_cast<std::uint64_t>(file.stx_mtime.tv_sec) * 1'000'000'000 + file.stx_mtime.tv_nsec;
    EXPECT_GT(modified, wall);
    EXPECT_LT(modified, wall + events.now_ns() - before);
    // linux/stat.h of Debian 12 does not know these.
    EXPECT_NE(file.stx_mask & 0x2000U, 0U);
    EXPECT_EQ(file.stx_dio_offset_align, 512U);
    EXPECT_EQ(file.stx_dio_mem_align, 512U);

    struct statx by_descriptor {};
    EXPECT_EQ(run(io_op::stat, fd, nullptr, 0, 0, reinterpret_cast<std::uintptr_t>(&by_descriptor)), 0);
    EXPECT_EQ(by_descriptor.stx_ino, file.stx_ino);
    EXPECT_EQ(stat("/").stx_nlink, 3U);
    EXPECT_EQ(stat("/d").stx_mode, S_IFDIR | 0755);
    ASSERT_EQ(unlink("/s"), 0);
    EXPECT_EQ(run(io_op::stat, fd, nullptr, 0, 0, reinterpret_cast<std::uintptr_t>(&by_descriptor)), 0);
    EXPECT_EQ(by_descriptor.stx_nlink, 0U);
}

TEST_F(disk_names, syncs_directories_only_by_path) {
    EXPECT_EQ(sync_dir("/d"), 0);
    EXPECT_EQ(sync_dir("/f"), -ENOTDIR);
    EXPECT_EQ(sync_dir("/no"), -ENOENT);
    EXPECT_EQ(run(io_op::fsync, open("/d", O_RDONLY)), 0);
}

TEST_F(disk_names, takes_no_new_name_in_a_directory_that_was_removed) {
    ASSERT_EQ(rmdir("/d/e"), 0);
    EXPECT_EQ(open("/d/e/x"), -ENOENT);
    EXPECT_EQ(rename("/f", "/d/e/x"), -ENOENT);
}

}  // namespace
}  // namespace shale::sim::detail
