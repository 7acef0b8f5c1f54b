// ISA-L's crc32_iscsi leaves out the inversions before and after, and takes its length as an int.
#include "crc32c.hh"

#include <isa-l/crc.h>

#include <algorithm>

namespace shale {

std::uint32_t crc32c(std::span<const std::byte> data, std::uint32_t seed) noexcept {
    constexpr std::size_t chunk_max = std::size_t{1} << 30;
    std::uint32_t crc = ~seed;
    while (!data.empty()) {
        const std::size_t size = std::min(data.size(), chunk_max);
        // The library only reads; its prototype forgot the const.
        auto* begin = reinterpret_cast<unsigned char*>(const_cast<std::byte*>(data.data()));
        crc = crc32_iscsi(begin, static_cast<int>(size), crc);
        data = data.subspan(size);
    }
    return ~crc;
}

}  // namespace shale
