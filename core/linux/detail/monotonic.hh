// The kernel's monotonic clock and its time intervals in bare nanoseconds.
#pragma once

#include <cstdint>
#include <ctime>

namespace shale::detail {

inline constexpr std::uint64_t ns_per_second = 1'000'000'000;

inline std::uint64_t monotonic_ns() noexcept {
    timespec t;
    ::clock_gettime(CLOCK_MONOTONIC, &t);
    return static_cast<std::uint64_t>(t.tv_sec) * ns_per_second + static_cast<std::uint64_t>(t.tv_nsec);
}

inline timespec to_timespec(std::uint64_t ns) noexcept {
    return {static_cast<time_t>(ns / ns_per_second), static_cast<long>(ns % ns_per_second)};
}

}  // namespace shale::detail
