// Waiting for signals, the end and deadlines: see supervisor.hh.
#include "supervisor.hh"

#include <poll.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

#include <array>
#include <cerrno>

#include "../../base/error.hh"

namespace shale::detail {

namespace {

constexpr std::array numbers{SIGINT, SIGTERM};

// A bit for each number that came; of the process, as signals are.
constinit std::atomic<std::uint64_t> noted{0};

void note_signal(int number) noexcept {  // the handler
    noted.fetch_or(std::uint64_t{1} << number, std::memory_order_relaxed);
}

constexpr std::uint64_t second_ns = 1'000'000'000;

timespec until(std::uint64_t deadline_ns) {
    const std::uint64_t now = supervisor::now_ns();
    const std::uint64_t left = deadline_ns > now ? deadline_ns - now : 0;
    return {.tv_sec = static_cast<time_t>(left / second_ns), .tv_nsec = static_cast<long>(left % second_ns)};
}

}  // namespace

supervisor::supervisor(bool handle_signals) : handles_signals_(handle_signals) {
    bell_ = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (bell_ < 0) {
        throw_system_error(errno, "eventfd for the runtime");
    }
    if (!handle_signals) {
        return;
    }
    noted.store(0, std::memory_order_relaxed);  // what an earlier runtime of this process left
    sigemptyset(&ours_);
    pthread_sigmask(SIG_BLOCK, nullptr, &previous_mask_);
    waiting_mask_ = previous_mask_;
    struct sigaction handler {};
    handler.sa_handler = &note_signal;
    sigfillset(&handler.sa_mask);
    for (std::size_t i = 0; i < numbers.size(); ++i) {
        sigaddset(&ours_, numbers[i]);
        sigdelset(&waiting_mask_, numbers[i]);
    }
    pthread_sigmask(SIG_BLOCK, &ours_, nullptr);
    for (std::size_t i = 0; i < numbers.size(); ++i) {
        sigaction(numbers[i], &handler, &previous_actions_[i]);
    }
}

supervisor::~supervisor() {
    if (handles_signals_) {
        for (std::size_t i = 0; i < numbers.size(); ++i) {
            sigaction(numbers[i], &previous_actions_[i], nullptr);
        }
        pthread_sigmask(SIG_SETMASK, &previous_mask_, nullptr);
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
        pollfd watched{.fd = bell_, .events = POLLIN, .revents = 0};
        const timespec left = until(deadline_ns.value_or(0));
        if (ppoll(&watched, 1, deadline_ns ? &left : nullptr, handles_signals_ ? &waiting_mask_ : nullptr) < 0 &&
            errno != EINTR) {
            throw_system_error(errno, "poll of the runtime's bell");
        }
        std::uint64_t rings = 0;
        (void)!read(bell_, &rings, sizeof rings);  // silent or not: the flags decide
    }
}

// One that came in ppoll() has been noted; one that came at any other time is pending still.
bool supervisor::take_signal() noexcept {
    constexpr timespec no_wait{};
    if (!handles_signals_) {
        return false;
    }
    if (const int pending = sigtimedwait(&ours_, nullptr, &no_wait); pending > 0) {
        note_signal(pending);
    }
    for (const int number : numbers) {
        const std::uint64_t bit = std::uint64_t{1} << number;
        if ((noted.fetch_and(~bit, std::memory_order_relaxed) & bit) != 0) {
            signal_ = number;
            return true;
        }
    }
    return false;
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
