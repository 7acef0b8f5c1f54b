// The counters: nothing before anything happened, and afterwards each request where it went.
#include <shale/core/linux/linux_counters.hh>

#include <fcntl.h>
#include <gtest/gtest.h>
#include <poll.h>

#include "driver.hh"
#include "temporary.hh"

namespace shale {
namespace {

TEST(linux_counters, begin_at_nothing) {
    driver d;
    const linux_counters counters = d.platform.counters();
    EXPECT_EQ(counters.requests + counters.disk_requests + counters.helper_requests, 0u);
    EXPECT_EQ(counters.epoll_polls + counters.epoll_sleeps + counters.epoll_changes + counters.aio_sleeps, 0u);
    EXPECT_EQ(counters.aio.submits + counters.aio.get_events, 0u);
}

TEST(linux_counters, tell_where_each_request_went) {
    temporary_directory directory;
    driver d;
    const int direct = patterned_direct_file(directory.file("data"), 4096);
    const int buffered = d.open(directory.file("data"), O_RDONLY);
    aligned_buffer in(4096);
    operation to_disk(io_op::read, direct, in.data(), 4096);
    to_disk.flags = io_flag::direct;
    EXPECT_EQ(d.run(to_disk), 4096);
    EXPECT_EQ(d.run(io_op::fdatasync, buffered), 0);
    EXPECT_EQ(d.run(io_op::poll, direct, nullptr, POLLIN), POLLIN);
    EXPECT_EQ(d.run(io_op::close, buffered), 0);
    const linux_counters counters = d.platform.counters();
    EXPECT_EQ(counters.requests, 5u);
    EXPECT_EQ(counters.disk_requests, 1u);
    EXPECT_EQ(counters.aio.submitted, 1u);
    EXPECT_EQ(counters.aio.reaped, 1u);
    EXPECT_EQ(counters.helper_requests, 3u) << "open, flush and close";
    EXPECT_EQ(counters.helper_fallbacks, 0u);
    EXPECT_EQ(counters.socket_calls, 1u);
    ::close(direct);
}

}  // namespace
}  // namespace shale
