// A stack that can be switched to and from, for the threads of the explorer. Made once and started many times; a
// fiber that is started again forgets whatever it was doing.
#pragma once

#include <cstddef>
#include <memory>

#if defined(__SANITIZE_ADDRESS__)
#define SHALE_MODEL_ASAN 1
#elif defined(__SANITIZE_THREAD__)
#define SHALE_MODEL_TSAN 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define SHALE_MODEL_ASAN 1
#elif __has_feature(thread_sanitizer)
#define SHALE_MODEL_TSAN 1
#endif
#endif

namespace shale::model {

#ifdef SHALE_MODEL_ASAN
inline constexpr bool under_address_sanitizer = true;
#else
inline constexpr bool under_address_sanitizer = false;
#endif

/// There is one real thread, so ThreadSanitizer has nothing to see here; and it loses track of our stacks.
#ifdef SHALE_MODEL_TSAN
inline constexpr bool under_thread_sanitizer = true;
#else
inline constexpr bool under_thread_sanitizer = false;
#endif

class fiber {
public:
    fiber();
    ~fiber();
    fiber(const fiber&) = delete;
    fiber& operator=(const fiber&) = delete;

    /// The next switch to this fiber enters `entry(argument)` on a fresh stack. `entry` must not return.
    void prepare(void (*entry)(void*), void* argument);

    /// Leaves `from` where it is and goes on in `to`. The thread's own stack is a fiber that was never prepared.
    static void jump(fiber& from, fiber& to);

private:
    struct state;
    std::unique_ptr<state> state_;
};

}  // namespace shale::model
