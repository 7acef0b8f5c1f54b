// Assertions that are always on. A false one is a programmer's error: the process says where, what, with which values,
// on which shard and when, prints a backtrace and aborts. Environment problems are not assertions but errors.
//
// The header is light on purpose (fmt's core, no formatting code): the checks are inlined, everything else stands in
// assert.cc. Format strings are checked at compile time; arguments are only evaluated when the condition is false.
// An assertion must not have side effects, and its message names the values, not the condition again.
#pragma once

#include <fmt/core.h>

namespace shale::detail {

/// Prints one report to stderr and aborts. Allocates as little as formatting needs; takes no lock.
[[noreturn, gnu::cold, gnu::noinline]] void assert_failed(const char* file, int line, const char* condition,
                                                          fmt::string_view format, fmt::format_args args) noexcept;

template <class... Args>
[[noreturn, gnu::cold, gnu::noinline]] void assert_failed_with(const char* file, int line, const char* condition,
                                                               fmt::format_string<Args...> format,
                                                               Args&&... args) noexcept {
    assert_failed(file, line, condition, format, fmt::make_format_args(args...));
}

[[noreturn, gnu::cold, gnu::noinline]] inline void assert_failed_with(const char* file, int line,
                                                                      const char* condition) noexcept {
    assert_failed(file, line, condition, {}, {});
}

}  // namespace shale::detail

/// SHALE_ASSERT(cond) or SHALE_ASSERT(cond, "size is {} of {}", size, capacity). On in every build.
#define SHALE_ASSERT(cond, ...)                                                                        \
    do {                                                                                               \
        if (!(cond)) [[unlikely]] {                                                                    \
            ::shale::detail::assert_failed_with(__FILE__, __LINE__, #cond __VA_OPT__(, ) __VA_ARGS__); \
        }                                                                                              \
    } while (false)

/// SHALE_UNREACHABLE("kind is {}", kind): reports and aborts when control comes here.
#define SHALE_UNREACHABLE(...) \
    ::shale::detail::assert_failed_with(__FILE__, __LINE__, "unreachable" __VA_OPT__(, ) __VA_ARGS__)

/// An assertion too dear for release builds: on where CMake defines SHALE_DEBUG (debug and sanitizer builds). Off, its
/// arguments are still compiled, so they cannot rot, but never evaluated.
#ifdef SHALE_DEBUG
#define SHALE_DEBUG_ASSERT(cond, ...) SHALE_ASSERT(cond __VA_OPT__(, ) __VA_ARGS__)
#else
#define SHALE_DEBUG_ASSERT(cond, ...)                      \
    do {                                                   \
        if (false) {                                       \
            SHALE_ASSERT(cond __VA_OPT__(, ) __VA_ARGS__); \
        }                                                  \
    } while (false)
#endif
