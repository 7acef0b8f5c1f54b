// The faults of the simulated disk: each class by itself, exact ones by number, and the end of them all.
#include <cerrno>
#include <set>

#include "disk_fixture.hh"

namespace shale::sim::detail {
namespace {

class disk_faults_test : public disk_test {
protected:
    void SetUp() override {
        fd = open("/f");
        ASSERT_EQ(write(fd, 0, text), static_cast<int>(text.size()));
        ASSERT_EQ(sync(fd), 0);
        ASSERT_EQ(sync_dir("/"), 0);
    }
    std::uint64_t time_of(asked_request& r) {
        const std::uint64_t before = events.now_ns();
        run(r);
        return events.now_ns() - before;
    }
    std::uint64_t time_of_read() {
        asked_request r = make(io_op::read, fd, room, sizeof room);
        return time_of(r);
    }

    const std::string text = std::string(16'384, 'x');
    int fd = -1;
    char room[4096];
};

TEST_F(disk_faults_test, reads_and_writes_fail_once) {
    drive->faults().read_error = 1;
    EXPECT_EQ(read(fd, 0, 1), "error " + std::to_string(EIO));
    drive->faults().read_error = 0;
    EXPECT_EQ(read(fd, 0, 1), "x");
    drive->faults().write_error = 1;
    std::set<std::string> found;
    for (int i = 0; i < 30; ++i) {
        const std::string fresh(1, static_cast<char>('A' + i));
        EXPECT_EQ(write(fd, 0, fresh, RWF_DSYNC), -EIO);
        found.insert(content("/f")->substr(0, 1) == fresh ? "written" : "not written");
    }
    EXPECT_EQ(found.size(), 2U) << "a write that failed may have been done";
    cycle(crash_fate::drop_all);
    EXPECT_EQ(content("/f"), text) << "but it is not durable";
    EXPECT_EQ(counts.of("disk.read_error"), 1U);
    EXPECT_EQ(counts.of("disk.write_error"), 30U);
}

TEST_F(disk_faults_test, calls_on_names_fail_and_do_nothing) {
    drive->faults().name_error = 1;
    EXPECT_EQ(open("/g"), -EIO);
    EXPECT_EQ(rename("/f", "/g"), -EIO);
    EXPECT_EQ(unlink("/f"), -EIO);
    EXPECT_EQ(mkdir("/d"), -EIO);
    EXPECT_EQ(truncate(fd, 0), -EIO);
    EXPECT_EQ(sync_dir("/"), -EIO);
    drive->calm();
    EXPECT_EQ(content("/f"), text);
    EXPECT_FALSE(exists("/g"));
    EXPECT_FALSE(exists("/d"));
    EXPECT_EQ(counts.of("disk.name_error"), 6U);
}

TEST_F(disk_faults_test, transfers_are_short_by_whole_units) {
    drive->faults().short_read = drive->faults().short_write = 1;
    std::set<std::size_t> sizes;
    for (int i = 0; i < 50; ++i) {
        const std::string part = read(fd, 0, 4096);
        EXPECT_EQ(part, std::string(part.size(), 'x'));
        EXPECT_EQ(part.size() % 512, 0U);
        sizes.insert(part.size());
    }
    EXPECT_EQ(sizes.size(), 7U);
    EXPECT_EQ(*sizes.begin(), 512U);
    EXPECT_EQ(read(fd, 0, 512).size(), 512U) << "one unit cannot be short";
    const int size = write(fd, 0, std::string(4096, 'y'));
    EXPECT_LT(size, 4096);
    EXPECT_EQ(content("/f")->find('x'), static_cast<std::size_t>(size));
}

TEST_F(disk_faults_test, transfers_are_short_by_the_blocks_of_a_disk_with_larger_ones) {
    use({.offset_alignment = 4096});
    SetUp();
    drive->faults().short_read = drive->faults().short_write = 1;
    EXPECT_EQ(read(fd, 0, 4096).size(), 4096U) << "one block cannot be short";
    EXPECT_EQ(read(fd, 0, 16'384).size() % 4096, 0U);
    EXPECT_EQ(write(fd, 0, std::string(8192, 'y')), 4096);
}

TEST_F(disk_faults_test, interrupts_and_asks_again_before_anything_is_done) {
    drive->faults().interrupted = 1;
    EXPECT_EQ(write(fd, 0, "y"), -EINTR);
    EXPECT_EQ(read(fd, 0, 1), "error " + std::to_string(EINTR));
    drive->faults() = {};
    drive->faults().nowait_again = 1;
    EXPECT_EQ(write(fd, 0, "y", RWF_NOWAIT), -EAGAIN);
    EXPECT_EQ(run(io_op::read, fd, room, 1, 0, 0, RWF_NOWAIT), -EAGAIN);
    EXPECT_EQ(read(fd, 0, 1), "x") << "without NOWAIT it waits";
}

TEST_F(disk_faults_test, stuck_requests_wait_for_calm) {
    drive->faults().stuck = 1;
    asked_request r = make(io_op::read, fd, room, 10);
    begin(r);
    run_events();
    EXPECT_FALSE(r.done());
    EXPECT_FALSE(drive->withdraw(r, *process));
    drive->calm();
    run_events();
    EXPECT_EQ(r.result, 10);
    EXPECT_EQ(r.completions, 1);
}

TEST_F(disk_faults_test, stuck_requests_end_with_a_power_cycle) {
    drive->faults().stuck = 1;
    asked_request r = make(io_op::write, fd, "new", 3);
    begin(r);
    cycle();
    EXPECT_EQ(drive->in_flight(), 0U);
    drive->calm();
    run_events();
    EXPECT_FALSE(r.done());
}

TEST_F(disk_faults_test, slow_spells_and_stalls_hold_up_everything_for_a_while) {
    const std::uint64_t usual = time_of_read();
    drive->faults().slow_spell = 1;
    EXPECT_GT(time_of_read(), 4 * usual);
    drive->faults().slow_spell = 0;
    EXPECT_GT(time_of_read(), 4 * usual) << "the spell lasts";
    drive->calm();
    EXPECT_LT(time_of_read(), 4 * usual);
    drive->faults().stall = 1;
    EXPECT_GE(time_of_read(), 50'000'000U);
}

TEST_F(disk_faults_test, latency_has_a_tail_and_bandwidth_a_limit) {
    use({.latency = {.base_ns = 1000, .tail_ns = 1000, .bytes_per_second = 4'096'000'000, .parallel = 1}});
    fd = open("/f");
    write(fd, 0, text);
    std::uint64_t least = ~std::uint64_t{0};
    std::uint64_t most = 0;
    for (int i = 0; i < 1000; ++i) {
        const std::uint64_t took = time_of_read();
        least = std::min(least, took);
        most = std::max(most, took);
    }
    EXPECT_GE(least, 2000U);
    EXPECT_GT(most, 5000U);
    // One place: as many together take as long as one after the other.
    std::vector<std::unique_ptr<asked_request>> all;
    const std::uint64_t before = events.now_ns();
    for (int i = 0; i < 100; ++i) {
        all.push_back(std::make_unique<asked_request>(io_op::read));
        *all.back() = make(io_op::read, fd, room, sizeof room);
        begin(*all.back());
    }
    run_events();
    EXPECT_GE(events.now_ns() - before, 100U * 2000);
}

TEST_F(disk_faults_test, a_blocking_submission_is_charged_to_its_shard) {
    drive->faults().blocking_submit = 1;
    requester* charged = nullptr;
    std::uint64_t charged_ns = 0;
    drive->charge_ns = [&](requester& who, std::uint64_t ns) {
        charged = &who;
        charged_ns = ns;
    };
    EXPECT_EQ(read(fd, 0, 1), "x");
    EXPECT_EQ(charged, process.get());
    EXPECT_LE(charged_ns, 10'000'000U);
    EXPECT_GT(charged_ns, 0U);
}

TEST_F(disk_faults_test, a_spell_without_room_refuses_all_that_needs_some) {
    drive->faults().no_space_spell = 1;
    EXPECT_EQ(write(fd, 1 << 20, "y"), -ENOSPC);
    EXPECT_EQ(run(io_op::fallocate, fd, nullptr, 0, 1 << 20, 4096), -ENOSPC);
    EXPECT_EQ(write(fd, 0, "y"), 1) << "over what is there";
    drive->calm();
    EXPECT_EQ(write(fd, 1 << 20, "y"), 1);
}

TEST_F(disk_faults_test, the_nth_io_fails_once) {
    drive->plan.fail_at_io = drive->io_count() + 2;
    EXPECT_EQ(write(fd, 0, "1"), 1);
    EXPECT_EQ(write(fd, 1, "2"), -EIO);
    EXPECT_EQ(write(fd, 2, "3"), 1);
    EXPECT_EQ(content("/f")->substr(0, 3), "1x3");
    EXPECT_EQ(counts.of("disk.planned_failure"), 1U);
}

TEST_F(disk_faults_test, the_nth_io_and_all_after_it_fail_until_calm) {
    drive->plan = {.fail_at_io = drive->io_count() + 2, .fail_for_ever = true, .error = -ENOSPC};
    EXPECT_EQ(write(fd, 0, "1"), 1);
    EXPECT_EQ(sync(fd), -ENOSPC);
    EXPECT_EQ(open("/g"), -ENOSPC);
    EXPECT_EQ(run(io_op::lock, fd, nullptr, 2), 0) << "no I/O";
    EXPECT_EQ(close(fd), 0);
    drive->calm();
    EXPECT_GE(open("/g"), 0);
}

TEST_F(disk_faults_test, the_power_is_cut_right_after_the_nth_io) {
    // Crash after each I/O of a small program: what it was told is durable is durable.
    for (std::uint64_t n = 1; n <= 5; ++n) {
        use({}, n);
        bool off = false;
        drive->plan.power_loss_after_io = n;
        drive->power_cut = [&] {
            off = true;
            process->is_alive = false;
            drive->power_loss(crash_fate::drop_all);
        };
        std::string told;
        const int file = open("/f");                                // 1
        if (!off && write(file, 0, "a", RWF_DSYNC) == 1 && !off) {  // 2
            told = "a";
        }
        if (!off) {
            sync_dir("/");  // 3
        }
        const bool named = !off;
        if (!off && write(file, 1, "b", RWF_DSYNC) == 1 && !off) {  // 4
            told = "ab";
        }
        if (!off) {
            write(file, 2, "c");  // 5
        }
        EXPECT_TRUE(off);
        EXPECT_EQ(drive->io_completed(), n);
        if (named) {
            EXPECT_EQ(content("/f").value_or("").substr(0, told.size()), told) << n;
        }
        process = std::make_unique<fake_process>();
    }
}

TEST_F(disk_faults_test, an_observer_sees_each_request_submitted_and_completed) {
    std::vector<std::string> seen;
    drive->on_event = [&](const disk_event& e) {
        seen.push_back((e.when == disk_event::phase::submitted ? "+" : "-") + std::string(e.path) + " " +
                       std::to_string(static_cast<int>(e.op)) + " " + std::to_string(e.result));
    };
    ASSERT_EQ(mkdir("/d"), 0);
    ASSERT_EQ(rename("/f", "/d/f"), 0);
    ASSERT_EQ(write(fd, 0, "abc"), 3);
    const auto line = [](const char* start, io_op op, int result) {
        return std::string(start) + " " + std::to_string(static_cast<int>(op)) + " " + std::to_string(result);
    };
    EXPECT_EQ(seen, (std::vector<std::string>{line("+/d", io_op::mkdir, 0), line("-/d", io_op::mkdir, 0),
                                              line("+/f", io_op::rename, 0), line("-/f", io_op::rename, 0),
                                              line("+/d/f", io_op::write, 0), line("-/d/f", io_op::write, 3)}));
}

}  // namespace
}  // namespace shale::sim::detail
