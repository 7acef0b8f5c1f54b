// Which shard owns a key: the Redis Cluster slot of the key, and a map from slots to shards.
//
// A slot is CRC16 (XMODEM: polynomial 0x1021, no reflection, start 0) of the key modulo 16384, or of the part between
// the first `{` and the next `}` when that part is not empty (Redis Cluster specification, "Hash tags"). Each of N
// shards owns one contiguous range of slots, so that a shard can be shown to clients as a cluster node of its own.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>

namespace shale::kv {

inline constexpr unsigned slot_count = 16384;

namespace detail {

// Four tables for four bytes a step: row k is the CRC of a byte followed by k zero bytes.
constexpr std::array<std::array<std::uint16_t, 256>, 4> make_crc16_tables() {
    std::array<std::array<std::uint16_t, 256>, 4> tables{};
    for (unsigned byte = 0; byte < 256; ++byte) {
        unsigned crc = byte << 8;
        for (int bit = 0; bit < 8; ++bit) {
            crc = (crc & 0x8000u) != 0 ? (crc << 1) ^ 0x1021u : crc << 1;
        }
        tables[0][byte] = static_cast<std::uint16_t>(crc);
    }
    for (unsigned row = 1; row < 4; ++row) {
        for (unsigned byte = 0; byte < 256; ++byte) {
            const unsigned crc = tables[row - 1][byte];
            tables[row][byte] = static_cast<std::uint16_t>((crc << 8) ^ tables[0][(crc >> 8) & 0xff]);
        }
    }
    return tables;
}

inline constexpr auto crc16_tables = make_crc16_tables();

}  // namespace detail

constexpr std::uint16_t crc16(std::string_view data) noexcept {
    const auto byte = [&](std::size_t at) { return static_cast<unsigned char>(data[at]); };
    const auto& table = detail::crc16_tables;
    unsigned crc = 0;
    std::size_t i = 0;
    for (; i + 4 <= data.size(); i += 4) {
        crc = table[3][byte(i) ^ (crc >> 8)] ^ table[2][byte(i + 1) ^ (crc & 0xff)] ^ table[1][byte(i + 2)] ^
              table[0][byte(i + 3)];
    }
    for (; i < data.size(); ++i) {
        crc = ((crc << 8) & 0xffff) ^ table[0][(crc >> 8) ^ byte(i)];
    }
    return static_cast<std::uint16_t>(crc);
}

/// The part of the key that is hashed.
constexpr std::string_view hash_tag(std::string_view key) noexcept {
    const std::size_t open = key.find('{');
    if (open == std::string_view::npos) {
        return key;
    }
    const std::size_t close = key.find('}', open + 1);
    if (close == std::string_view::npos || close == open + 1) {
        return key;
    }
    return key.substr(open + 1, close - open - 1);
}

constexpr unsigned key_slot(std::string_view key) noexcept {
    return crc16(hash_tag(key)) % slot_count;
}

/// Slots to shards: shard i of n owns the slots [first(i), first(i + 1)); sizes differ by one at most.
class slot_map {
public:
    constexpr explicit slot_map(unsigned shards) noexcept : shards_(shards) {}

    constexpr unsigned shards() const noexcept { return shards_; }
    constexpr unsigned shard_of_slot(unsigned slot) const noexcept { return slot * shards_ / slot_count; }
    constexpr unsigned shard_of(std::string_view key) const noexcept {
        return shards_ == 1 ? 0 : shard_of_slot(key_slot(key));
    }
    constexpr unsigned first(unsigned shard) const noexcept { return (shard * slot_count + shards_ - 1) / shards_; }

private:
    unsigned shards_;
};

}  // namespace shale::kv
