// While it is there, whatever on this thread would read a real clock, draw real entropy, start a thread, wait, or touch
// a real file or socket stops the process with a line and a backtrace: a simulated run must not know of them.
//
// The kernel does the work: system calls are dispatched to us (PR_SET_SYSCALL_USER_DISPATCH), and its code that reads
// clocks without one (the vDSO) is taken out of reach. It costs nothing when off. Allocating and printing goes on as
// ever, if slower. Where the kernel has no such thing, and under sanitizers, whose runtimes do what they like, nothing
// is guarded: see works(). Not seen: a program's own rdtsc.
#pragma once

namespace shale::sim::detail {

class outside_guard {
public:
    outside_guard() noexcept;
    outside_guard(const outside_guard&) = delete;
    outside_guard& operator=(const outside_guard&) = delete;
    ~outside_guard();

    /// Whether this machine can.
    static bool works() noexcept;

private:
    bool outermost_ = false;
};

}  // namespace shale::sim::detail
