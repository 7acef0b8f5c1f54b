// Numbers to bytes and back, and their checksums. Nothing here suspends or allocates.
#include "log_format.hh"

#include <cstring>

#include "../../core/base/bytes.hh"
#include "../../core/base/crc32c.hh"

namespace shale::detail {

namespace {

constexpr std::string_view magic = "shalelog";
constexpr std::uint32_t format_version = 1;
constexpr std::uint32_t flag_closes_log = 1;

std::uint32_t block_seed(std::uint32_t seed, std::uint64_t position) noexcept {
    return seed ^ static_cast<std::uint32_t>(position / log_block);
}

std::uint32_t record_seed(std::uint32_t seed, std::uint64_t position) noexcept {
    return seed ^ static_cast<std::uint32_t>(position / log_unit);
}

}  // namespace

std::uint32_t segment_header::seed() const noexcept {
    std::array<std::byte, 16> both;
    store_le<std::uint64_t>(both.data(), id);
    store_le<std::uint64_t>(both.data() + 8, nonce);
    return crc32c(both);
}

void encode(const segment_header& header, std::span<std::byte, log_block> to) noexcept {
    std::memset(to.data(), 0, to.size());
    std::memcpy(to.data(), magic.data(), magic.size());
    store_le<std::uint32_t>(&to[8], format_version);
    store_le<std::uint64_t>(&to[16], header.id);
    store_le<std::uint64_t>(&to[24], header.nonce);
    store_le<std::uint64_t>(&to[32], header.size);
    store_le<std::uint64_t>(&to[40], header.epoch);
    store_le<std::uint32_t>(&to[48], header.shard);
    store_le<std::uint32_t>(&to[52], header.shards);
    store_le<std::uint32_t>(&to[12], crc32c(to.subspan(16)));
}

std::expected<segment_header, std::string_view> decode_segment(std::span<const std::byte, log_block> from) noexcept {
    if (as_text(from.first(magic.size())) != magic) {
        return std::unexpected("it does not begin like a segment");
    }
    if (load_le<std::uint32_t>(&from[8]) != format_version) {
        return std::unexpected("it has a format version that this program does not know");
    }
    if (load_le<std::uint32_t>(&from[12]) != crc32c(from.subspan(16))) {
        return std::unexpected("its header has a wrong checksum");
    }
    segment_header header;
    header.id = load_le<std::uint64_t>(&from[16]);
    header.nonce = load_le<std::uint64_t>(&from[24]);
    header.size = load_le<std::uint64_t>(&from[32]);
    header.epoch = load_le<std::uint64_t>(&from[40]);
    header.shard = load_le<std::uint32_t>(&from[48]);
    header.shards = load_le<std::uint32_t>(&from[52]);
    return header;
}

void seal_batch(batch_header header, std::uint32_t seed, std::uint64_t position, std::span<std::byte> bytes) noexcept {
    std::memset(bytes.data(), 0, batch_header_bytes);
    const std::uint32_t start = block_seed(seed, position);
    store_le<std::uint32_t>(&bytes[4], crc32c(bytes.subspan(batch_header_bytes), start));
    store_le<std::uint64_t>(&bytes[8], header.number);
    store_le<std::uint64_t>(&bytes[16], header.synced);
    store_le<std::uint32_t>(&bytes[24], static_cast<std::uint32_t>(bytes.size()));
    store_le<std::uint32_t>(&bytes[28], header.records);
    store_le<std::uint32_t>(&bytes[32], header.closes_log ? flag_closes_log : 0);
    store_le<std::uint64_t>(&bytes[40], header.previous_segment);
    store_le<std::uint32_t>(&bytes[0], crc32c(bytes.subspan(4, batch_header_bytes - 4), start));
}

std::optional<batch_header> decode_batch(std::uint32_t seed, std::uint64_t position,
                                         std::span<const std::byte> from) noexcept {
    batch_header header;
    header.used = load_le<std::uint32_t>(&from[24]);
    // A block of zeros is the common case and needs no checksum to be none.
    if (header.used < batch_header_bytes ||
        load_le<std::uint32_t>(&from[0]) !=
            crc32c(from.subspan(4, batch_header_bytes - 4), block_seed(seed, position))) {
        return std::nullopt;
    }
    header.content_crc = load_le<std::uint32_t>(&from[4]);
    header.number = load_le<std::uint64_t>(&from[8]);
    header.synced = load_le<std::uint64_t>(&from[16]);
    header.records = load_le<std::uint32_t>(&from[28]);
    header.closes_log = (load_le<std::uint32_t>(&from[32]) & flag_closes_log) != 0;
    header.previous_segment = load_le<std::uint64_t>(&from[40]);
    return header;
}

bool batch_is_whole(const batch_header& header, std::uint32_t seed, std::uint64_t position,
                    std::span<const std::byte> bytes) noexcept {
    return bytes.size() >= header.used && crc32c(bytes.subspan(batch_header_bytes, header.used - batch_header_bytes),
                                                 block_seed(seed, position)) == header.content_crc;
}

void encode_record(std::uint64_t sequence, std::uint32_t tag, std::span<const std::span<const std::byte>> parts,
                   std::uint32_t seed, std::uint64_t position, std::byte* to) noexcept {
    std::byte* end = to + record_header_bytes;
    for (const auto& part : parts) {
        if (!part.empty()) {
            std::memcpy(end, part.data(), part.size());
            end += part.size();
        }
    }
    store_le<std::uint32_t>(to + 4, static_cast<std::uint32_t>(end - to - record_header_bytes));
    store_le<std::uint64_t>(to + 8, sequence);
    store_le<std::uint32_t>(to + 16, tag);
    store_le<std::uint32_t>(to, crc32c(std::span(to + 4, end), record_seed(seed, position)));
}

void reseal_records(std::uint32_t seed, std::uint64_t position, std::span<std::byte> batch) noexcept {
    for (std::size_t at = batch_header_bytes; at + record_header_bytes <= batch.size();) {
        const std::uint64_t length = load_le<std::uint32_t>(&batch[at + 4]);
        const auto covered = batch.subspan(at + 4, record_header_bytes - 4 + length);
        store_le<std::uint32_t>(&batch[at], crc32c(covered, record_seed(seed, position + at)));
        at += record_bytes(length);
    }
}

record_header peek_record(std::span<const std::byte> from) noexcept {
    return {load_le<std::uint32_t>(&from[4]), load_le<std::uint64_t>(&from[8]), load_le<std::uint32_t>(&from[16])};
}

bool record_is_whole(std::uint32_t seed, std::uint64_t position, std::span<const std::byte> record) noexcept {
    return record.size() >= record_header_bytes &&
           load_le<std::uint32_t>(&record[0]) == crc32c(record.subspan(4), record_seed(seed, position));
}

}  // namespace shale::detail
