// Where a request in flight is, kept in io_request::impl so that it can be cancelled without searching for it.
#pragma once

#include "../../shard/platform.hh"

namespace shale::detail {

enum class whereabouts : std::uint8_t {
    nowhere,   ///< not with the platform
    finished,  ///< waits to be reaped
    socket,    ///< parked at the descriptor `wide`
    waiting,   ///< for a slot of the AIO context
    aio,       ///< in slot `narrow` of the AIO context, in the slot's generation `wide`
    helper,    ///< queued for, or in, a helper thread
};

/// `narrow` has 28 bits.
inline void place(io_request& r, whereabouts where, std::uint32_t wide = 0, std::uint32_t narrow = 0) noexcept {
    r.impl = static_cast<std::uint64_t>(wide) << 32 | narrow << 4 | static_cast<std::uint64_t>(where);
}

inline whereabouts where(const io_request& r) noexcept {
    return static_cast<whereabouts>(r.impl & 0xf);
}

inline std::uint32_t place_wide(const io_request& r) noexcept {
    return static_cast<std::uint32_t>(r.impl >> 32);
}

inline std::uint32_t place_narrow(const io_request& r) noexcept {
    return static_cast<std::uint32_t>(r.impl) >> 4;
}

}  // namespace shale::detail
