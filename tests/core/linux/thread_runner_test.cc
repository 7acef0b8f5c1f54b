// Shard threads: named, pinned, deaf to signals, busy while there is work and asleep while there is none.
#include <shale/core/linux/thread_runner.hh>

#include <gtest/gtest.h>
#include <sched.h>
#include <sys/syscall.h>
#include <unistd.h>
#include <shale/core/linux/linux_platform.hh>
#include <shale/core/linux/preempt_timer.hh>
#include <shale/core/shard/shard.hh>

#include <csignal>
#include <fstream>
#include <optional>

#include "driver.hh"

namespace shale {
namespace {

/// One shard on a thread of its own, with a request that a test can see complete.
class running_shard {
public:
    explicit running_shard(idle_policy policy, shard_thread_options o = {}) {
        runner_.emplace(o, [this, policy](std::string complaint) {
            complaint_ = std::move(complaint);
            thread_id_.store(::gettid());
            ::pthread_getname_np(::pthread_self(), name_, sizeof name_);
            ::pthread_sigmask(SIG_SETMASK, nullptr, &blocked_);
            ::sched_getaffinity(0, sizeof cpus_, &cpus_);
            linux_platform outside({.sleep_through_signal = preempt_timer::signal});
            {
                shard s(outside, {});
                shard* all[] = {&s};
                s.connect(all);
                shard_.store(&s);
                run_shard(s, policy, stop_);
                turns_ = s.turns();
                sleeps_ = s.sleeps();
                sleep_ns_ = s.phases().spent_ns(phase::sleep);
                spin_ns_ = s.phases().spent_ns(phase::spin);
            }
        });
        while (shard_.load() == nullptr) {
            ::sched_yield();
        }
    }

    /// Until the kernel says that the thread waits in epoll.
    void await_sleep() const {
        const std::string path = "/proc/self/task/" + std::to_string(thread_id_.load()) + "/syscall";
        for (std::string call; call != std::to_string(SYS_epoll_pwait2);) {
            std::ifstream(path) >> call;
        }
    }

    void stop() {
        stop_.store(true);
        shard_.load()->wake();
        runner_->join();
    }

    std::atomic<int> thread_id_{0};
    std::string complaint_;
    char name_[16] = {};
    sigset_t blocked_{};
    cpu_set_t cpus_{};
    std::atomic<shard*> shard_{nullptr};
    std::atomic<bool> stop_{false};
    std::uint64_t turns_ = 0;
    std::uint64_t sleeps_ = 0;
    std::uint64_t sleep_ns_ = 0;
    std::uint64_t spin_ns_ = 0;

private:
    std::optional<thread_runner> runner_;
};

TEST(thread_runner, names_its_thread_and_blocks_signals) {
    running_shard running(idle_policy(0, false), {.id = 7});
    running.stop();
    EXPECT_STREQ(running.name_, "shard-7");
    EXPECT_EQ(running.complaint_, "");
    EXPECT_EQ(::sigismember(&running.blocked_, SIGINT), 1);
    EXPECT_EQ(::sigismember(&running.blocked_, SIGTERM), 1);
    EXPECT_EQ(::sigismember(&running.blocked_, preempt_timer::signal), 0);
    EXPECT_EQ(::sigismember(&running.blocked_, SIGSEGV), 0);
}

TEST(thread_runner, pins_its_thread) {
    cpu_set_t allowed;
    ::sched_getaffinity(0, sizeof allowed, &allowed);
    unsigned last = 0;
    for (unsigned cpu = 0; cpu < CPU_SETSIZE; ++cpu) {
        last = CPU_ISSET(cpu, &allowed) ? cpu : last;
    }
    running_shard running(idle_policy(0, false), {.cpus = {last}});
    running.stop();
    EXPECT_EQ(running.complaint_, "");
    EXPECT_EQ(CPU_COUNT(&running.cpus_), 1);
    EXPECT_TRUE(CPU_ISSET(last, &running.cpus_));
}

TEST(thread_runner, runs_where_it_can_when_pinning_is_refused_and_says_so) {
    running_shard running(idle_policy(0, false), {.id = 3, .cpus = {CPU_SETSIZE - 1}});
    running.stop();
    EXPECT_EQ(running.complaint_.find("shard 3: not pinned to CPU 1023"), 0u) << running.complaint_;
}

TEST(thread_runner, sleeps_when_there_is_nothing_to_do) {
    running_shard running(idle_policy(0, false));
    running.await_sleep();
    running.stop();
    EXPECT_GE(running.sleeps_, 1u);
    EXPECT_GT(running.sleep_ns_, 0u);
    EXPECT_LT(running.turns_, 20u) << "an idle shard turns only when something happens";
}

TEST(thread_runner, sleeps_after_spinning_as_long_as_it_may) {
    running_shard running(idle_policy(1'000'000, false));
    running.await_sleep();
    running.stop();
    EXPECT_GE(running.spin_ns_, 1'000'000u);  // in how many turns depends on who else wants the CPU
}

TEST(thread_runner, never_sleeps_when_polling) {
    running_shard running(idle_policy(0, true));
    for (int i = 0; i < 1000; ++i) {
        ::sched_yield();
    }
    running.stop();
    EXPECT_EQ(running.sleeps_, 0u);
}

}  // namespace
}  // namespace shale
