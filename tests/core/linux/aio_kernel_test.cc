// The AIO context on the real table of kernel calls: this machine's kernel, with files on its disk.
#include <shale/core/linux/aio_kernel.hh>

#include <fcntl.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <shale/core/linux/aio_context.hh>

#include <cerrno>
#include <map>
#include <memory>

#include "temporary.hh"

namespace shale {
namespace {

constexpr std::uint64_t second_ns = 1'000'000'000;

class aio_kernel_test : public ::testing::TestWithParam<bool> {
protected:
    aio_kernel_test() : fd(patterned_direct_file(directory.file("data"), 64 * 4096)) {}
    ~aio_kernel_test() override { ::close(fd); }

    /// Submits and collects `count` results by tag.
    std::map<std::uint64_t, std::int64_t> finish(std::size_t count) {
        std::map<std::uint64_t, std::int64_t> results;
        context.submit();
        while (results.size() < count) {
            aio_completion some[16];
            const unsigned n = context.reap(some);
            for (unsigned i = 0; i < n; ++i) {
                EXPECT_TRUE(results.emplace(some[i].tag, some[i].result).second) << "tag " << some[i].tag << " twice";
            }
            if (n == 0) {
                context.wait(10 * second_ns);
            }
            context.submit();
        }
        return results;
    }

    std::int64_t finish_one(const aio_operation& operation) {
        EXPECT_TRUE(context.add(operation));
        return finish(1)[operation.tag];
    }

    temporary_directory directory;
    int fd;
    aio_context context{{.capacity = 16, .user_ring = GetParam()}};
};

TEST_P(aio_kernel_test, knows_the_ring_of_this_kernel) {
    EXPECT_EQ(context.reads_ring(), GetParam());
}

TEST_P(aio_kernel_test, reads_what_was_written) {
    aligned_buffer out(8192, 'X');
    aligned_buffer in(8192);
    EXPECT_EQ(
        finish_one({.opcode = aio_opcode::write, .fd = fd, .data = out.data(), .size = 8192, .offset = 4096, .tag = 1}),
        8192);
    EXPECT_EQ(
        finish_one({.opcode = aio_opcode::read, .fd = fd, .data = in.data(), .size = 8192, .offset = 4096, .tag = 2}),
        8192);
    EXPECT_TRUE(in.all('X'));
}

TEST_P(aio_kernel_test, writes_durably_and_flushes) {
    aligned_buffer out(4096, 'D');
    EXPECT_EQ(
        finish_one(
            {.opcode = aio_opcode::write, .fd = fd, .data = out.data(), .size = 4096, .rw_flags = RWF_DSYNC, .tag = 1}),
        4096);
    EXPECT_EQ(finish_one({.opcode = aio_opcode::fsync, .fd = fd, .tag = 2}), 0);
    EXPECT_EQ(finish_one({.opcode = aio_opcode::fdsync, .fd = fd, .tag = 3}), 0);
}

TEST_P(aio_kernel_test, gathers_and_scatters) {
    aligned_buffer a(4096, '1');
    aligned_buffer b(8192, '2');
    iovec out[] = {{a.data(), a.size()}, {b.data(), b.size()}};
    EXPECT_EQ(finish_one({.opcode = aio_opcode::writev, .fd = fd, .data = out, .size = 2, .offset = 8192, .tag = 1}),
              12288);
    aligned_buffer c(8192);
    aligned_buffer d(4096);
    iovec in[] = {{c.data(), c.size()}, {d.data(), d.size()}};
    EXPECT_EQ(finish_one({.opcode = aio_opcode::readv, .fd = fd, .data = in, .size = 2, .offset = 8192, .tag = 2}),
              12288);
    EXPECT_EQ(c.data()[0], '1');
    EXPECT_EQ(c.data()[4096], '2');
    EXPECT_TRUE(d.all('2'));
}

TEST_P(aio_kernel_test, shows_the_end_of_the_file) {
    aligned_buffer in(8192);
    EXPECT_EQ(finish_one({.fd = fd, .data = in.data(), .size = 8192, .offset = 63 * 4096, .tag = 1}), 4096);
    EXPECT_EQ(finish_one({.fd = fd, .data = in.data(), .size = 8192, .offset = 64 * 4096, .tag = 2}), 0);
}

TEST_P(aio_kernel_test, fails_bad_operations_alone) {
    aligned_buffer in(8192);
    const int closed = ::open("/dev/null", O_RDONLY | O_CLOEXEC);
    ::close(closed);
    context.add({.fd = closed, .data = in.data(), .size = 4096, .tag = 1});
    context.add({.fd = fd, .data = in.data() + 1, .size = 4096, .tag = 2});
    context.add({.fd = fd, .data = in.data(), .size = 4096, .offset = 1, .tag = 3});
    context.add({.fd = fd, .data = in.data(), .size = 4096, .tag = 4});
    context.add({.fd = closed, .data = in.data(), .size = 4096, .tag = 5});
    context.add({.opcode = aio_opcode::readv, .fd = fd, .data = nullptr, .size = 2000, .tag = 6});
    const auto results = finish(6);
    EXPECT_EQ(results.at(1), -EBADF);
    EXPECT_EQ(results.at(2), -EINVAL);
    EXPECT_EQ(results.at(3), -EINVAL);
    EXPECT_EQ(results.at(4), 4096);
    EXPECT_EQ(results.at(5), -EBADF);
    EXPECT_EQ(results.at(6), -EINVAL);
}

TEST_P(aio_kernel_test, completes_more_operations_than_slots_each_once) {
    constexpr unsigned total = 1000;
    std::vector<aligned_buffer> buffers;
    for (unsigned i = 0; i < 16; ++i) {
        buffers.emplace_back(4096);
    }
    std::vector<bool> seen(total);
    unsigned added = 0;
    unsigned done = 0;
    while (done < total) {
        while (added < total && context.add({.fd = fd,
                                             .data = buffers[added % 16].data(),
                                             .size = 4096,
                                             .offset = added % 64 * 4096,
                                             .tag = added})) {
            ++added;
        }
        context.submit();
        aio_completion some[8];
        const unsigned n = context.reap(some);
        for (unsigned i = 0; i < n; ++i) {
            EXPECT_EQ(some[i].result, 4096);
            EXPECT_FALSE(seen[some[i].tag]);
            seen[some[i].tag] = true;
        }
        done += n;
        if (n == 0) {
            context.wait(10 * second_ns);
        }
    }
    EXPECT_EQ(context.free_slots(), context.capacity());
    EXPECT_EQ(context.in_flight(), 0u);
}

TEST_P(aio_kernel_test, polls_a_descriptor_once) {
    const int event = ::eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    context.add({.opcode = aio_opcode::poll, .fd = event, .size = POLLIN, .tag = 1});
    context.submit();
    context.wait(1'000'000);
    aio_completion one[1];
    EXPECT_EQ(context.reap(one), 0u);
    EXPECT_EQ(::eventfd_write(event, 1), 0);
    EXPECT_EQ(finish(1)[1] & POLLIN, POLLIN);
    EXPECT_EQ(context.in_flight(), 0u);
    ::close(event);
}

TEST_P(aio_kernel_test, takes_a_poll_back) {
    const int event = ::eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    const auto key = context.add({.opcode = aio_opcode::poll, .fd = event, .size = POLLIN, .tag = 1});
    context.submit();
    EXPECT_EQ(context.cancel(*key), aio_cancel_result::canceled);
    EXPECT_LE(finish(1)[1], 0);
    EXPECT_EQ(context.cancel(*key), aio_cancel_result::already_done);
    ::close(event);
}

TEST_P(aio_kernel_test, signals_an_eventfd_for_each_completion) {
    const int event = ::eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    context.set_event_fd(event);
    aligned_buffer in(4096);
    for (std::uint64_t tag = 0; tag < 3; ++tag) {
        context.add({.fd = fd, .data = in.data(), .size = 4096, .tag = tag});
    }
    finish(3);
    eventfd_t count = 0;
    EXPECT_EQ(::eventfd_read(event, &count), 0);
    EXPECT_EQ(count, 3u);
    ::close(event);
}

TEST_P(aio_kernel_test, drains_what_is_in_flight) {
    std::vector<aligned_buffer> buffers;
    for (std::uint64_t tag = 0; tag < 16; ++tag) {
        buffers.emplace_back(4096);
        context.add({.fd = fd, .data = buffers.back().data(), .size = 4096, .offset = tag * 4096, .tag = tag});
    }
    EXPECT_TRUE(context.drain(30 * second_ns));
    EXPECT_EQ(context.in_flight(), 0u);
    EXPECT_EQ(finish(16).size(), 16u);
}

TEST_P(aio_kernel_test, is_useless_to_a_forked_child_and_harmless) {
    aligned_buffer in(4096);
    context.add({.fd = fd, .data = in.data(), .size = 4096, .tag = 1});
    const pid_t child = ::fork();
    if (child == 0) {
        context.submit();
        ::_exit(context.in_flight() == 0 ? 0 : 1);  // the kernel knows no such context here
    }
    int status = 0;
    ::waitpid(child, &status, 0);
    EXPECT_EQ(status, 0);
    EXPECT_EQ(finish(1)[1], 4096);
}

TEST(real_aio_kernel, reads_the_limits_of_the_machine) {
    real_aio_kernel kernel;
    const aio_limits before = kernel.limits();
    EXPECT_GT(before.maximum, 0u);
    aio_context context({.capacity = 100, .kernel = &kernel});
    EXPECT_GE(kernel.limits().used, 100u);
}

TEST(real_aio_kernel, gives_errors_as_negative_numbers) {
    real_aio_kernel kernel;
    io_context* none = nullptr;
    EXPECT_EQ(kernel.setup(0, &none), -EINVAL);
    EXPECT_EQ(kernel.submit(none, 0, nullptr), -EINVAL);
    const timespec now{};
    EXPECT_EQ(kernel.get_events(none, 0, 0, nullptr, &now, nullptr), -EINVAL);
    EXPECT_EQ(kernel.destroy(none), -EINVAL);
}

INSTANTIATE_TEST_SUITE_P(reaping, aio_kernel_test, ::testing::Bool(),
                         [](const auto& how) { return how.param ? "from_user_space" : "by_system_call"; });

}  // namespace
}  // namespace shale
