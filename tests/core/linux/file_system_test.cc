// Locks of files and the room of a file system, asked through the platform.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/file.h>
#include <sys/vfs.h>

#include "driver.hh"
#include "temporary.hh"

namespace shale {
namespace {

TEST(file_system, locks_a_file_for_one_opening_or_several_without_ever_waiting) {
    temporary_directory directory;
    driver d;
    const int one = d.open(directory.file("locked"), O_CREAT | O_RDWR);
    const int two = d.open(directory.file("locked"), O_RDWR);
    EXPECT_EQ(d.run(io_op::lock, one, nullptr, LOCK_EX), 0);
    EXPECT_EQ(d.run(io_op::lock, one, nullptr, LOCK_EX), 0);
    EXPECT_EQ(d.run(io_op::lock, two, nullptr, LOCK_EX | LOCK_NB), -EWOULDBLOCK);
    EXPECT_EQ(d.run(io_op::lock, two, nullptr, LOCK_SH), -EWOULDBLOCK) << "LOCK_NB is implied";
    EXPECT_EQ(d.run(io_op::lock, one, nullptr, LOCK_SH), 0);
    EXPECT_EQ(d.run(io_op::lock, two, nullptr, LOCK_SH), 0);
    EXPECT_EQ(d.run(io_op::lock, one, nullptr, LOCK_UN), 0);
    EXPECT_EQ(d.run(io_op::lock, two, nullptr, LOCK_EX), 0);
    EXPECT_EQ(d.run(io_op::lock, one, nullptr, LOCK_EX), -EWOULDBLOCK);
    EXPECT_EQ(d.run(io_op::close, two), 0);
    EXPECT_EQ(d.run(io_op::lock, one, nullptr, LOCK_EX), 0) << "a lock goes with its descriptor";
    EXPECT_EQ(d.run(io_op::lock, one, nullptr, 0), -EINVAL);
    EXPECT_EQ(d.run(io_op::close, one), 0);
    EXPECT_EQ(d.run(io_op::lock, one, nullptr, LOCK_EX), -EBADF);
}

TEST(file_system, tells_of_the_room_on_a_file_system) {
    temporary_directory directory;
    driver d;
    struct statfs found {};
    struct statfs expected {};
    ASSERT_EQ(::statfs(directory.path().c_str(), &expected), 0);
    EXPECT_EQ(d.run(io_op::statfs, -1, const_cast<char*>(directory.path().c_str()), 0, 0, &found), 0);
    EXPECT_EQ(found.f_type, expected.f_type);
    EXPECT_EQ(found.f_blocks, expected.f_blocks);
    EXPECT_EQ(d.run(io_op::statfs, -1, const_cast<char*>("/no/such/place"), 0, 0, &found), -ENOENT);
}

}  // namespace
}  // namespace shale
