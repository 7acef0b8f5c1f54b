// Files on the simulated disk without any fault: bytes, sizes, alignment, room; results as Linux gives them on ext4.
#include <linux/falloc.h>
#include <sys/vfs.h>

#include <cerrno>

#include "disk_fixture.hh"

namespace shale::sim::detail {
namespace {

class disk_files : public disk_test {};

TEST_F(disk_files, reads_what_was_written_and_zeros_where_nothing_was) {
    const int fd = open("/f");
    EXPECT_EQ(write(fd, 6000, "hello"), 5);
    EXPECT_EQ(read(fd, 5998, 100), std::string("\0\0hello", 7));
    EXPECT_EQ(read(fd, 0, 6000), std::string(6000, '\0'));
    EXPECT_EQ(read(fd, 6005, 10), "");
    EXPECT_EQ(read(fd, 1 << 30, 10), "");
    EXPECT_EQ(write(fd, 6001, "EL"), 2);
    EXPECT_EQ(read(fd, 6000, 5), "hELlo");
    EXPECT_EQ(write(fd, 0, ""), 0);
    EXPECT_EQ(stat("/f").stx_size, 6005U);
}

TEST_F(disk_files, gathers_and_scatters) {
    const int fd = open("/f");
    std::string parts[] = {"one", "", "twelve", std::string(5000, 'x')};
    const iovec from[] = {
        {parts[0].data(), 3}, {parts[1].data(), 0}, {parts[2].data(), 6}, {parts[3].data(), parts[3].size()}};
    EXPECT_EQ(run(io_op::writev, fd, from, 4, 100), 5009);
    std::string first(4, '?');
    std::string second(6000, '?');
    const iovec to[] = {{first.data(), first.size()}, {second.data(), second.size()}};
    EXPECT_EQ(run(io_op::readv, fd, to, 2, 100), 5009);
    EXPECT_EQ(first, "onet");
    EXPECT_EQ(second, "welve" + std::string(5000, 'x') + std::string(995, '?'));
    EXPECT_EQ(run(io_op::readv, fd, to, 1025, 0), -EINVAL);
}

TEST_F(disk_files, refuses_what_a_descriptor_is_not_open_for) {
    ASSERT_GE(open("/f"), 0);
    ASSERT_EQ(mkdir("/d"), 0);
    const int read_only = open("/f", O_RDONLY);
    const int write_only = open("/f", O_WRONLY);
    const int directory = open("/d", O_RDONLY);
    EXPECT_EQ(write(read_only, 0, "x"), -EBADF);
    EXPECT_EQ(read(write_only, 0, 1), "error " + std::to_string(EBADF));
    EXPECT_EQ(read(directory, 0, 1), "error " + std::to_string(EISDIR));
    EXPECT_EQ(write(directory, 0, "x"), -EBADF);
    EXPECT_EQ(truncate(read_only, 0), -EINVAL);
    EXPECT_EQ(truncate(directory, 0), -EINVAL);
    EXPECT_EQ(fallocate(read_only, 0, 0, 1), -EBADF);
    EXPECT_EQ(fallocate(directory, 0, 0, 1), -EBADF);
    EXPECT_EQ(sync(read_only), 0);
    EXPECT_EQ(sync(12345), -EBADF);
    EXPECT_EQ(close(12345), -EBADF);
    EXPECT_EQ(close(read_only), 0);
    EXPECT_EQ(close(read_only), -EBADF);
}

TEST_F(disk_files, demands_alignment_of_direct_io) {
    const int fd = open("/f", O_RDWR | O_CREAT | O_DIRECT);
    block_buffer block(8192, 'a');
    EXPECT_EQ(run(io_op::write, fd, block.data(), 8192, 0), 8192);
    EXPECT_EQ(run(io_op::write, fd, block.data(), 512, 512), 512);
    EXPECT_EQ(run(io_op::write, fd, block.data(), 512, 5), -EINVAL);
    EXPECT_EQ(run(io_op::write, fd, block.data(), 100, 0), -EINVAL);
    EXPECT_EQ(run(io_op::write, fd, block.data() + 1, 512, 0), -EINVAL);
    EXPECT_EQ(run(io_op::read, fd, block.data(), 511, 0), -EINVAL);
    EXPECT_EQ(run(io_op::write, fd, block.data(), 0, 5), 0);
    const iovec odd[] = {{block.data(), 512}, {block.data() + 512, 100}};
    EXPECT_EQ(run(io_op::writev, fd, odd, 2, 0), -EINVAL);
    ASSERT_EQ(truncate(fd, 1000), 0);
    EXPECT_EQ(run(io_op::read, fd, block.data(), 4096, 0), 1000);
    EXPECT_EQ(run(io_op::read, fd, block.data(), 512, 1024), 0);
    EXPECT_EQ(run(io_op::write, fd, block.data(), 512, 0, 0, RWF_APPEND), -EINVAL);
}

TEST_F(disk_files, may_have_no_direct_io_at_all) {
    use({.offset_alignment = 0});
    EXPECT_EQ(open("/f", O_RDWR | O_CREAT | O_DIRECT), -EINVAL);
    EXPECT_TRUE(exists("/f"));  // as the kernel, which refuses after it has made the file
    EXPECT_EQ(stat("/f").stx_dio_offset_align, 0U);
}

TEST_F(disk_files, limits_sizes_and_offsets_as_ext4) {
    const int fd = open("/f");
    const std::uint64_t most = (std::uint64_t{1} << 44) - 4096;
    EXPECT_EQ(write(fd, most, "x"), -EFBIG);
    EXPECT_EQ(write(fd, most - 5, "0123456789"), 5);
    EXPECT_EQ(write(fd, ~std::uint64_t{0} - 4, "x"), -EINVAL);
    EXPECT_EQ(read(fd, ~std::uint64_t{0} - 4, 1), "error " + std::to_string(EINVAL));
    EXPECT_EQ(read(fd, std::uint64_t{1} << 62, 1), "");
    EXPECT_EQ(truncate(fd, most + 1), -EFBIG);
    EXPECT_EQ(truncate(fd, most), 0);
    EXPECT_EQ(truncate(fd, ~std::uint64_t{0}), -EINVAL);
    EXPECT_EQ(fallocate(fd, 0, most, 4096), -EFBIG);
    EXPECT_EQ(fallocate(fd, 0, 0, 0), -EINVAL);
    EXPECT_EQ(fallocate(fd, FALLOC_FL_PUNCH_HOLE, 0, 4), -EOPNOTSUPP);
    EXPECT_EQ(fallocate(fd, 0x100, 0, 4), -EOPNOTSUPP);
    EXPECT_EQ(write(fd, 0, "x", 0x40), -EOPNOTSUPP);  // RWF_ATOMIC
}

TEST_F(disk_files, appends_at_the_end_wherever_that_is_by_then) {
    const int fd = open("/f");
    const int appending = open("/f", O_WRONLY | O_APPEND);
    EXPECT_EQ(write(fd, 0, "one", RWF_APPEND), 3);
    EXPECT_EQ(write(appending, 0, "two"), 3);
    EXPECT_EQ(content("/f"), "onetwo");
    const std::string a(5000, 'a');
    const std::string b(5000, 'b');
    asked_request first = make(io_op::write, appending, a.data(), a.size());
    asked_request second = make(io_op::write, appending, b.data(), b.size());
    begin(first);
    begin(second);
    run_events();
    EXPECT_TRUE(content("/f") == "onetwo" + a + b || content("/f") == "onetwo" + b + a);
}

TEST_F(disk_files, truncates_and_grows_with_zeros) {
    const int fd = open("/f");
    ASSERT_EQ(write(fd, 0, std::string(10'000, 'x')), 10'000);
    EXPECT_EQ(truncate(fd, 5), 0);
    EXPECT_EQ(truncate(fd, 9000), 0);
    EXPECT_EQ(content("/f"), "xxxxx" + std::string(8995, '\0'));
    EXPECT_GE(open("/f", O_WRONLY | O_TRUNC), 0);
    EXPECT_EQ(content("/f"), "");
}

TEST_F(disk_files, allocates_punches_and_zeroes) {
    const int fd = open("/f");
    EXPECT_EQ(fallocate(fd, 0, 0, 10'000), 0);
    EXPECT_EQ(stat("/f").stx_size, 10'000U);
    EXPECT_EQ(stat("/f").stx_blocks, 24U);
    EXPECT_EQ(fallocate(fd, FALLOC_FL_KEEP_SIZE, 10'000, 10'000), 0);
    EXPECT_EQ(stat("/f").stx_size, 10'000U);
    EXPECT_EQ(stat("/f").stx_blocks, 40U);
    ASSERT_EQ(write(fd, 0, std::string(10'000, 'x')), 10'000);
    EXPECT_EQ(fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 100, 9000), 0);
    EXPECT_EQ(stat("/f").stx_blocks, 32U);
    EXPECT_EQ(content("/f"), std::string(100, 'x') + std::string(9000, '\0') + std::string(900, 'x'));
    EXPECT_EQ(fallocate(fd, FALLOC_FL_ZERO_RANGE, 9500, 1000), 0);
    EXPECT_EQ(stat("/f").stx_size, 10'500U);
    EXPECT_EQ(read(fd, 9400, 2000), std::string(100, 'x') + std::string(1000, '\0'));
}

TEST_F(disk_files, is_full_at_its_capacity_and_writes_what_fits) {
    use({.capacity_bytes = 64 * 1024});
    const int fd = open("/f");
    EXPECT_EQ(fallocate(fd, 0, 0, 100'000), -ENOSPC);
    EXPECT_EQ(stat("/f").stx_size, 0U);
    EXPECT_EQ(write(fd, 0, std::string(100'000, 'x')), 65'536);
    EXPECT_EQ(write(fd, 65'536, "y"), -ENOSPC);
    EXPECT_EQ(write(fd, 0, "over what is there"), 18);
    EXPECT_EQ(truncate(fd, 4096), 0);
    EXPECT_EQ(drive->used_bytes(), 4096U);
    EXPECT_EQ(truncate(fd, 1'000'000), 0);  // holes need no room
    struct statfs found {};
    EXPECT_EQ(run(io_op::statfs, -1, "/f", 0, 0, reinterpret_cast<std::uintptr_t>(&found)), 0);
    EXPECT_EQ(found.f_bsize, 4096);
    EXPECT_EQ(found.f_blocks, 16U);
    EXPECT_EQ(found.f_bavail, 15U);
    EXPECT_EQ(run(io_op::statfs, -1, "/no", 0, 0, reinterpret_cast<std::uintptr_t>(&found)), -ENOENT);
}

TEST_F(disk_files, gives_room_back_when_the_last_user_of_a_removed_file_is_gone) {
    const int fd = open("/f");
    ASSERT_EQ(write(fd, 0, std::string(8192, 'x')), 8192);
    EXPECT_EQ(unlink("/f"), 0);
    EXPECT_EQ(drive->used_bytes(), 8192U);
    EXPECT_EQ(read(fd, 0, 3), "xxx");
    EXPECT_EQ(close(fd), 0);
    EXPECT_EQ(drive->used_bytes(), 0U);
    ASSERT_EQ(write(open("/g"), 0, "x"), 1);
    ASSERT_EQ(close(fd), 0);
    ASSERT_GE(open("/h"), 0);
    EXPECT_EQ(rename("/h", "/g"), 0);
    EXPECT_EQ(drive->used_bytes(), 0U);
}

TEST_F(disk_files, refuses_to_wait_where_nowait_would_have_to) {
    const int fd = open("/f", O_RDWR | O_CREAT | O_DIRECT);
    block_buffer block(4096, 'a');
    EXPECT_EQ(run(io_op::write, fd, block.data(), 4096, 0, 0, RWF_NOWAIT), -EAGAIN);
    EXPECT_EQ(run(io_op::write, fd, block.data(), 4096, 0), 4096);
    EXPECT_EQ(run(io_op::write, fd, block.data(), 4096, 0, 0, RWF_NOWAIT), 4096);
}

TEST_F(disk_files, completes_in_any_order) {
    const int fd = open("/f");
    bool overtaken = false;
    for (int i = 0; i < 20; ++i) {
        asked_request first = make(io_op::write, fd, "a", 1, 0);
        asked_request second = make(io_op::write, fd, "b", 1, 0);
        begin(first);
        begin(second);
        wait_for(first);
        overtaken = overtaken || second.done();
        run_events();
    }
    EXPECT_TRUE(overtaken);
}

TEST_F(disk_files, overlapping_writes_in_flight_land_in_a_drawn_order) {
    const int fd = open("/f");
    std::map<std::string, int> outcomes;
    for (int i = 0; i < 30; ++i) {
        asked_request first = make(io_op::write, fd, "aa", 2, 0);
        asked_request second = make(io_op::write, fd, "bb", 2, 0);
        begin(first);
        begin(second);
        run_events();
        ++outcomes[read(fd, 0, 2)];
    }
    EXPECT_EQ(outcomes.size(), 2U);
    EXPECT_EQ(outcomes["aa"] + outcomes["bb"], 30);
}

using disk_files_death = disk_files;

TEST_F(disk_files_death, stops_a_program_that_changes_a_buffer_in_flight) {
    const int fd = open("/f");
    std::string text(5000, 'x');
    asked_request r = make(io_op::write, fd, text.data(), text.size());
    begin(r);
    text[4500] = 'y';
    EXPECT_DEATH(run_events(), "buffer of a write in flight was changed");
    text[4500] = 'x';
    wait_for(r);
}

}  // namespace
}  // namespace shale::sim::detail
