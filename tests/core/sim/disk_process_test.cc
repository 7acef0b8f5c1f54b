// What outlives a process on the simulated disk and what goes with it: requests, descriptors, locks; and snapshots.
#include <sys/file.h>

#include <cerrno>

#include "disk_fixture.hh"

namespace shale::sim::detail {
namespace {

class disk_process : public disk_test {
protected:
    int lock(int fd, unsigned mode) { return run(io_op::lock, fd, nullptr, mode); }
    /// kill -9.
    void kill() {
        process->is_alive = false;
        drive->process_died(process->table);
        dead.push_back(std::move(process));
        process = std::make_unique<fake_process>();
    }
};

TEST_F(disk_process, what_a_killed_process_submitted_completes_and_what_completed_stays) {
    const int fd = open("/f");
    ASSERT_EQ(write(fd, 0, "completed"), 9);
    asked_request in_flight = make(io_op::write, fd, " submitted", 10, 9);
    asked_request making = make(io_op::mkdir, -1, "/d", 0755);
    asked_request opening = make(io_op::open, -1, "/g", O_CREAT | O_RDWR, 0600);
    char room[10];
    asked_request reading = make(io_op::read, fd, room, sizeof room);
    for (asked_request* each : {&in_flight, &making, &opening, &reading}) {
        begin(*each);
    }
    kill();
    EXPECT_EQ(dead.back()->table.size(), 0U);
    run_events();
    EXPECT_EQ(content("/f"), "completed submitted");
    EXPECT_TRUE(exists("/d"));
    EXPECT_TRUE(exists("/g"));
    for (const asked_request* each : {&in_flight, &making, &opening, &reading}) {
        EXPECT_FALSE(each->done());
    }
    EXPECT_EQ(drive->in_flight(), 0U);
}

TEST_F(disk_process, a_killed_process_gives_back_the_room_of_files_without_a_name) {
    const int fd = open("/f");
    ASSERT_EQ(write(fd, 0, std::string(4096, 'x')), 4096);
    ASSERT_EQ(unlink("/f"), 0);
    ASSERT_EQ(drive->used_bytes(), 4096U);
    kill();
    EXPECT_EQ(drive->used_bytes(), 0U);
}

TEST_F(disk_process, a_file_that_is_closed_stays_with_its_requests_in_flight) {
    const int fd = open("/f");
    asked_request writing = make(io_op::write, fd, "late", 4);
    asked_request closing = make(io_op::close, fd);
    begin(writing);
    begin(closing);
    EXPECT_EQ(write(fd, 0, "x"), -EBADF);
    run_events();
    EXPECT_EQ(writing.result, 4);
    EXPECT_EQ(closing.result, 0);
    EXPECT_EQ(content("/f"), "late");
}

TEST_F(disk_process, locks_a_file_for_one_opening_or_several_without_ever_waiting) {
    const int one = open("/f");
    const int two = open("/f");
    EXPECT_EQ(lock(one, LOCK_EX), 0);
    EXPECT_EQ(lock(one, LOCK_EX), 0);
    EXPECT_EQ(lock(two, LOCK_EX | LOCK_NB), -EWOULDBLOCK);
    EXPECT_EQ(lock(two, LOCK_SH), -EWOULDBLOCK);
    EXPECT_EQ(lock(one, LOCK_SH), 0);
    EXPECT_EQ(lock(two, LOCK_SH), 0);
    EXPECT_EQ(lock(one, LOCK_UN), 0);
    EXPECT_EQ(lock(two, LOCK_EX), 0);
    EXPECT_EQ(lock(one, LOCK_EX), -EWOULDBLOCK);
    EXPECT_EQ(close(two), 0);
    EXPECT_EQ(lock(one, LOCK_EX), 0) << "a lock goes with its descriptor";
    EXPECT_EQ(lock(one, 0), -EINVAL);
    EXPECT_EQ(lock(one, LOCK_EX | LOCK_UN), -EINVAL);
    ASSERT_EQ(mkdir("/d"), 0);
    EXPECT_EQ(lock(open("/d", O_RDONLY), LOCK_EX), 0);
    EXPECT_EQ(close(one), 0);
    EXPECT_EQ(lock(one, LOCK_EX), -EBADF);
}

TEST_F(disk_process, locks_go_with_the_process_and_with_the_power) {
    ASSERT_EQ(lock(open("/f"), LOCK_EX), 0);
    EXPECT_EQ(lock(open("/f"), LOCK_EX), -EWOULDBLOCK);
    kill();
    EXPECT_EQ(lock(open("/f"), LOCK_EX), 0);
    cycle(crash_fate::keep_all);
    EXPECT_EQ(lock(open("/f"), LOCK_EX), 0);
    dead.clear();  // its descriptors of the last life must not take the new lock away
    EXPECT_EQ(lock(open("/f"), LOCK_EX), -EWOULDBLOCK);
}

// exit(2) waits for what is in flight, so whoever gets the lock next finds the files at rest.
TEST_F(disk_process, a_killed_process_keeps_its_locks_while_anything_of_it_is_in_flight) {
    ASSERT_EQ(lock(open("/lock"), LOCK_EX), 0);
    const int fd = open("/f");
    drive->faults().stuck = 1;
    asked_request stuck = make(io_op::write, fd, "late", 4);
    begin(stuck);
    drive->faults().stuck = 0;
    kill();
    EXPECT_EQ(lock(open("/lock"), LOCK_EX), -EWOULDBLOCK);
    drive->calm();
    run_events();
    EXPECT_EQ(content("/f"), "late");
    EXPECT_EQ(lock(open("/lock"), LOCK_EX), 0);
}

TEST_F(disk_process, withdraws_what_waits_for_its_turn_and_nothing_else) {
    use({.latency = {.parallel = 1}});
    const int fd = open("/f");
    asked_request served = make(io_op::write, fd, "one", 3);
    asked_request waiting = make(io_op::write, fd, "two", 3, 3);
    begin(served);
    begin(waiting);
    EXPECT_FALSE(drive->withdraw(served, *process));
    EXPECT_TRUE(drive->withdraw(waiting, *process));
    EXPECT_EQ(waiting.result, -ECANCELED);
    EXPECT_FALSE(drive->withdraw(waiting, *process)) << "it is here no more";
    run_events();
    EXPECT_EQ(served.result, 3);
    EXPECT_EQ(waiting.completions, 1);
    EXPECT_EQ(content("/f"), "one");
}

TEST_F(disk_process, a_snapshot_brings_everything_back_durable_or_not) {
    const int fd = open("/f");
    ASSERT_EQ(write(fd, 0, "durable"), 7);
    ASSERT_EQ(sync(fd), 0);
    ASSERT_EQ(sync_dir("/"), 0);
    ASSERT_EQ(write(fd, 0, "PENDING"), 7);
    ASSERT_EQ(mkdir("/d"), 0);
    const disk_image image = drive->snapshot();
    ASSERT_EQ(write(fd, 0, "later"), 5);
    ASSERT_EQ(sync(fd), 0);
    ASSERT_EQ(unlink("/f"), 0);
    ASSERT_EQ(sync_dir("/"), 0);

    for (int again = 0; again < 2; ++again) {
        drive->restore(image);
        EXPECT_EQ(content("/f"), "PENDING");
        EXPECT_TRUE(exists("/d"));
        EXPECT_EQ(drive->used_bytes(), 4096U);
        EXPECT_EQ(read(fd, 0, 1), "error " + std::to_string(EBADF));
        cycle(crash_fate::drop_all);
        EXPECT_EQ(content("/f"), "durable");
        EXPECT_FALSE(exists("/d"));
        const int same = open("/f");
        ASSERT_EQ(write(same, 0, "changed"), 7);
        ASSERT_EQ(sync(same), 0);
    }
    // And on another disk.
    use({}, 5);
    drive->restore(image);
    EXPECT_EQ(content("/f"), "PENDING");
    const int there = open("/f");
    ASSERT_EQ(sync(there), 0);
    cycle(crash_fate::drop_all);
    EXPECT_EQ(content("/f"), "PENDING");
}

TEST_F(disk_process, says_that_it_does_not_know_an_operation) {
    EXPECT_EQ(run(io_op::poll, open("/f"), nullptr, 1), 1);
    EXPECT_EQ(run(io_op::recv, open("/f")), -EOPNOTSUPP);
}

}  // namespace
}  // namespace shale::sim::detail
