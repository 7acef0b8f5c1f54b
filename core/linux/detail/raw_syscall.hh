// System calls that return -errno and are no cancellation points.
//
// The C library's recv, send and epoll_wait store errno in a thread-local and, in a program with threads, bracket the
// call with two atomic operations for pthread_cancel; measured in a Seastar echo that is 1 to 1.5 % of the server.
// On processors not named here the C library's syscall() does the same job.
#pragma once

#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <type_traits>

namespace shale::detail {

template <class T>
long as_register(T value) noexcept {
    if constexpr (std::is_pointer_v<T> || std::is_null_pointer_v<T>) {
        return reinterpret_cast<long>(static_cast<const volatile void*>(value));
    } else {
        return static_cast<long>(value);
    }
}

#if defined(__x86_64__)
inline long system_call_6(long number, long a, long b, long c, long d, long e, long f) noexcept {
    long result = number;
    register long r10 asm("r10") = d;
    register long r8 asm("r8") = e;
    register long r9 asm("r9") = f;
    asm volatile("syscall"
                 : "+a"(result)
                 : "D"(a), "S"(b), "d"(c), "r"(r10), "r"(r8), "r"(r9)
                 : "rcx", "r11", "memory", "cc");
    return result;
}
#else
inline long system_call_6(long number, long a, long b, long c, long d, long e, long f) noexcept {
    const long result = ::syscall(number, a, b, c, d, e, f);
    return result < 0 ? -errno : result;
}
#endif

/// system_call(SYS_recvfrom, fd, data, size, flags): the result, or -errno.
template <class... Args>
requires(sizeof...(Args) <= 6) long system_call(long number, Args... args) noexcept {
    const long all[6] = {as_register(args)...};
    return system_call_6(number, all[0], all[1], all[2], all[3], all[4], all[5]);
}

}  // namespace shale::detail
