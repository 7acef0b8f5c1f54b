// See replay_on_crash.hh.
#include "replay_on_crash.hh"

#include <signal.h>
#include <unistd.h>

#include <array>
#include <atomic>

namespace shale::test::detail {

namespace {

constexpr std::array fatal{SIGABRT, SIGSEGV};

// A handler has no other way to get at it; one thread writes it, and reads it in its own handler.
constinit std::atomic<const std::string*> to_say{nullptr};

// Afterwards the signal takes its course: abort() raises it once more, and a bad access happens again.
void say(int) {
    if (const std::string* const text = to_say.load(std::memory_order_relaxed); text != nullptr) {
        const ssize_t written = ::write(STDERR_FILENO, text->data(), text->size());
        (void)written;
    }
}

}  // namespace

replay_on_crash::replay_on_crash(const std::string& line) : text_("to repeat this: " + line + "\n") {
    to_say.store(&text_, std::memory_order_relaxed);
    for (const int number : fatal) {
        struct sigaction now {};
        if (sigaction(number, nullptr, &now) == 0 && now.sa_handler == SIG_DFL) {
            struct sigaction ours {};
            ours.sa_handler = say;
            ours.sa_flags = static_cast<int>(SA_RESETHAND);
            sigaction(number, &ours, nullptr);
        }
    }
}

replay_on_crash::~replay_on_crash() {
    to_say.store(nullptr, std::memory_order_relaxed);
}

}  // namespace shale::test::detail
