// Waiting for signals, the end and deadlines: see supervisor.hh.
#include "supervisor.hh"

#include <poll.h>
#include <sys/eventfd.h>
#include <sys/signalfd.h>
#include <time.h>
#include <unistd.h>

#include <array>
#include <cerrno>

#include "../../base/error.hh"

namespace shale::detail {

namespace {

constexpr std::uint64_t second_ns = 1'000'000'000;

timespec until(std::uint64_t deadline_ns) {
    const std::uint64_t now = supervisor::now_ns();
    const std::uint64_t left = deadline_ns > now ? deadline_ns - now : 0;
    return {.tv_sec = static_cast<time_t>(left / second_ns), .tv_nsec = static_cast<long>(left % second_ns)};
}

}  // namespace

supervisor::supervisor(bool handle_signals) {
    bell_ = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (bell_ < 0) {
        throw_system_error(errno, "eventfd for the runtime");
    }
    if (!handle_signals) {
        return;
    }
    sigset_t ours;
    sigemptyset(&ours);
    sigaddset(&ours, SIGINT);
    sigaddset(&ours, SIGTERM);
    signals_ = signalfd(-1, &ours, SFD_CLOEXEC | SFD_NONBLOCK);
    if (signals_ < 0) {
        const int error = errno;
        close(bell_);
        throw_system_error(error, "signalfd for SIGINT and SIGTERM");
    }
    pthread_sigmask(SIG_BLOCK, &ours, &previous_mask_);
}

supervisor::~supervisor() {
    if (signals_ >= 0) {
        pthread_sigmask(SIG_SETMASK, &previous_mask_, nullptr);
        close(signals_);
    }
    close(bell_);
}

supervisor::event supervisor::wait(std::optional<std::uint64_t> deadline_ns) {
    while (true) {
        if (take_signal()) {
            return event::signal;
        }
        if (finished_.exchange(false, std::memory_order_acquire)) {  // pairs with the release in notify_finished()
            return event::finished;
        }
        // pairs with the release in notify_stop_requested()
        if (stop_requested_.exchange(false, std::memory_order_acquire)) {
            return event::stop_requested;
        }
        if (deadline_ns && now_ns() >= *deadline_ns) {
            return event::deadline;
        }
        std::array<pollfd, 2> watched{{{.fd = bell_, .events = POLLIN, .revents = 0},
                                       {.fd = signals_, .events = POLLIN, .revents = 0}}};  // poll skips a -1
        const timespec left = until(deadline_ns.value_or(0));
        if (ppoll(watched.data(), watched.size(), deadline_ns ? &left : nullptr, nullptr) < 0 && errno != EINTR) {
            throw_system_error(errno, "poll of the runtime's signals");
        }
        std::uint64_t rings = 0;
        (void)!read(bell_, &rings, sizeof rings);  // silent or not: the flags decide
    }
}

bool supervisor::take_signal() noexcept {
    signalfd_siginfo info{};
    if (signals_ < 0 || read(signals_, &info, sizeof info) != sizeof info) {
        return false;
    }
    signal_ = static_cast<int>(info.ssi_signo);
    return true;
}

void supervisor::notify_stop_requested() noexcept {
    stop_requested_.store(true, std::memory_order_release);  // pairs with the exchange in wait()
    ring();
}

void supervisor::notify_finished() noexcept {
    finished_.store(true, std::memory_order_release);  // pairs with the exchange in wait()
    ring();
}

void supervisor::ring() noexcept {
    const std::uint64_t one = 1;
    (void)!write(bell_, &one, sizeof one);  // full means that it rings already
}

std::uint64_t supervisor::now_ns() noexcept {
    timespec now{};
    clock_gettime(CLOCK_MONOTONIC, &now);
    return static_cast<std::uint64_t>(now.tv_sec) * second_ns + static_cast<std::uint64_t>(now.tv_nsec);
}

}  // namespace shale::detail
