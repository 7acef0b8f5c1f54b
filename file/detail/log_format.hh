// What a record log looks like on disk, byte by byte. All numbers are little-endian.
//
// A log is a directory of segment files, `<id in 16 hexadecimal digits>.log`. A segment is one header block of 4096
// bytes and then batches, each beginning at a multiple of 4096 and padded with zeros to the next. What comes after the
// last batch is zeros, or remains of the file's earlier life, which no checksum of this life matches.
//
//   segment header                            batch header (48 bytes)                 record (20 bytes and payload)
//    0 u64 magic "shalelog"                    0 u32 CRC of bytes 4..47                0 u32 CRC of all that follows
//    8 u32 format version, 1                   4 u32 CRC of bytes 48..used             4 u32 payload bytes
//   12 u32 CRC of bytes 16..4095               8 u64 number: counts batches by one     8 u64 sequence, the user's
//   16 u64 segment id, never used again       16 u64 synced: batches up to this one   16 u32 tag, the user's
//   24 u64 nonce, drawn anew with each id            were durable when it was made    20 payload
//   32 u64 bytes reserved for the file        24 u32 used: bytes without padding
//   40 u64 epoch of the owner                 28 u32 records                          Records begin at multiples of 16
//   48 u32 shard, 52 u32 shards               32 u32 flags: 1 = the log was closed    in the file, the first 48 bytes
//   the rest: zeros                           36 zeros                                into its batch.
//                                             40 u64 id of the segment before
//
// Every CRC is CRC-32C. That of a batch header or of a batch's content starts from seed(segment) ^ position / 4096,
// that of a record from seed(segment) ^ position / 16, where seed is the CRC of id and nonce and position the offset in
// the file: nothing read from another place, another file or another life of this file passes.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <expected>
#include <optional>
#include <span>
#include <string_view>

#include "../../core/base/align.hh"

namespace shale::detail {

inline constexpr std::size_t log_block = 4096;
inline constexpr std::uint64_t log_unit = 16;
inline constexpr std::size_t batch_header_bytes = 48;
inline constexpr std::size_t record_header_bytes = 20;

struct segment_header {
    std::uint64_t id = 0;
    std::uint64_t nonce = 0;
    std::uint64_t size = 0;
    std::uint64_t epoch = 0;
    std::uint32_t shard = 0;
    std::uint32_t shards = 0;

    std::uint32_t seed() const noexcept;
};

struct batch_header {
    std::uint32_t content_crc = 0;
    std::uint64_t number = 0;
    std::uint64_t synced = 0;
    std::uint64_t previous_segment = 0;  ///< that batches were written to before this one's; 0: none
    std::uint32_t used = 0;
    std::uint32_t records = 0;
    bool closes_log = false;

    std::uint64_t padded() const noexcept { return align_up(std::uint64_t{used}, log_block); }
};

struct record_header {
    std::uint32_t length = 0;
    std::uint64_t sequence = 0;
    std::uint32_t tag = 0;
};

/// Bytes that a record takes in a batch.
constexpr std::uint64_t record_bytes(std::uint64_t payload) noexcept {
    return align_up(record_header_bytes + payload, log_unit);
}

void encode(const segment_header& header, std::span<std::byte, log_block> to) noexcept;
/// The header, or what is wrong with it in words.
std::expected<segment_header, std::string_view> decode_segment(std::span<const std::byte, log_block> from) noexcept;

/// Writes the header of the batch `bytes` (without padding) at `position`, its content's checksum included.
void seal_batch(batch_header header, std::uint32_t seed, std::uint64_t position, std::span<std::byte> bytes) noexcept;
/// The header at the beginning of `from`, if it is one; its content is not looked at.
std::optional<batch_header> decode_batch(std::uint32_t seed, std::uint64_t position,
                                         std::span<const std::byte> from) noexcept;
/// Whether the content of the batch that begins with `bytes` is what its header says.
bool batch_is_whole(const batch_header& header, std::uint32_t seed, std::uint64_t position,
                    std::span<const std::byte> bytes) noexcept;

/// Puts a record of `parts` at `to`, which has room; `position` is its place in the file.
void encode_record(std::uint64_t sequence, std::uint32_t tag, std::span<const std::span<const std::byte>> parts,
                   std::uint32_t seed, std::uint64_t position, std::byte* to) noexcept;
/// Gives the records of a whole batch, header included, the checksums that they have at `position` of another segment.
void reseal_records(std::uint32_t seed, std::uint64_t position, std::span<std::byte> batch) noexcept;
/// The header at `from`, unchecked: `from` has at least record_header_bytes.
record_header peek_record(std::span<const std::byte> from) noexcept;
/// Whether `record`, header and payload, is what was written at `position`.
bool record_is_whole(std::uint32_t seed, std::uint64_t position, std::span<const std::byte> record) noexcept;

}  // namespace shale::detail
