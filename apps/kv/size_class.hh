// Record sizes rounded to 64 classes, so that six bits in an index slot say how much to read.
//
// Class 0 is 64 bytes, class 63 is 128 MiB, three classes double the size: the slack of one read is at most 27 %
// (and none at all for records under a few KiB, once the read is rounded to the blocks of the disk). A record longer
// than the last class has none; the limits on keys and values keep it from existing.
#pragma once

#include <bit>
#include <cstdint>

namespace shale::kv {

inline constexpr unsigned size_class_count = 64;

/// The most bytes a record of this class has.
constexpr std::uint64_t size_of_class(unsigned size_class) noexcept {
    constexpr std::uint64_t thirds[3] = {1024, 1290, 1625};  // 1024 * 2^(i/3)
    return (std::uint64_t{64} << (size_class / 3)) * thirds[size_class % 3] / 1024;
}

inline constexpr std::uint64_t largest_record = size_of_class(size_class_count - 1);

/// The smallest class that holds `bytes`, which is at most largest_record.
constexpr unsigned size_class_of(std::uint64_t bytes) noexcept {
    if (bytes <= 64) {
        return 0;
    }
    unsigned size_class = 3 * (static_cast<unsigned>(std::bit_width(bytes - 1)) - 7);
    while (size_of_class(size_class) < bytes) {
        ++size_class;
    }
    return size_class;
}

static_assert(largest_record == 128u << 20);

}  // namespace shale::kv
