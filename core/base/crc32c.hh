// CRC-32C (Castagnoli), the checksum of records on disk: what iSCSI, ext4 and SSE 4.2 use. Intel's ISA-L does the
// work (about 20 GB/s where the processor has carry-less multiplication, a table elsewhere).
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

namespace shale {

/// The checksum of `data`, or of what `seed` is the checksum of followed by `data`:
/// crc32c(b, crc32c(a)) == crc32c(ab). The checksum of nothing is 0.
std::uint32_t crc32c(std::span<const std::byte> data, std::uint32_t seed = 0) noexcept;

}  // namespace shale
