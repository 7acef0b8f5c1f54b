// The length and the space of files: truncate, fallocate, and what stat says of both.
#include <fcntl.h>
#include <linux/falloc.h>
#include <sys/stat.h>

#include <cerrno>

#include "contract.hh"

namespace shale::contract {
namespace {

constexpr std::uint64_t block = 4096;

class space_contract : public contract_case {
protected:
    int fd = opened("file", O_CREAT | O_RDWR);

    int truncate(int file, std::uint64_t length) { return run(io_op::truncate, file, nullptr, 0, length); }
    int allocate(int file, int mode, std::uint64_t offset, std::uint64_t length) {
        return run(io_op::fallocate, file, nullptr, static_cast<unsigned>(mode), offset,
                   reinterpret_cast<void*>(length));
    }
    struct statx about(int file) {
        struct statx found {};
        EXPECT_EQ(run(io_op::stat, file, nullptr, 0, 0, &found), 0);
        return found;
    }
    struct statx about(const std::string& where) {
        struct statx found {};
        EXPECT_EQ(run(io_op::stat, -1, text(where), 0, 0, &found), 0);
        return found;
    }
};
INSTANTIATE_TEST_SUITE_P(, space_contract, all_sides(), name_of);

TEST_P(space_contract, truncating_down_loses_the_tail) {
    EXPECT_EQ(write(fd, std::string(10'000, 'a')), 10'000);
    EXPECT_EQ(truncate(fd, 5000), 0);
    EXPECT_EQ(size_of(fd), 5000u);
    EXPECT_EQ(read(fd, 20'000), std::string(5000, 'a'));
}

TEST_P(space_contract, truncating_up_adds_zeros) {
    EXPECT_EQ(write(fd, "begin"), 5);
    EXPECT_EQ(truncate(fd, 10'000), 0);
    EXPECT_EQ(size_of(fd), 10'000u);
    EXPECT_EQ(read(fd, 20'000), "begin" + std::string(9995, '\0'));
}

TEST_P(space_contract, what_was_cut_off_does_not_come_back) {
    EXPECT_EQ(write(fd, std::string(10'000, 'a')), 10'000);
    EXPECT_EQ(truncate(fd, 100), 0);
    EXPECT_EQ(truncate(fd, 10'000), 0);
    EXPECT_EQ(read(fd, 20'000), std::string(100, 'a') + std::string(9900, '\0'));
}

TEST_P(space_contract, truncating_to_the_same_length_changes_nothing) {
    EXPECT_EQ(write(fd, "content"), 7);
    EXPECT_EQ(truncate(fd, 7), 0);
    EXPECT_EQ(read(fd, 100), "content");
}

TEST_P(space_contract, a_write_after_truncating_to_nothing_leaves_a_hole_before_it) {
    EXPECT_EQ(write(fd, std::string(100, 'a')), 100);
    EXPECT_EQ(truncate(fd, 0), 0);
    EXPECT_EQ(write(fd, "b", 50), 1);
    EXPECT_EQ(read(fd, 200), std::string(50, '\0') + "b");
}

TEST_P(space_contract, truncate_needs_a_writable_file) {
    const int reader = opened("file", O_RDONLY);
    EXPECT_EQ(truncate(reader, 0), -EINVAL);
    const int folder = opened("", O_RDONLY);
    EXPECT_EQ(truncate(folder, 0), -EINVAL);
    EXPECT_EQ(truncate(987'654, 0), -EBADF);
    EXPECT_EQ(truncate(-1, 0), -EBADF);
}

TEST_P(space_contract, a_negative_length_is_einval) {
    EXPECT_EQ(truncate(fd, ~std::uint64_t{0}), -EINVAL);
    EXPECT_EQ(allocate(fd, 0, 0, ~std::uint64_t{0}), -EINVAL);
    EXPECT_EQ(allocate(fd, 0, ~std::uint64_t{0}, block), -EINVAL);
}

TEST_P(space_contract, fallocate_extends_with_zeros) {
    EXPECT_EQ(write(fd, "begin"), 5);
    EXPECT_EQ(allocate(fd, 0, 0, 3 * block), 0);
    EXPECT_EQ(size_of(fd), 3 * block);
    EXPECT_EQ(read(fd, 4 * block), "begin" + std::string(3 * block - 5, '\0'));
}

TEST_P(space_contract, fallocate_leaves_data_alone_and_never_shrinks) {
    EXPECT_EQ(write(fd, std::string(10'000, 'a')), 10'000);
    EXPECT_EQ(allocate(fd, 0, 0, block), 0);
    EXPECT_EQ(size_of(fd), 10'000u);
    EXPECT_EQ(read(fd, 20'000), std::string(10'000, 'a'));
}

TEST_P(space_contract, fallocate_keeping_the_size_reserves_only) {
    EXPECT_EQ(write(fd, "begin"), 5);
    EXPECT_EQ(allocate(fd, FALLOC_FL_KEEP_SIZE, 0, 64 * block), 0);
    EXPECT_EQ(size_of(fd), 5u);
    EXPECT_GE(about(fd).stx_blocks, 64 * block / 512);
    EXPECT_EQ(read(fd, 100), "begin");
}

TEST_P(space_contract, a_punched_hole_reads_as_zeros_and_keeps_the_size) {
    EXPECT_EQ(write(fd, std::string(4 * block, 'a')), static_cast<int>(4 * block));
    EXPECT_EQ(allocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, block, 2 * block), 0);
    EXPECT_EQ(size_of(fd), 4 * block);
    EXPECT_EQ(read(fd, 4 * block), std::string(block, 'a') + std::string(2 * block, '\0') + std::string(block, 'a'));
}

TEST_P(space_contract, holes_need_not_be_aligned_nor_end_in_the_file) {
    EXPECT_EQ(write(fd, std::string(2 * block, 'a')), static_cast<int>(2 * block));
    EXPECT_EQ(allocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 100, 200), 0);
    EXPECT_EQ(allocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 2 * block - 10, 100 * block), 0);
    EXPECT_EQ(size_of(fd), 2 * block);
    EXPECT_EQ(read(fd, 4 * block), std::string(100, 'a') + std::string(200, '\0') + std::string(2 * block - 310, 'a') +
                                       std::string(10, '\0'));
}

TEST_P(space_contract, a_hole_must_keep_the_size) {
    EXPECT_EQ(allocate(fd, FALLOC_FL_PUNCH_HOLE, 0, block), -EOPNOTSUPP);
}

TEST_P(space_contract, a_zeroed_range_reads_as_zeros) {
    EXPECT_EQ(write(fd, std::string(3 * block, 'a')), static_cast<int>(3 * block));
    const int result = allocate(fd, FALLOC_FL_ZERO_RANGE, block, block);
    if (result == -EOPNOTSUPP) {
        GTEST_SKIP() << "the file system cannot zero a range";
    }
    EXPECT_EQ(result, 0);
    EXPECT_EQ(read(fd, 3 * block), std::string(block, 'a') + std::string(block, '\0') + std::string(block, 'a'));
    EXPECT_EQ(allocate(fd, FALLOC_FL_ZERO_RANGE, 2 * block, 3 * block), 0);
    EXPECT_EQ(size_of(fd), 5 * block);
    EXPECT_EQ(allocate(fd, FALLOC_FL_ZERO_RANGE | FALLOC_FL_KEEP_SIZE, 5 * block, block), 0);
    EXPECT_EQ(size_of(fd), 5 * block);
}

TEST_P(space_contract, fallocate_of_nothing_is_einval) {
    EXPECT_EQ(allocate(fd, 0, 0, 0), -EINVAL);
}

TEST_P(space_contract, fallocate_refuses_unknown_modes) {
    EXPECT_EQ(allocate(fd, 0x4000, 0, block), -EOPNOTSUPP);
}

TEST_P(space_contract, fallocate_needs_a_writable_file) {
    const int reader = opened("file", O_RDONLY);
    EXPECT_EQ(allocate(reader, 0, 0, block), -EBADF);
    EXPECT_EQ(allocate(987'654, 0, 0, block), -EBADF);
}

TEST_P(space_contract, stat_tells_files_from_directories) {
    EXPECT_TRUE(S_ISREG(about(fd).stx_mode));
    ASSERT_EQ(mkdir(path("folder")), 0);
    EXPECT_TRUE(S_ISDIR(about(path("folder")).stx_mode));
    EXPECT_TRUE(S_ISDIR(about(opened("folder", O_RDONLY)).stx_mode));
}

TEST_P(space_contract, stat_gives_the_permissions_a_file_was_made_with) {
    EXPECT_EQ(about(fd).stx_mode & 07777U, 0600u);
    EXPECT_EQ(about(opened("other", O_CREAT | O_RDWR, 0400)).stx_mode & 07777U, 0400u);
    ASSERT_EQ(mkdir(path("folder")), 0);
    EXPECT_EQ(about(path("folder")).stx_mode & 07777U, 0700u);
}

TEST_P(space_contract, stat_by_path_and_by_descriptor_agree) {
    EXPECT_EQ(write(fd, "content"), 7);
    const struct statx one = about(fd);
    const struct statx two = about(path("file"));
    EXPECT_EQ(one.stx_ino, two.stx_ino);
    EXPECT_EQ(one.stx_size, 7u);
    EXPECT_EQ(two.stx_size, 7u);
    EXPECT_EQ(one.stx_mode, two.stx_mode);
    EXPECT_EQ(one.stx_dev_major, two.stx_dev_major);
    EXPECT_EQ(one.stx_dev_minor, two.stx_dev_minor);
}

TEST_P(space_contract, files_have_inode_numbers_of_their_own) {
    put("other", "");
    EXPECT_NE(about(fd).stx_ino, about(path("other")).stx_ino);
    const std::uint64_t before = about(fd).stx_ino;
    ASSERT_EQ(rename(path("file"), path("renamed")), 0);
    EXPECT_EQ(about(path("renamed")).stx_ino, before);
}

TEST_P(space_contract, links_are_counted) {
    EXPECT_EQ(about(fd).stx_nlink, 1u);
    ASSERT_EQ(unlink(path("file")), 0);
    EXPECT_EQ(about(fd).stx_nlink, 0u);
}

TEST_P(space_contract, stat_of_what_is_not_there_fails) {
    struct statx found {};
    EXPECT_EQ(run(io_op::stat, -1, text(path("missing")), 0, 0, &found), -ENOENT);
    EXPECT_EQ(run(io_op::stat, -1, text(path("file/below")), 0, 0, &found), -ENOTDIR);
    EXPECT_EQ(run(io_op::stat, 987'654, nullptr, 0, 0, &found), -EBADF);
}

TEST_P(space_contract, stat_without_following_shows_a_plain_file_as_it_is) {
    EXPECT_EQ(write(fd, "content"), 7);
    struct statx found {};
    const std::string where = path("file");
    operation o(io_op::stat, -1, text(where));
    o.extra = &found;
    o.flags = io_flag::no_follow;
    EXPECT_EQ(run(o), 0);
    EXPECT_TRUE(S_ISREG(found.stx_mode));
    EXPECT_EQ(found.stx_size, 7u);
}

TEST_P(space_contract, blocks_are_counted_where_there_is_data) {
    EXPECT_EQ(truncate(fd, 1 << 20), 0);
    EXPECT_LT(about(fd).stx_blocks, 100u) << "a hole takes no space";
    EXPECT_EQ(write(fd, std::string(1 << 20, 'a')), 1 << 20);
    EXPECT_EQ(run(io_op::fsync, fd), 0);
    EXPECT_GE(about(fd).stx_blocks, (1u << 20) / 512);
    EXPECT_EQ(allocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0, 1 << 20), 0);
    EXPECT_LT(about(fd).stx_blocks, 100u);
}

TEST_P(space_contract, the_time_of_change_does_not_run_backwards) {
    const auto seconds = [](const statx_timestamp& t) { return t.tv_sec * 1'000'000'000 + t.tv_nsec; };
    const auto before = seconds(about(fd).stx_mtime);
    EXPECT_GT(before, 1'000'000'000'000'000'000);
    EXPECT_EQ(write(fd, "content"), 7);
    EXPECT_GE(seconds(about(fd).stx_mtime), before);
}

TEST_P(space_contract, the_size_of_blocks_is_a_power_of_two) {
    const unsigned size = about(fd).stx_blksize;
    EXPECT_GE(size, 512u);
    EXPECT_EQ(size & (size - 1), 0u);
}

}  // namespace
}  // namespace shale::contract
