// Rounding to powers of two, for buffers, file offsets and rings. The alignment must be a power of two, which is
// asserted in debug builds only, because these stand on the hot path of every direct read and write.
#pragma once

#include "assert.hh"

#include <bit>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <type_traits>

namespace shale {

template <std::unsigned_integral T>
constexpr bool is_power_of_two(T value) noexcept {
    return std::has_single_bit(value);
}

/// The largest multiple of `alignment` that is not above `value`.
template <std::unsigned_integral T>
constexpr T align_down(T value, std::type_identity_t<T> alignment) noexcept {
    SHALE_DEBUG_ASSERT(is_power_of_two(alignment), "alignment is {}", alignment);
    return static_cast<T>(value & ~static_cast<T>(alignment - 1));
}

/// The smallest multiple of `alignment` that is not below `value`, which must exist: `value + alignment - 1` fits in T.
template <std::unsigned_integral T>
constexpr T align_up(T value, std::type_identity_t<T> alignment) noexcept {
    SHALE_DEBUG_ASSERT(is_power_of_two(alignment), "alignment is {}", alignment);
    SHALE_DEBUG_ASSERT(static_cast<T>(value + (alignment - 1)) >= value, "value is {}", value);
    return static_cast<T>(static_cast<T>(value + (alignment - 1)) & ~static_cast<T>(alignment - 1));
}

template <std::unsigned_integral T>
constexpr bool is_aligned(T value, std::type_identity_t<T> alignment) noexcept {
    SHALE_DEBUG_ASSERT(is_power_of_two(alignment), "alignment is {}", alignment);
    return (value & static_cast<T>(alignment - 1)) == 0;
}

inline bool is_aligned(const void* address, std::size_t alignment) noexcept {
    return is_aligned(reinterpret_cast<std::uintptr_t>(address), alignment);
}

}  // namespace shale
