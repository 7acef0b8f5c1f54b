// The supervisor: reports each thing once, from any thread, and keeps signals for itself while it lives.
#include <shale/core/app/detail/supervisor.hh>

#include <pthread.h>
#include <sys/resource.h>

#include <chrono>
#include <thread>

#include <gtest/gtest.h>

namespace shale::detail {
namespace {

using event = supervisor::event;

bool blocked(int signal) {
    sigset_t mask;
    pthread_sigmask(SIG_BLOCK, nullptr, &mask);
    return sigismember(&mask, signal) == 1;
}

TEST(supervisor, reports_a_notification_once) {
    supervisor s(false);
    s.notify_finished();
    s.notify_finished();
    EXPECT_EQ(s.wait({}), event::finished);
    EXPECT_EQ(s.wait(supervisor::now_ns()), event::deadline);
}

TEST(supervisor, reports_the_end_before_a_request_to_stop) {
    supervisor s(false);
    s.notify_stop_requested();
    s.notify_finished();
    EXPECT_EQ(s.wait({}), event::finished);
    EXPECT_EQ(s.wait({}), event::stop_requested);
}

TEST(supervisor, is_woken_from_another_thread) {
    supervisor s(false);
    std::thread other([&] { s.notify_stop_requested(); });
    EXPECT_EQ(s.wait({}), event::stop_requested);
    other.join();
}

TEST(supervisor, keeps_a_deadline_in_the_future) {
    supervisor s(false);
    const std::uint64_t deadline = supervisor::now_ns() + 1'000'000;
    EXPECT_EQ(s.wait(deadline), event::deadline);
    EXPECT_GE(supervisor::now_ns(), deadline);
}

TEST(supervisor, reports_signals_and_puts_the_mask_back) {
    ASSERT_FALSE(blocked(SIGINT));
    {
        supervisor s(true);
        EXPECT_TRUE(blocked(SIGINT));
        EXPECT_TRUE(blocked(SIGTERM));
        pthread_kill(pthread_self(), SIGTERM);
        EXPECT_EQ(s.wait({}), event::signal);
        EXPECT_EQ(s.signal_number(), SIGTERM);
        pthread_kill(pthread_self(), SIGINT);
        EXPECT_EQ(s.wait({}), event::signal);
        EXPECT_EQ(s.signal_number(), SIGINT);
    }
    EXPECT_FALSE(blocked(SIGINT));
    EXPECT_FALSE(blocked(SIGTERM));
}

TEST(supervisor, reports_a_signal_before_the_end) {
    supervisor s(true);
    s.notify_finished();
    pthread_kill(pthread_self(), SIGINT);
    EXPECT_EQ(s.wait({}), event::signal);
    EXPECT_EQ(s.wait({}), event::finished);
}

TEST(supervisor, reports_a_signal_that_comes_while_it_waits) {
    supervisor s(true);
    std::thread other([waiter = pthread_self()] {
        std::this_thread::sleep_for(std::chrono::milliseconds(10));
        pthread_kill(waiter, SIGTERM);
    });
    EXPECT_EQ(s.wait({}), event::signal);
    EXPECT_EQ(s.signal_number(), SIGTERM);
    EXPECT_EQ(s.wait(supervisor::now_ns()), event::deadline);
    other.join();
}

// A shard's preemption timer signals it up to 2,000 times a second, and this thread shares a core with one.
TEST(supervisor, sleeps_through_the_signals_of_other_threads) {
    constexpr int signals = 200;
    signal(SIGURG, [](int) {});
    supervisor s(true);
    std::thread other([&] {
        for (int i = 0; i < signals; ++i) {
            pthread_kill(pthread_self(), SIGURG);
            std::this_thread::sleep_for(std::chrono::milliseconds(1));
        }
        s.notify_finished();
    });
    rusage before{};
    rusage after{};
    getrusage(RUSAGE_THREAD, &before);
    EXPECT_EQ(s.wait({}), event::finished);
    getrusage(RUSAGE_THREAD, &after);
    EXPECT_LT(after.ru_nvcsw - before.ru_nvcsw, signals / 4);
    other.join();
    signal(SIGURG, SIG_DFL);
}

TEST(supervisor, leaves_signals_alone_when_told_to) {
    supervisor s(false);
    EXPECT_FALSE(blocked(SIGINT));
}

}  // namespace
}  // namespace shale::detail
