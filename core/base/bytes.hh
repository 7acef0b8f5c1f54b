// Numbers in byte order, and bytes for people to read.
//
// Formats on disk and on the wire say their byte order where they are written: load_le, store_be and the like work at
// any address, aligned or not, and compile to one instruction (and a swap). They do not check bounds: a codec checks
// once for a whole header, then loads. hex() is for messages, from_hex() for tests and configuration.
#pragma once

#include <bit>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace shale {

static_assert(std::endian::native == std::endian::little, "only little-endian machines are supported");

template <std::unsigned_integral T>
constexpr T byte_swap(T value) noexcept {
    if constexpr (sizeof(T) == 1) {
        return value;
    } else if constexpr (sizeof(T) == 2) {
        return __builtin_bswap16(value);
    } else if constexpr (sizeof(T) == 4) {
        return __builtin_bswap32(value);
    } else {
        static_assert(sizeof(T) == 8);
        return __builtin_bswap64(value);
    }
}

/// The little-endian number at `from`, which needs sizeof(T) readable bytes and no alignment.
template <std::unsigned_integral T>
T load_le(const void* from) noexcept {
    T value;
    std::memcpy(&value, from, sizeof(T));
    return value;
}

template <std::unsigned_integral T>
T load_be(const void* from) noexcept {
    return byte_swap(load_le<T>(from));
}

/// Writes sizeof(T) bytes at `to`. The type is to be named: a format's field has a width, an expression happens to.
template <std::unsigned_integral T>
void store_le(void* to, std::type_identity_t<T> value) noexcept {
    std::memcpy(to, &value, sizeof(T));
}

template <std::unsigned_integral T>
void store_be(void* to, std::type_identity_t<T> value) noexcept {
    store_le<T>(to, byte_swap<T>(value));
}

/// The bytes of a string, without copying.
inline std::span<const std::byte> as_bytes(std::string_view text) noexcept {
    return std::as_bytes(std::span(text.data(), text.size()));
}

inline std::string_view as_text(std::span<const std::byte> bytes) noexcept {
    return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

/// Lower-case hexadecimal, two digits a byte.
std::string hex(std::span<const std::byte> bytes);

/// The bytes that `digits` spells in either case, or nothing when their number is odd or one is no digit.
std::optional<std::vector<std::byte>> from_hex(std::string_view digits);

}  // namespace shale
