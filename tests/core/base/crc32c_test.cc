// CRC-32C against the vectors of RFC 3720 B.4 and a bitwise model.
#include <gtest/gtest.h>

#include <shale/core/base/bytes.hh>
#include <shale/core/base/crc32c.hh>
#include <shale/core/base/random.hh>

#include <vector>

namespace {

using namespace shale;

std::uint32_t bitwise_crc32c(std::span<const std::byte> data) {
    std::uint32_t crc = 0xffffffff;
    for (const std::byte b : data) {
        crc ^= std::to_integer<std::uint32_t>(b);
        for (int bit = 0; bit < 8; ++bit) {
            crc = (crc >> 1) ^ ((crc & 1) != 0 ? 0x82f63b78 : 0);
        }
    }
    return ~crc;
}

std::vector<std::byte> counting(int first, int step) {
    std::vector<std::byte> data;
    for (int i = 0; i < 32; ++i) {
        data.push_back(static_cast<std::byte>(first + i * step));
    }
    return data;
}

TEST(crc32c, gives_the_values_of_rfc_3720) {
    EXPECT_EQ(crc32c(std::vector<std::byte>(32, std::byte{0x00})), 0x8a9136aau);
    EXPECT_EQ(crc32c(std::vector<std::byte>(32, std::byte{0xff})), 0x62a8ab43u);
    EXPECT_EQ(crc32c(counting(0, 1)), 0x46dd794eu);
    EXPECT_EQ(crc32c(counting(31, -1)), 0x113fdb5cu);
    // The SCSI READ (10) command of the same appendix.
    const auto command = from_hex(
        "01c00000"
        "00000000"
        "00000000"
        "00000000"
        "14000000"
        "00000400"
        "00000014"
        "00000018"
        "28000000"
        "00000000"
        "02000000"
        "00000000");
    EXPECT_EQ(crc32c(*command), 0xd9963a56u);
    EXPECT_EQ(crc32c(as_bytes("123456789")), 0xe3069283u);
}

TEST(crc32c, of_nothing_is_zero) {
    EXPECT_EQ(crc32c({}), 0u);
}

TEST(crc32c, continues_over_any_split) {
    const std::string_view text = "The quick brown fox jumps over the lazy dog, twice over.";
    const std::uint32_t whole = crc32c(as_bytes(text));
    for (std::size_t i = 0; i <= text.size(); ++i) {
        EXPECT_EQ(crc32c(as_bytes(text.substr(i)), crc32c(as_bytes(text.substr(0, i)))), whole) << i;
    }
}

TEST(crc32c, agrees_with_the_bitwise_definition_at_all_sizes_and_alignments) {
    random_engine random(1);
    std::vector<std::byte> data(6000);
    for (std::byte& b : data) {
        b = static_cast<std::byte>(random());
    }
    for (std::size_t size = 0; size < 300; ++size) {
        const std::size_t offset = size % 17;
        const auto part = std::span<const std::byte>(data).subspan(offset, size);
        ASSERT_EQ(crc32c(part), bitwise_crc32c(part)) << size;
    }
    for (const std::size_t size : {511, 512, 1023, 1024, 3072, 4096, 5983}) {
        const auto part = std::span<const std::byte>(data).subspan(3, size);
        ASSERT_EQ(crc32c(part), bitwise_crc32c(part)) << size;
    }
}

TEST(crc32c, changes_with_every_single_bit) {
    std::vector<std::byte> data(64, std::byte{0x5a});
    const std::uint32_t whole = crc32c(data);
    for (std::size_t bit = 0; bit < data.size() * 8; ++bit) {
        data[bit / 8] ^= static_cast<std::byte>(1U << (bit % 8));
        ASSERT_NE(crc32c(data), whole);
        data[bit / 8] ^= static_cast<std::byte>(1U << (bit % 8));
    }
}

}  // namespace
