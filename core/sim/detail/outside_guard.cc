// See outside_guard.hh.
#include "outside_guard.hh"

#include <execinfo.h>
#include <link.h>
#include <sys/auxv.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <csignal>
#include <cstdint>
#include <cstring>
#include <iterator>

#include "../../base/assert.hh"

#ifndef PR_SET_SYSCALL_USER_DISPATCH  // Linux 5.11, newer than some headers
#define PR_SET_SYSCALL_USER_DISPATCH 59
#define PR_SYS_DISPATCH_OFF 0
#define PR_SYS_DISPATCH_ON 1
#endif

namespace shale::sim::detail {

#if defined(__x86_64__) && !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)

namespace {

constexpr char allow = 0;
constexpr char block = 1;

// One simulation at a time uses it; the kernel reads `gate` at each system call of the guarded thread. Everything here
// is that thread's own: relaxed suffices, and who finds another thread in `guarded` leaves all of it alone.
std::atomic<char> gate{allow};
std::atomic<pid_t> guarded{0};  ///< the thread, or 0
struct sigaction old_segv;
struct sigaction old_sys;

/// The kernel's code in each process that reads clocks without a system call.
struct vdso {
    std::uintptr_t begin = 0;
    std::size_t size = 0;

    /// The whole of it, or the kernel refuses to protect it: an ELF image, which ends with its section headers.
    static vdso find() noexcept {
        const std::uintptr_t begin = getauxval(AT_SYSINFO_EHDR);
        if (begin == 0) {
            return {};
        }
        const auto& header = *reinterpret_cast<const ElfW(Ehdr)*>(begin);
        const std::size_t size = header.e_shoff + std::size_t{header.e_shnum} * header.e_shentsize;
        const auto page = static_cast<std::size_t>(sysconf(_SC_PAGESIZE));
        return {begin, (size + page - 1) / page * page};
    }
    bool contains(std::uintptr_t address) const noexcept { return address - begin < size; }
    void protect(int how) const noexcept {
        if (size > 0) {
            (void)::mprotect(reinterpret_cast<void*>(begin), size, how);
        }
    }
};
vdso clocks;

struct forbidden {
    long number;
    const char* name;
    const char* what;
};

constexpr forbidden forbidden_calls[] = {
    {SYS_clock_gettime, "clock_gettime", "a real clock"},
    {SYS_gettimeofday, "gettimeofday", "a real clock"},
    {SYS_time, "time", "a real clock"},
    {SYS_nanosleep, "nanosleep", "real waiting"},
    {SYS_clock_nanosleep, "clock_nanosleep", "real waiting"},
    {SYS_poll, "poll", "real waiting"},
    {SYS_select, "select", "real waiting"},
    {SYS_epoll_wait, "epoll_wait", "real waiting"},
    {SYS_epoll_pwait, "epoll_pwait", "real waiting"},
    {SYS_epoll_create1, "epoll_create1", "real descriptors"},
    {SYS_timerfd_create, "timerfd_create", "real descriptors"},
    {SYS_eventfd2, "eventfd2", "real descriptors"},
    {SYS_getrandom, "getrandom", "real entropy"},
    {SYS_clone, "clone", "a thread or process"},
    {SYS_clone3, "clone3", "a thread or process"},
    {SYS_fork, "fork", "a process"},
    {SYS_vfork, "vfork", "a process"},
    {SYS_execve, "execve", "a process"},
    {SYS_io_setup, "io_setup", "the real disk"},
    {SYS_io_submit, "io_submit", "the real disk"},
    {SYS_open, "open", "a real file"},
    {SYS_openat, "openat", "a real file"},
    {SYS_stat, "stat", "a real file"},
    {SYS_statx, "statx", "a real file"},
    {SYS_statfs, "statfs", "a real file"},
    {SYS_rename, "rename", "a real file"},
    {SYS_unlink, "unlink", "a real file"},
    {SYS_mkdir, "mkdir", "a real file"},
    {SYS_flock, "flock", "a real file"},
    {SYS_socket, "socket", "the real network"},
    {SYS_connect, "connect", "the real network"},
    {SYS_accept4, "accept4", "the real network"},
};

[[noreturn]] void refuse(const char* call, const char* what) noexcept {
    clocks.protect(PROT_READ | PROT_EXEC);  // for what reports it
    shale::detail::assert_failed_with(
        __FILE__, __LINE__, "nothing real in a simulated run",
        "it called {}: {} must not reach it; ask the shard (core/shard/platform.hh) instead", call, what);
}

long raw_call(const greg_t* of) noexcept {
    register long r10 asm("r10") = of[REG_R10];
    register long r8 asm("r8") = of[REG_R8];
    register long r9 asm("r9") = of[REG_R9];
    long result = of[REG_RAX];
    asm volatile("syscall"
                 : "+a"(result)
                 : "D"(of[REG_RDI]), "S"(of[REG_RSI]), "d"(of[REG_RDX]), "r"(r10), "r"(r8), "r"(r9)
                 : "rcx", "r11", "memory");
    return result;
}

void on_call(int, siginfo_t* about, void* context) {
    gate.store(allow, std::memory_order_relaxed);
    const int error = errno;
    const auto at = std::ranges::find(forbidden_calls, about->si_syscall,
                                      [](const forbidden& f) { return static_cast<int>(f.number); });
    if (at != std::end(forbidden_calls)) {
        refuse(at->name, at->what);
    }
    greg_t* const registers = static_cast<ucontext_t*>(context)->uc_mcontext.gregs;
    registers[REG_RAX] = raw_call(registers);
    errno = error;
    gate.store(block, std::memory_order_relaxed);
}

void on_fault(int signal, siginfo_t* about, void*) {
    if (clocks.contains(reinterpret_cast<std::uintptr_t>(about->si_addr)) && about->si_code > 0) {
        gate.store(allow, std::memory_order_relaxed);
        if (gettid() == guarded.load(std::memory_order_relaxed)) {
            refuse("for the time", "a real clock");
        }
        clocks.protect(PROT_READ | PROT_EXEC);  // another thread's, which may
        return;
    }
    gate.store(allow, std::memory_order_relaxed);
    sigaction(signal, &old_segv, nullptr);
    if (about->si_code <= 0) {
        ::raise(signal);  // it was sent; any other happens again
    }
}

/// Where a signal handler returns to; its system call must get through.
unsigned long restorer() noexcept {
    struct {
        void* handler;
        unsigned long flags;
        void* restorer;
        unsigned long mask;
    } installed{};
    return syscall(SYS_rt_sigaction, SIGSYS, nullptr, &installed, sizeof installed.mask) == 0
               ? reinterpret_cast<unsigned long>(installed.restorer)
               : 0;
}

bool begin() noexcept {
    void* frame = nullptr;
    ::backtrace(&frame, 1);  // loads its library, which it could not do later
    if (clocks.size == 0) {
        clocks = vdso::find();
    }
    struct sigaction ours {};
    ours.sa_flags = SA_SIGINFO | SA_NODEFER;
    ours.sa_sigaction = &on_call;
    sigaction(SIGSYS, &ours, &old_sys);
    ours.sa_sigaction = &on_fault;
    sigaction(SIGSEGV, &ours, &old_segv);
    constexpr unsigned long length = 16;
    if (prctl(PR_SET_SYSCALL_USER_DISPATCH, PR_SYS_DISPATCH_ON, restorer(), length, &gate) != 0) {
        sigaction(SIGSEGV, &old_segv, nullptr);
        sigaction(SIGSYS, &old_sys, nullptr);
        return false;
    }
    clocks.protect(PROT_NONE);
    gate.store(block, std::memory_order_relaxed);
    return true;
}

void end() noexcept {
    gate.store(allow, std::memory_order_relaxed);
    clocks.protect(PROT_READ | PROT_EXEC);
    prctl(PR_SET_SYSCALL_USER_DISPATCH, PR_SYS_DISPATCH_OFF, 0, 0, 0);
    sigaction(SIGSEGV, &old_segv, nullptr);
    sigaction(SIGSYS, &old_sys, nullptr);
}

}  // namespace

outside_guard::outside_guard() noexcept {
    pid_t nobody = 0;
    outermost_ = guarded.compare_exchange_strong(nobody, gettid(), std::memory_order_relaxed);
    if (outermost_ && !begin()) {
        outermost_ = false;
        guarded.store(0, std::memory_order_relaxed);
    }
}

outside_guard::~outside_guard() {
    if (outermost_) {
        end();
        guarded.store(0, std::memory_order_relaxed);
    }
}

bool outside_guard::works() noexcept {
    const outside_guard tried;
    return tried.outermost_;
}

#else

outside_guard::outside_guard() noexcept = default;
outside_guard::~outside_guard() = default;
bool outside_guard::works() noexcept {
    return false;
}

#endif

}  // namespace shale::sim::detail
