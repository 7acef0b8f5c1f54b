// The POSIX timer and its signal handler. What the handler touches are relaxed atomics of its own thread's timer, and
// timer_settime, which is async-signal-safe.
#include "preempt_timer.hh"

#include <pthread.h>
#include <unistd.h>

#include <cerrno>
#include <utility>

#include "../base/error.hh"
#include "detail/monotonic.hh"

namespace shale {

preempt_timer::preempt_timer(std::atomic<bool>& flag, std::uint64_t quota_ns) : flag_(flag), quota_ns_(quota_ns) {
    struct sigaction action {};
    action.sa_sigaction = &on_signal;
    action.sa_flags = SA_SIGINFO | SA_RESTART | SA_ONSTACK;
    ::sigfillset(&action.sa_mask);
    if (::sigaction(signal, &action, nullptr) != 0) {
        throw make_system_error(errno, "handler of signal {} for the preemption timer", signal);
    }
    sigset_t own;
    ::sigemptyset(&own);
    ::sigaddset(&own, signal);
    ::pthread_sigmask(SIG_UNBLOCK, &own, nullptr);

    sigevent event{};
    event.sigev_notify = SIGEV_THREAD_ID;
    event.sigev_signo = signal;
    event.sigev_value.sival_ptr = this;
    event._sigev_un._tid = ::gettid();
    if (::timer_create(CLOCK_MONOTONIC, &event, &timer_) != 0) {
        throw make_system_error(errno, "preemption timer of {} ns", quota_ns)
            .advise("RLIMIT_SIGPENDING (ulimit -i) bounds the number of timers.");
    }
}

preempt_timer::~preempt_timer() {
    // On its own thread with the signal unblocked nothing is pending once this has returned.
    ::timer_delete(timer_);
}

void preempt_timer::on_signal(int, siginfo_t* info, void*) noexcept {
    if (info->si_code != SI_TIMER) {
        return;
    }
    const int saved = errno;
    static_cast<preempt_timer*>(info->si_value.sival_ptr)->tick();
    errno = saved;
}

void preempt_timer::tick() noexcept {
    ticks_.store(ticks_.load(std::memory_order_relaxed) + 1, std::memory_order_relaxed);
    const std::uint64_t turns = turns_.load(std::memory_order_relaxed);
    const bool same_turn = std::exchange(turns_at_last_tick_, turns) == turns;
    const std::uint64_t since = since_.load(std::memory_order_relaxed);
    const unsigned alert_ticks = alert_ticks_.load(std::memory_order_relaxed);
    quiet_ticks_ = same_turn && since == 0 ? quiet_ticks_ + 1 : 0;
    if (quiet_ticks_ > quiet_ticks_max) {
        quiet_ticks_ = 0;
        armed_.store(false, std::memory_order_relaxed);
        set(0, 0);
        return;
    }
    const std::uint64_t now = detail::monotonic_ns();
    const std::uint64_t ran_ns = since != 0 && now > since ? now - since : 0;
    if (ran_ns >= quota_ns_) {
        flag_.store(true, std::memory_order_relaxed);
        alert_ticks_.store(alert_ticks_max, std::memory_order_relaxed);
        if (alert_ticks == 0) {
            set(quota_ns_, quota_ns_);
        }
    } else if (alert_ticks > 0) {
        alert_ticks_.store(alert_ticks - 1, std::memory_order_relaxed);
        if (alert_ticks == 1) {
            set(calm_interval_ns(quota_ns_), calm_interval_ns(quota_ns_));
        }
    } else if (ran_ns > 0 && !std::exchange(second_look_, true)) {
        set(quota_ns_ - ran_ns, calm_interval_ns(quota_ns_));
    } else {
        second_look_ = false;
    }
}

void preempt_timer::arm() noexcept {
    ++times_armed_;
    armed_.store(true, std::memory_order_relaxed);
    set(quota_ns_, alert() ? quota_ns_ : calm_interval_ns(quota_ns_));
}

void preempt_timer::set(std::uint64_t first_ns, std::uint64_t interval_ns) noexcept {
    itimerspec when{};
    when.it_value = detail::to_timespec(first_ns);
    when.it_interval = detail::to_timespec(interval_ns);
    ::timer_settime(timer_, 0, &when, nullptr);
}

}  // namespace shale
