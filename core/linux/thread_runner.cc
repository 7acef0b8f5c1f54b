// The life of a shard's thread: its attributes, its signals, and the loop that alternates turns, spins and sleeps.
#include "thread_runner.hh"

#include <fmt/core.h>
#include <fmt/ranges.h>
#include <sched.h>
#include <sys/prctl.h>

#include <cerrno>
#include <csignal>
#include <utility>

#include "../base/error.hh"
#include "../shard/shard.hh"
#include "preempt_timer.hh"

namespace shale {

namespace {

// A sleep shorter than this would end after its deadline; see linux_platform::wait().
constexpr std::uint64_t nap_ns_min = 25'000;

inline void cpu_relax() noexcept {
#if defined(__x86_64__)
    __builtin_ia32_pause();
#elif defined(__aarch64__)
    asm volatile("yield");
#endif
}

// Everything but faults, which end the process where they happen, and preemption.
void block_signals() noexcept {
    sigset_t blocked;
    ::sigfillset(&blocked);
    for (const int open : {SIGSEGV, SIGBUS, SIGILL, SIGFPE, SIGABRT, SIGTRAP, SIGSYS, SIGPROF, preempt_timer::signal}) {
        ::sigdelset(&blocked, open);
    }
    ::pthread_sigmask(SIG_SETMASK, &blocked, nullptr);
}

// The time a shard has had nothing to do, since it exists.
std::uint64_t idle_ns(const shard& s) noexcept {
    return s.phases().spent_ns(phase::spin) + s.phases().spent_ns(phase::sleep);
}

}  // namespace

std::string become_shard_thread(const shard_thread_options& o) {
    ::pthread_setname_np(::pthread_self(), fmt::format("shard-{}", o.id).c_str());
    // Timers of a sleep are then as exact as the hardware's: the default lets them come 50 us late.
    ::prctl(PR_SET_TIMERSLACK, 1, 0, 0, 0);
    if (o.own_signal_mask) {
        block_signals();
    }
    if (o.cpus.empty()) {
        return {};
    }
    cpu_set_t cpus;
    CPU_ZERO(&cpus);
    for (const unsigned cpu : o.cpus) {
        if (cpu < CPU_SETSIZE) {
            CPU_SET(cpu, &cpus);
        }
    }
    if (::sched_setaffinity(0, sizeof cpus, &cpus) != 0) {
        return fmt::format("shard {}: not pinned to CPU {}: {}; it runs wherever the kernel puts it", o.id,
                           fmt::join(o.cpus, ","), errno_name(errno));
    }
    return {};
}

void run_shard(shard& s, idle_policy policy, const std::atomic<bool>& stop) noexcept {
    const run_queue_scope current(&s);
    std::uint64_t idle_before = idle_ns(s);
    // pairs with the release of whoever stops the shard
    while (!stop.load(std::memory_order_acquire)) {
        if (s.step()) {
            const std::uint64_t idle_now = idle_ns(s);
            policy.worked_after(idle_now - idle_before);
            idle_before = idle_now;
            if (policy.spins(0)) {
                continue;
            }
        } else if (policy.spins(idle_ns(s) - idle_before) || s.next_deadline() - s.now_ns() < nap_ns_min) {
            cpu_relax();
            continue;
        }
        s.sleep();
    }
}

thread_runner::thread_runner(shard_thread_options o, std::move_only_function<void(std::string)> body)
    : options_(std::move(o)), body_(std::move(body)) {
    pthread_attr_t attributes;
    ::pthread_attr_init(&attributes);
    if (options_.stack_bytes != 0) {
        ::pthread_attr_setstacksize(&attributes, options_.stack_bytes);
    }
    // Blocked from the first instruction on: a signal for the process must not pick a thread that is about to refuse
    // it.
    sigset_t all;
    sigset_t before;
    ::sigfillset(&all);
    ::pthread_sigmask(SIG_SETMASK, &all, &before);
    const int error = ::pthread_create(&thread_, &attributes, &thread_main, this);
    ::pthread_sigmask(SIG_SETMASK, &before, nullptr);
    ::pthread_attr_destroy(&attributes);
    if (error != 0) {
        throw make_system_error(error, "thread of shard {}", options_.id).advise("See ulimit -u and pids.max.");
    }
    joinable_ = true;
}

thread_runner::~thread_runner() {
    join();
}

void thread_runner::join() noexcept {
    if (std::exchange(joinable_, false)) {
        ::pthread_join(thread_, nullptr);
    }
}

void* thread_runner::thread_main(void* self) noexcept {
    auto& runner = *static_cast<thread_runner*>(self);
    runner.body_(become_shard_thread(runner.options_));
    return nullptr;
}

}  // namespace shale
