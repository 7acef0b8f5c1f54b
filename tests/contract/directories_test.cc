// Directories: making, removing and listing them, and the errors of names.
#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>

#include <cerrno>
#include <map>
#include <vector>

#include "contract.hh"

namespace shale::contract {
namespace {

struct entry {
    std::uint64_t inode;
    unsigned type;
};

class directories_contract : public contract_case {
protected:
    /// Reads one buffer of entries into `into`; gives what readdir gave.
    int read_some(int fd, std::size_t room, std::multimap<std::string, entry>& into) {
        std::vector<std::uint64_t> buffer(room / 8);
        const int n = run(io_op::readdir, fd, buffer.data(), room);
        int at = 0;
        while (at < n) {
            // As linux_dirent64: inode, position, length of the record, type, name.
            const char* record = reinterpret_cast<const char*>(buffer.data()) + at;
            std::uint64_t inode = 0;
            std::uint16_t length = 0;
            std::memcpy(&inode, record, sizeof inode);
            std::memcpy(&length, record + 16, sizeof length);
            EXPECT_EQ(length % 8, 0);
            EXPECT_GT(length, 19);
            if (length <= 19) {
                break;
            }
            into.emplace(record + 19, entry{inode, static_cast<unsigned char>(record[18])});
            at += length;
        }
        EXPECT_EQ(at, std::max(n, 0)) << "records fill the result exactly";
        return n;
    }

    std::multimap<std::string, entry> list(std::string_view name, std::size_t room = 4096) {
        const int fd = opened(name, O_RDONLY | O_DIRECTORY);
        std::multimap<std::string, entry> found;
        int n = 1;
        while (n > 0) {
            n = read_some(fd, room, found);
        }
        EXPECT_EQ(n, 0);
        EXPECT_EQ(close(fd), 0);
        return found;
    }
};
INSTANTIATE_TEST_SUITE_P(, directories_contract, all_sides(), name_of);

TEST_P(directories_contract, mkdir_makes_an_empty_directory) {
    EXPECT_EQ(mkdir(path("folder")), 0);
    const auto found = list("folder");
    EXPECT_EQ(found.size(), 2u);
    EXPECT_EQ(found.count("."), 1u);
    EXPECT_EQ(found.count(".."), 1u);
}

TEST_P(directories_contract, mkdir_refuses_what_exists) {
    EXPECT_EQ(mkdir(path("folder")), 0);
    EXPECT_EQ(mkdir(path("folder")), -EEXIST);
    put("file", "content");
    EXPECT_EQ(mkdir(path("file")), -EEXIST);
    EXPECT_EQ(get("file"), "content");
    EXPECT_EQ(mkdir("/"), -EEXIST);
}

TEST_P(directories_contract, mkdir_needs_its_parent) {
    EXPECT_EQ(mkdir(path("missing/folder")), -ENOENT);
    put("file", "");
    EXPECT_EQ(mkdir(path("file/folder")), -ENOTDIR);
    EXPECT_EQ(mkdir(""), -ENOENT);
}

TEST_P(directories_contract, mkdir_takes_a_slash_at_the_end) {
    EXPECT_EQ(mkdir(path("folder/")), 0);
    EXPECT_EQ(mkdir(path("folder")), -EEXIST);
}

TEST_P(directories_contract, mkdir_takes_names_of_255_bytes) {
    EXPECT_EQ(mkdir(path(std::string(255, 'n'))), 0);
    EXPECT_EQ(mkdir(path(std::string(256, 'n'))), -ENAMETOOLONG);
}

TEST_P(directories_contract, directories_nest) {
    std::string name = "d";
    for (int depth = 0; depth < 20; ++depth) {
        ASSERT_EQ(mkdir(path(name)), 0);
        name += "/d";
    }
    put(name, "deep");
    EXPECT_EQ(get(name), "deep");
}

TEST_P(directories_contract, unlink_removes_a_file) {
    put("file", "content");
    EXPECT_EQ(unlink(path("file")), 0);
    EXPECT_EQ(get("file"), "error " + std::to_string(ENOENT));
    EXPECT_EQ(unlink(path("file")), -ENOENT);
    put("file", "new");
    EXPECT_EQ(get("file"), "new");
}

TEST_P(directories_contract, unlink_errors) {
    put("file", "content");
    EXPECT_EQ(unlink(path("file/below")), -ENOTDIR);
    EXPECT_EQ(unlink(path("missing/below")), -ENOENT);
    EXPECT_EQ(unlink(path("file/")), -ENOTDIR);
    EXPECT_EQ(unlink(""), -ENOENT);
    EXPECT_EQ(unlink(path(std::string(256, 'n'))), -ENAMETOOLONG);
    EXPECT_EQ(get("file"), "content");
}

TEST_P(directories_contract, unlink_of_a_directory_needs_the_flag) {
    ASSERT_EQ(mkdir(path("folder")), 0);
    EXPECT_EQ(unlink(path("folder")), -EISDIR);
    EXPECT_EQ(unlink(path("folder"), AT_REMOVEDIR), 0);
    EXPECT_EQ(unlink(path("folder"), AT_REMOVEDIR), -ENOENT);
}

TEST_P(directories_contract, the_flag_refuses_a_file) {
    put("file", "content");
    EXPECT_EQ(unlink(path("file"), AT_REMOVEDIR), -ENOTDIR);
    EXPECT_EQ(get("file"), "content");
}

TEST_P(directories_contract, unknown_unlink_flags_are_einval) {
    put("file", "content");
    EXPECT_EQ(unlink(path("file"), 0x1), -EINVAL);
    EXPECT_EQ(get("file"), "content");
}

TEST_P(directories_contract, only_an_empty_directory_is_removed) {
    ASSERT_EQ(mkdir(path("folder")), 0);
    put("folder/file", "content");
    EXPECT_EQ(unlink(path("folder"), AT_REMOVEDIR), -ENOTEMPTY);
    EXPECT_EQ(unlink(path("folder/file")), 0);
    EXPECT_EQ(unlink(path("folder"), AT_REMOVEDIR), 0);
}

TEST_P(directories_contract, the_dots_cannot_be_removed) {
    ASSERT_EQ(mkdir(path("folder")), 0);
    EXPECT_EQ(unlink(path("folder/."), AT_REMOVEDIR), -EINVAL);
    EXPECT_EQ(unlink(path("folder/.."), AT_REMOVEDIR), -ENOTEMPTY);
}

TEST_P(directories_contract, a_listing_names_every_entry_once_with_type_and_inode) {
    ASSERT_EQ(mkdir(path("folder")), 0);
    put("folder/file", "content");
    ASSERT_EQ(mkdir(path("folder/below")), 0);
    const auto found = list("folder");
    EXPECT_EQ(found.size(), 4u);
    ASSERT_EQ(found.count("file"), 1u);
    ASSERT_EQ(found.count("below"), 1u);
    EXPECT_EQ(found.find("file")->second.type, DT_REG);
    EXPECT_EQ(found.find("below")->second.type, DT_DIR);
    EXPECT_EQ(found.find(".")->second.type, DT_DIR);
    struct statx about {};
    ASSERT_EQ(run(io_op::stat, -1, text(path("folder/file")), 0, 0, &about), 0);
    EXPECT_EQ(found.find("file")->second.inode, about.stx_ino);
}

TEST_P(directories_contract, a_listing_goes_on_where_the_last_buffer_ended) {
    ASSERT_EQ(mkdir(path("folder")), 0);
    for (int i = 0; i < 300; ++i) {
        put("folder/" + std::to_string(i), "");
    }
    for (const std::size_t room : {std::size_t{64}, std::size_t{512}, std::size_t{65536}}) {
        const auto found = list("folder", room);
        EXPECT_EQ(found.size(), 302u);
        for (int i = 0; i < 300; ++i) {
            EXPECT_EQ(found.count(std::to_string(i)), 1u);
        }
    }
}

TEST_P(directories_contract, a_listing_at_its_end_stays_there) {
    const int fd = opened("", O_RDONLY | O_DIRECTORY);
    std::multimap<std::string, entry> found;
    EXPECT_GT(read_some(fd, 4096, found), 0);
    EXPECT_EQ(read_some(fd, 4096, found), 0);
    EXPECT_EQ(read_some(fd, 4096, found), 0);
}

TEST_P(directories_contract, a_buffer_too_small_for_one_entry_is_einval) {
    ASSERT_EQ(mkdir(path("folder")), 0);
    const int fd = opened("folder", O_RDONLY | O_DIRECTORY);
    std::uint64_t buffer[2];
    EXPECT_EQ(run(io_op::readdir, fd, buffer, sizeof buffer), -EINVAL);
    std::multimap<std::string, entry> found;
    EXPECT_GT(read_some(fd, 4096, found), 0) << "nothing was lost";
    EXPECT_EQ(found.size(), 2u);
}

TEST_P(directories_contract, only_directories_are_listed) {
    put("file", "content");
    const int fd = opened("file", O_RDONLY);
    std::uint64_t buffer[100];
    EXPECT_EQ(run(io_op::readdir, fd, buffer, sizeof buffer), -ENOTDIR);
    EXPECT_EQ(run(io_op::readdir, 987'654, buffer, sizeof buffer), -EBADF);
}

TEST_P(directories_contract, a_listing_shows_what_was_made_and_removed_before) {
    put("a", "");
    put("b", "");
    ASSERT_EQ(unlink(path("a")), 0);
    ASSERT_EQ(rename(path("b"), path("c")), 0);
    const auto found = list("");
    EXPECT_EQ(found.size(), 3u);
    EXPECT_EQ(found.count("c"), 1u);
}

TEST_P(directories_contract, sync_dir_is_0_on_a_directory) {
    put("file", "content");
    EXPECT_EQ(run(io_op::sync_dir, -1, text(path(""))), 0);
    EXPECT_EQ(run(io_op::sync_dir, -1, text(path("."))), 0);
    EXPECT_EQ(run(io_op::sync_dir, -1, text(outside().scratch())), 0);
}

TEST_P(directories_contract, sync_dir_errors) {
    put("file", "content");
    EXPECT_EQ(run(io_op::sync_dir, -1, text(path("file"))), -ENOTDIR);
    EXPECT_EQ(run(io_op::sync_dir, -1, text(path("missing"))), -ENOENT);
    EXPECT_EQ(run(io_op::sync_dir, -1, text("")), -ENOENT);
}

}  // namespace
}  // namespace shale::contract
