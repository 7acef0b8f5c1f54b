// Disks and the file system through the platform: to the kernel's AIO, to helpers, and what happens when either balks.
#include <shale/core/linux/linux_platform.hh>

#include <dirent.h>
#include <fcntl.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/eventfd.h>
#include <sys/stat.h>
#include <sys/uio.h>

#include <algorithm>
#include <thread>

#include "driver.hh"
#include "fake_aio_kernel.hh"
#include "temporary.hh"

namespace shale {
namespace {

struct disk_operation : operation {
    disk_operation(io_op kind, int descriptor, void* memory, std::size_t bytes, std::uint64_t at)
        : operation(kind, descriptor, memory, bytes) {
        offset = at;
        flags = io_flag::direct;
    }
};

class linux_platform_test : public ::testing::TestWithParam<pastime> {
protected:
    temporary_directory directory;
    driver d{{}, GetParam()};
};

INSTANTIATE_TEST_SUITE_P(, linux_platform_test, ::testing::Values(pastime::spin, pastime::sleep),
                         [](const auto& how) { return how.param == pastime::spin ? "spinning" : "sleeping"; });

TEST_P(linux_platform_test, reads_and_writes_directly_through_aio) {
    const int fd = patterned_direct_file(directory.file("data"), 16 * 4096);
    aligned_buffer out(4096, 'W');
    aligned_buffer in(8192);
    disk_operation write(io_op::write, fd, out.data(), 4096, 4096);
    write.rw_flags = RWF_DSYNC;
    EXPECT_EQ(d.run(write), 4096);
    disk_operation read(io_op::read, fd, in.data(), 8192, 0);
    EXPECT_EQ(d.run(read), 8192);
    EXPECT_EQ(in.data()[0], 'a');
    EXPECT_EQ(in.data()[4096], 'W');
    disk_operation flush(io_op::fsync, fd, nullptr, 0, 0);
    EXPECT_EQ(d.run(flush), 0);
    disk_operation data_flush(io_op::fdatasync, fd, nullptr, 0, 0);
    EXPECT_EQ(d.run(data_flush), 0);
    EXPECT_EQ(d.platform.counters().disk_requests, 4u);
    EXPECT_EQ(d.platform.counters().helper_requests, 0u);
    ::close(fd);
}

TEST_P(linux_platform_test, submits_a_turn_with_one_call_and_reaps_without_any) {
    const int fd = patterned_direct_file(directory.file("data"), 16 * 4096);
    std::vector<aligned_buffer> buffers;
    std::vector<std::unique_ptr<disk_operation>> reads;
    std::vector<io_request*> batch;
    for (unsigned i = 0; i < 16; ++i) {
        buffers.emplace_back(4096);
        reads.push_back(std::make_unique<disk_operation>(io_op::read, fd, buffers[i].data(), 4096, i * 4096));
        batch.push_back(reads.back().get());
    }
    ASSERT_EQ(d.platform.submit(batch.data(), 16), 16u);
    ASSERT_TRUE(d.until([&] { return std::ranges::all_of(reads, [](const auto& r) { return r->done(); }); }));
    for (unsigned i = 0; i < 16; ++i) {
        EXPECT_EQ(reads[i]->result, 4096);
        EXPECT_TRUE(buffers[i].all(static_cast<char>('a' + i)));
    }
    const linux_counters counters = d.platform.counters();
    if (GetParam() == pastime::spin) {
        EXPECT_EQ(counters.aio.submits, 1u);
        EXPECT_EQ(counters.aio.get_events, 0u);
    }
    EXPECT_EQ(counters.aio.batch_largest, 16u);
    ::close(fd);
}

TEST_P(linux_platform_test, queues_what_the_context_has_no_slot_for) {
    driver small({.aio_capacity = 15}, GetParam());  // and the watch's: 16, the least there is
    const int fd = patterned_direct_file(directory.file("data"), 16 * 4096);
    std::vector<aligned_buffer> buffers;
    std::vector<std::unique_ptr<disk_operation>> reads;
    for (unsigned i = 0; i < 100; ++i) {
        buffers.emplace_back(4096);
        reads.push_back(std::make_unique<disk_operation>(io_op::read, fd, buffers[i].data(), 4096, i % 16 * 4096));
        small.submit(*reads.back());
    }
    ASSERT_TRUE(small.until([&] { return std::ranges::all_of(reads, [](const auto& r) { return r->done(); }); }));
    for (unsigned i = 0; i < 100; ++i) {
        EXPECT_EQ(reads[i]->result, 4096);
        EXPECT_EQ(reads[i]->completions, 1);
        EXPECT_TRUE(buffers[i].all(static_cast<char>('a' + i % 16)));
    }
    EXPECT_GT(small.platform.counters().disk_waits, 0u);
    ::close(fd);
}

TEST_P(linux_platform_test, shows_errors_of_direct_requests_as_their_results) {
    const int fd = patterned_direct_file(directory.file("data"), 16 * 4096);
    aligned_buffer in(8192);
    disk_operation good(io_op::read, fd, in.data(), 4096, 0);
    disk_operation misaligned(io_op::read, fd, in.data() + 1, 4096, 0);
    disk_operation closed(io_op::read, 987654, in.data(), 4096, 0);
    disk_operation beyond(io_op::read, fd, in.data() + 4096, 4096, 1 << 20);
    d.submit({&closed, &good, &misaligned, &beyond});
    ASSERT_TRUE(d.until([&] { return closed.done() && good.done() && misaligned.done() && beyond.done(); }));
    EXPECT_EQ(good.result, 4096);
    EXPECT_EQ(misaligned.result, -EINVAL);
    EXPECT_EQ(closed.result, -EBADF);
    EXPECT_EQ(beyond.result, 0);
    ::close(fd);
}

TEST_P(linux_platform_test, does_files_without_direct_in_helpers_and_the_page_cache) {
    const int fd = d.open(directory.file("plain"), O_CREAT | O_RDWR);
    ASSERT_GE(fd, 0);
    char out[] = "hello, buffered world";
    EXPECT_EQ(d.run(io_op::write, fd, out, sizeof out, 100), static_cast<int>(sizeof out));
    char in[sizeof out] = {};
    EXPECT_EQ(d.run(io_op::read, fd, in, sizeof in, 100), static_cast<int>(sizeof in));
    EXPECT_STREQ(in, out);
    EXPECT_EQ(d.platform.counters().page_cache_reads, 1u) << "what was just written is cached";
    EXPECT_EQ(d.run(io_op::read, fd, in, sizeof in, 5000), 0);
    iovec parts[] = {{in, 5}, {in + 5, 5}};
    EXPECT_EQ(d.run(io_op::readv, fd, parts, 2, 100), 10);
    EXPECT_EQ(d.run(io_op::writev, fd, parts, 2, 0), 10);
    EXPECT_EQ(d.run(io_op::fsync, fd), 0);
    EXPECT_EQ(d.run(io_op::fdatasync, fd), 0);
    char large[256];
    EXPECT_EQ(d.run(io_op::read, fd, large, sizeof large, 100), static_cast<int>(sizeof out)) << "short at the end";
    EXPECT_EQ(d.run(io_op::close, fd), 0);
    EXPECT_EQ(d.run(io_op::read, fd, in, sizeof in, 0), -EBADF);
}

TEST_P(linux_platform_test, walks_the_file_system) {
    const std::string folder = directory.file("folder");
    const std::string one = folder + "/one";
    const std::string two = folder + "/two";
    char* const folder_text = const_cast<char*>(folder.c_str());
    EXPECT_EQ(d.run(io_op::mkdir, -1, folder_text, 0700), 0);
    EXPECT_EQ(d.run(io_op::mkdir, -1, folder_text, 0700), -EEXIST);
    const int fd = d.open(one, O_CREAT | O_WRONLY);
    ASSERT_GE(fd, 0);
    EXPECT_EQ(::fcntl(fd, F_GETFD) & FD_CLOEXEC, FD_CLOEXEC);
    EXPECT_EQ(d.run(io_op::truncate, fd, nullptr, 0, 12345), 0);
    EXPECT_EQ(d.run(io_op::fallocate, fd, nullptr, 0, 0, reinterpret_cast<void*>(20000)), 0);
    struct statx about {};
    EXPECT_EQ(d.run(io_op::stat, fd, nullptr, 0, 0, &about), 0);
    EXPECT_EQ(about.stx_size, 20000u);
    EXPECT_EQ(d.run(io_op::rename, -1, const_cast<char*>(one.c_str()), 0, 0, const_cast<char*>(two.c_str())), 0);
    EXPECT_EQ(d.run(io_op::stat, -1, const_cast<char*>(one.c_str()), 0, 0, &about), -ENOENT);
    EXPECT_EQ(d.run(io_op::stat, -1, const_cast<char*>(two.c_str()), 0, 0, &about), 0);
    EXPECT_EQ(d.run(io_op::sync_dir, -1, folder_text), 0);
    EXPECT_EQ(d.run(io_op::sync_dir, -1, const_cast<char*>(two.c_str())), -ENOTDIR);

    const int listing = d.open(folder, O_RDONLY | O_DIRECTORY);
    alignas(8) char entries[1024];
    EXPECT_GT(d.run(io_op::readdir, listing, entries, sizeof entries), 0);
    EXPECT_EQ(d.run(io_op::readdir, listing, entries, sizeof entries), 0);
    EXPECT_EQ(d.run(io_op::close, listing), 0);
    EXPECT_EQ(d.run(io_op::close, fd), 0);
    EXPECT_EQ(d.run(io_op::unlink, -1, folder_text, AT_REMOVEDIR), -ENOTEMPTY);
    EXPECT_EQ(d.run(io_op::unlink, -1, const_cast<char*>(two.c_str())), 0);
    EXPECT_EQ(d.run(io_op::unlink, -1, folder_text, AT_REMOVEDIR), 0);
    EXPECT_EQ(d.open(one, O_RDONLY), -ENOENT);
}

TEST_P(linux_platform_test, follows_a_symbolic_link_unless_told_not_to) {
    const std::string link = directory.file("link");
    ASSERT_EQ(::symlink("/", link.c_str()), 0);
    struct statx about {};
    EXPECT_EQ(d.run(io_op::stat, -1, const_cast<char*>(link.c_str()), 0, 0, &about), 0);
    EXPECT_TRUE(S_ISDIR(about.stx_mode));
    operation stat(io_op::stat, -1, const_cast<char*>(link.c_str()));
    stat.extra = &about;
    stat.flags = io_flag::no_follow;
    EXPECT_EQ(d.run(stat), 0);
    EXPECT_TRUE(S_ISLNK(about.stx_mode));
}

TEST_P(linux_platform_test, resolves_names) {
    resolve_answer answer;
    EXPECT_EQ(d.run(io_op::resolve, -1, const_cast<char*>("127.0.0.1"), 0, 0, &answer), 0);
    ASSERT_EQ(answer.count, 1u);
    const auto* found = reinterpret_cast<const sockaddr*>(answer.addresses[0].bytes);
    EXPECT_EQ(found->sa_family, AF_INET);
    EXPECT_LT(d.run(io_op::resolve, -1, const_cast<char*>("no such name."), 0, 0, &answer), 0);
}

TEST_P(linux_platform_test, wakes_from_another_thread) {
    operation never(io_op::poll, ::eventfd(0, EFD_NONBLOCK), nullptr, 1);
    d.submit(never);
    for (int i = 0; i < 20; ++i) {
        std::thread waker([&] { d.platform.wake(); });
        d.platform.wait(no_deadline);  // with the wake-up before or during it: either ends it
        waker.join();
        d.turn();
    }
    EXPECT_FALSE(never.done());
    EXPECT_EQ(d.platform.counters().wake_writes, 20u);
    ::close(never.fd);
}

TEST(linux_platform, remembers_a_wake_up_that_came_before_the_wait) {
    driver d;
    d.platform.wake();
    d.platform.wait(no_deadline);
    d.platform.wake();
    operation never(io_op::poll, ::eventfd(0, EFD_NONBLOCK), nullptr, 1);
    d.submit(never);
    for (int i = 0; i < 100; ++i) {
        d.turn();  // sees the wake-up in epoll, on the way to something else
    }
    d.platform.wait(no_deadline);
    ::close(never.fd);
}

TEST(linux_platform, sleeps_until_the_deadline_and_not_beyond_work) {
    driver d;
    const std::uint64_t begin = d.platform.now();
    d.platform.wait(begin);
    d.platform.wait(begin - 1000);
    EXPECT_EQ(d.platform.counters().epoll_sleeps, 0u) << "a deadline that has passed costs no call";
    d.platform.wait(begin + 3'000'000);
    EXPECT_GE(d.platform.now(), begin + 3'000'000);
    EXPECT_EQ(d.platform.counters().epoll_sleeps, 1u);
    operation done_at_once(io_op::read, -1, nullptr, 0);
    d.submit(done_at_once);
    while (!done_at_once.done()) {
        d.platform.wait(no_deadline);
        d.turn();
    }
}

TEST(linux_platform, falls_back_to_milliseconds_without_pwait2) {
    driver d;
    d.platform.forgo_pwait2();
    const std::uint64_t begin = d.platform.now();
    d.platform.wait(begin + 1'500'000);
    EXPECT_GE(d.platform.now(), begin + 1'500'000);
    std::thread waker([&] { d.platform.wake(); });
    d.platform.wait(no_deadline);
    waker.join();
}

TEST(linux_platform, sleeps_with_disk_io_in_flight_until_it_is_done) {
    temporary_directory directory;
    driver d({}, pastime::sleep);
    const int fd = patterned_direct_file(directory.file("data"), 4096);
    aligned_buffer in(4096);
    for (int i = 0; i < 50; ++i) {
        disk_operation read(io_op::read, fd, in.data(), 4096, 0);
        EXPECT_EQ(d.run(read), 4096);
    }
    EXPECT_EQ(d.platform.counters().epoll_sleeps, 0u);
    ::close(fd);
}

TEST(linux_platform, is_woken_while_only_disk_io_is_in_flight) {
    // The fake kernel never completes the read and refuses the poll, so only the fallback can see the wake-up.
    fake_aio_kernel kernel;
    driver d({.kernel = &kernel}, pastime::sleep);
    aligned_buffer in(4096);
    disk_operation read(io_op::read, 0, in.data(), 4096, 0);
    d.submit(read);
    std::thread waker([&] { d.platform.wake(); });
    bool woken = false;
    for (int i = 0; i < 10000 && !woken; ++i) {
        const std::uint64_t polls = d.platform.counters().epoll_polls;
        d.platform.wait(no_deadline);
        woken = d.platform.counters().epoll_polls == polls;
    }
    waker.join();
    kernel.complete_all(4096);
    EXPECT_TRUE(d.until([&] { return read.done(); }));
}

TEST(linux_platform, hands_requests_to_helpers_when_the_kernel_refuses_for_ever) {
    temporary_directory directory;
    fake_aio_kernel kernel;
    kernel.answers.assign(100'000, -EAGAIN);
    driver d({.kernel = &kernel}, pastime::sleep);
    const int fd = patterned_direct_file(directory.file("data"), 4096);
    aligned_buffer in(4096);
    disk_operation read(io_op::read, fd, in.data(), 4096, 0);
    EXPECT_EQ(d.run(read), 4096);
    EXPECT_TRUE(in.all('a'));
    EXPECT_LE(kernel.submits, 100u) << "asked again and again without a pause";
    EXPECT_GE(d.platform.counters().helper_fallbacks, 1u);
    ::close(fd);
}

TEST(linux_platform, carries_on_after_a_kernel_that_was_out_of_slots_for_a_while) {
    fake_aio_kernel kernel;
    kernel.answers = {1, -EAGAIN, -EAGAIN, -EAGAIN};
    driver d({.kernel = &kernel});
    aligned_buffer in(4096);
    disk_operation one(io_op::read, 0, in.data(), 4096, 0);
    disk_operation two(io_op::read, 0, in.data(), 4096, 0);
    d.submit({&one, &two});
    kernel.complete(1);
    EXPECT_TRUE(d.until([&] { return one.done(); }));
    EXPECT_TRUE(d.until([&] { return !kernel.held.empty(); }));
    kernel.complete(2);
    EXPECT_TRUE(d.until([&] { return two.done(); }));
    EXPECT_EQ(one.result, 1);
    EXPECT_EQ(two.result, 2);
}

TEST(linux_platform, hands_what_is_not_for_aio_to_helpers) {
    temporary_directory directory;
    fake_aio_kernel kernel;
    const int fd = patterned_direct_file(directory.file("data"), 4096);
    aligned_buffer in(4096);
    for (const int error : {-EOPNOTSUPP, -ENOSYS, -EPERM}) {
        kernel.bad[fd] = error;
        driver d({.kernel = &kernel});
        disk_operation read(io_op::read, fd, in.data(), 4096, 0);
        EXPECT_EQ(d.run(read), 4096);
        EXPECT_EQ(d.platform.counters().helper_fallbacks, 1u);
        disk_operation flush(io_op::fsync, fd, nullptr, 0, 0);
        EXPECT_EQ(d.run(flush), 0);
    }
    ::close(fd);
}

TEST(linux_platform, runs_without_aio_and_says_so) {
    temporary_directory directory;
    fake_aio_kernel kernel;
    kernel.grants = 0;
    std::vector<std::string> told;
    driver d({.tell = [&](const std::string& notice) { told.push_back(notice); }, .kernel = &kernel}, pastime::sleep);
    const int fd = patterned_direct_file(directory.file("data"), 4096);
    aligned_buffer in(4096);
    for (unsigned i = 1; i <= 3; ++i) {
        disk_operation read(io_op::read, fd, in.data(), 4096, 0);
        EXPECT_EQ(d.run(read), 4096);
        EXPECT_EQ(d.platform.counters().helper_fallbacks, i);
    }
    ASSERT_EQ(d.platform.notices().size(), 1u);
    EXPECT_NE(d.platform.notices()[0].find("helper threads"), std::string::npos) << d.platform.notices()[0];
    EXPECT_EQ(told, d.platform.notices());
    const unsigned once = kernel.setups;
    disk_operation read(io_op::read, fd, in.data(), 4096, 0);
    EXPECT_EQ(d.run(read), 4096);
    EXPECT_EQ(kernel.setups, once) << "asked again after a refusal";
    ::close(fd);
}

TEST(linux_platform, says_of_a_smaller_context_when_it_is_made) {
    temporary_directory directory;
    fake_aio_kernel kernel;
    kernel.grants = 100;
    std::vector<std::string> told;
    driver d({.aio_capacity = 128, .tell = [&](const std::string& line) { told.push_back(line); }, .kernel = &kernel});
    EXPECT_EQ(told.size(), 0u);
    const int fd = patterned_direct_file(directory.file("data"), 4096);
    aligned_buffer in(4096);
    disk_operation read(io_op::read, fd, in.data(), 4096, 0);
    d.submit(read);
    ASSERT_EQ(told.size(), 1u);
    EXPECT_NE(told[0].find("using 64"), std::string::npos) << told[0];
    kernel.complete_all(4096);
    EXPECT_TRUE(d.until([&] { return read.done(); }));
    EXPECT_EQ(read.result, 4096);
    ::close(fd);
}

TEST(linux_platform, makes_no_context_for_who_does_no_direct_io) {
    temporary_directory directory;
    fake_aio_kernel kernel;
    {
        driver d({.kernel = &kernel}, pastime::sleep);
        const int fd = d.open(directory.file("data"), O_RDWR | O_CREAT);
        ASSERT_GE(fd, 0);
        char text[] = "buffered";
        EXPECT_EQ(d.run(io_op::write, fd, text, 8), 8);
        EXPECT_EQ(d.run(io_op::fsync, fd), 0);
        EXPECT_EQ(d.run(io_op::read, fd, text, 8), 8);
        const int event = ::eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
        operation ready(io_op::poll, event, nullptr, 1);
        d.submit(ready);
        for (int i = 0; i < 20; ++i) {
            for (int k = 0; k < 10'000; ++k) {
                d.turn();  // spins, as a shard does before it sleeps
            }
            d.platform.wait(d.platform.now() + 200'000);
        }
        EXPECT_EQ(::eventfd_write(event, 1), 0);
        EXPECT_TRUE(d.until([&] { return ready.done(); }));
        for (int i = 0; i < 1000; ++i) {
            d.turn();  // nothing is parked, so there is nothing to watch
        }
        EXPECT_EQ(d.run(io_op::close, fd), 0);
        ::close(event);
        EXPECT_EQ(d.platform.counters().aio.submits, 0u);
    }
    EXPECT_EQ(kernel.setups, 0u);
    EXPECT_EQ(kernel.destroys, 0u);
}

TEST(linux_platform, withdraws_what_has_not_reached_the_kernel_and_says_so_of_the_rest) {
    fake_aio_kernel kernel;
    driver d({.aio_capacity = 15, .kernel = &kernel});
    std::vector<std::unique_ptr<disk_operation>> reads;
    for (unsigned i = 0; i < 20; ++i) {
        reads.push_back(std::make_unique<disk_operation>(io_op::read, 0, nullptr, 4096, 0));
        d.submit(*reads.back());
    }
    operation cancel_waiting(io_op::cancel);
    cancel_waiting.extra = reads[19].get();
    EXPECT_EQ(d.run(cancel_waiting), 0);
    EXPECT_TRUE(reads[19]->done());
    EXPECT_EQ(reads[19]->result, -ECANCELED);
    operation cancel_running(io_op::cancel);
    cancel_running.extra = reads[0].get();
    EXPECT_EQ(d.run(cancel_running), -EALREADY);
    EXPECT_FALSE(reads[0]->done());
    operation cancel_done(io_op::cancel);
    cancel_done.extra = reads[19].get();
    EXPECT_EQ(d.run(cancel_done), -ENOENT);
    EXPECT_TRUE(d.until([&] {
        kernel.complete_all(0);
        return std::ranges::all_of(reads, [](const auto& r) { return r->done(); });
    }));
    for (const auto& read : reads) {
        EXPECT_EQ(read->completions, 1);
    }
}

TEST(linux_platform, costs_no_system_call_while_nothing_happens) {
    driver d;
    const int event = ::eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    operation never(io_op::poll, event, nullptr, 1);
    d.submit(never);
    // Who has no context yet looks for a while before it makes one for this.
    EXPECT_TRUE(d.until([&] { return d.platform.counters().epoll_watches_armed != 0; }));
    for (int i = 0; i < 100; ++i) {
        d.turn();
    }
    const linux_counters before = d.platform.counters();
    EXPECT_EQ(before.epoll_watches_armed, 1u);
    for (int i = 0; i < 10000; ++i) {
        d.turn();
    }
    const linux_counters after = d.platform.counters();
    EXPECT_EQ(after.epoll_polls, before.epoll_polls);
    EXPECT_EQ(after.aio.submits, before.aio.submits);
    EXPECT_EQ(after.aio.get_events, before.aio.get_events);
    EXPECT_EQ(::eventfd_write(event, 1), 0);
    EXPECT_TRUE(d.until([&] { return never.done(); }));
    EXPECT_EQ(never.result & 1, 1);
    ::close(event);
}

TEST(linux_platform, fills_with_entropy_and_tells_the_time) {
    driver d;
    std::byte a[64] = {};
    std::byte b[64] = {};
    d.platform.entropy(a);
    d.platform.entropy(b);
    EXPECT_NE(std::memcmp(a, b, sizeof a), 0);
    EXPECT_GT(d.platform.wall(), 1'700'000'000'000'000'000);
}

}  // namespace
}  // namespace shale
