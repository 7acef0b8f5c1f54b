// The Linux side in containers and on kernels that refuse what it would rather use.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <libaio.h>
#include <sys/eventfd.h>
#include <sys/socket.h>

#include <array>
#include <thread>

#include "driver.hh"
#include "seccomp.hh"
#include "temporary.hh"

namespace shale {
namespace {

/// A bit of everything: disk, socket, helper, sleep and wake.
void use_platform(driver& d) {
    temporary_directory directory;
    const int fd = patterned_direct_file(directory.file("data"), 8192);
    std::array<int, 2> ends{};
    ASSERT_EQ(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, ends.data()), 0);
    aligned_buffer in(4096);
    for (int round = 0; round < 5; ++round) {
        char text[10];
        operation recv(io_op::recv, ends[0], text, sizeof text);
        d.submit(recv);
        for (int i = 0; i < 40; ++i) {
            d.turn();
        }
        operation read(io_op::read, fd, in.data(), 4096);
        read.flags = io_flag::direct;
        read.offset = 4096;
        EXPECT_EQ(d.run(read), 4096);
        EXPECT_TRUE(in.all('b'));
        EXPECT_EQ(::write(ends[1], "hello", 5), 5);
        EXPECT_TRUE(d.until([&] { return recv.done(); }));
        EXPECT_EQ(recv.result, 5);
        EXPECT_GE(d.open("/dev/null", O_RDONLY), 0);
        operation waiting(io_op::recv, ends[0], text, sizeof text);
        operation busy(io_op::read, fd, in.data(), 4096);
        busy.flags = io_flag::direct;
        d.submit({&waiting, &busy});
        std::thread writer([&] { EXPECT_EQ(::write(ends[1], "x", 1), 1); });
        EXPECT_TRUE(d.until([&] { return waiting.done() && busy.done(); }));
        writer.join();
        std::thread waker([&] { d.platform.wake(); });
        d.platform.wait(no_deadline);
        waker.join();
    }
    for (const int each : {fd, ends[0], ends[1]}) {
        ::close(each);
    }
}

/// The real kernel, save for polls: as before Linux 4.19.
class lesser_kernel : public real_aio_kernel {
public:
    int submit(io_context* context, long count, iocb** operations) noexcept override {
        for (long i = 0; i < count; ++i) {
            if (operations[i]->aio_lio_opcode == IO_CMD_POLL) {
                return i == 0 ? -EINVAL : real_aio_kernel::submit(context, i, operations);
            }
        }
        return real_aio_kernel::submit(context, count, operations);
    }
};

class confinement_test : public ::testing::TestWithParam<pastime> {};

INSTANTIATE_TEST_SUITE_P(, confinement_test, ::testing::Values(pastime::spin, pastime::sleep),
                         [](const auto& how) { return how.param == pastime::spin ? "spinning" : "sleeping"; });

TEST_P(confinement_test, needs_nothing_that_is_refused_by_default_in_containers) {
    EXPECT_TRUE(passes_without({SYS_io_uring_setup, SYS_io_uring_enter, SYS_io_uring_register, SYS_perf_event_open,
                                SYS_userfaultfd, SYS_mbind, SYS_set_mempolicy},
                               EPERM, [] {
                                   driver d({}, GetParam());
                                   use_platform(d);
                                   EXPECT_TRUE(d.platform.notices().empty());
                               }));
}

TEST_P(confinement_test, does_without_aio) {
    for (const int error : {EPERM, ENOSYS}) {
        EXPECT_TRUE(passes_without({SYS_io_setup, SYS_io_submit, SYS_io_getevents, SYS_io_pgetevents, SYS_io_destroy},
                                   error, [] {
                                       driver d({}, GetParam());
                                       use_platform(d);
                                       EXPECT_EQ(d.platform.notices().size(), 1u);
                                   }));
    }
}

TEST_P(confinement_test, does_without_newer_waits) {
    for (const int error : {EPERM, ENOSYS}) {
        EXPECT_TRUE(passes_without({SYS_epoll_pwait2, SYS_io_pgetevents}, error, [] {
            driver d({.sleep_through_signal = SIGURG}, GetParam());
            use_platform(d);
        }));
    }
}

TEST_P(confinement_test, does_without_the_aio_poll) {
    lesser_kernel kernel;
    driver d({.kernel = &kernel}, GetParam());
    use_platform(d);
    EXPECT_LE(d.platform.counters().epoll_watches_armed, 1u) << "asked again after a refusal";
}

TEST_P(confinement_test, does_without_a_ring_in_user_memory) {
    driver d({.user_ring = false}, GetParam());
    use_platform(d);
}

TEST_P(confinement_test, does_without_the_processors_clock) {
    driver d({.tsc = false}, GetParam());
    use_platform(d);
}

}  // namespace
}  // namespace shale
