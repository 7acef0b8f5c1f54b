// Byte order at any address, and hexadecimal both ways.
#include <gtest/gtest.h>

#include <shale/core/base/bytes.hh>

#include <array>

namespace {

using namespace shale;

TEST(bytes, little_endian_puts_the_low_byte_first) {
    std::array<unsigned char, 8> raw{};
    store_le<std::uint32_t>(raw.data(), 0x01020304);
    EXPECT_EQ(raw, (std::array<unsigned char, 8>{4, 3, 2, 1, 0, 0, 0, 0}));
    EXPECT_EQ(load_le<std::uint32_t>(raw.data()), 0x01020304u);
    EXPECT_EQ(load_le<std::uint16_t>(raw.data()), 0x0304u);
}

TEST(bytes, big_endian_puts_the_high_byte_first) {
    std::array<unsigned char, 8> raw{};
    store_be<std::uint64_t>(raw.data(), 0x0102030405060708);
    EXPECT_EQ(raw, (std::array<unsigned char, 8>{1, 2, 3, 4, 5, 6, 7, 8}));
    EXPECT_EQ(load_be<std::uint64_t>(raw.data()), 0x0102030405060708u);
    EXPECT_EQ(load_be<std::uint16_t>(raw.data()), 0x0102u);
    EXPECT_EQ(load_be<std::uint8_t>(raw.data()), 1u);
}

TEST(bytes, numbers_need_no_alignment) {
    std::array<unsigned char, 16> raw{};
    for (std::size_t offset = 0; offset <= 8; ++offset) {
        store_le<std::uint64_t>(raw.data() + offset, 0xfedcba9876543210 + offset);
        EXPECT_EQ(load_le<std::uint64_t>(raw.data() + offset), 0xfedcba9876543210 + offset);
    }
}

TEST(bytes, store_writes_its_width_and_no_more) {
    std::array<unsigned char, 4> raw{9, 9, 9, 9};
    store_be<std::uint16_t>(raw.data() + 1, 0x0102);
    EXPECT_EQ(raw, (std::array<unsigned char, 4>{9, 1, 2, 9}));
}

TEST(bytes, text_and_bytes_view_the_same_memory) {
    const std::string_view text = "ab\0c";
    EXPECT_EQ(as_text(as_bytes(text)), text);
    EXPECT_TRUE(as_bytes("").empty());
}

TEST(hex, spells_bytes_in_lower_case) {
    const std::array raw{std::byte{0}, std::byte{0x0f}, std::byte{0xa0}, std::byte{0xff}};
    EXPECT_EQ(hex(raw), "000fa0ff");
    EXPECT_EQ(hex({}), "");
}

TEST(hex, reads_back_every_byte_in_either_case) {
    std::vector<std::byte> all;
    for (int i = 0; i < 256; ++i) {
        all.push_back(static_cast<std::byte>(i));
    }
    std::string digits = hex(all);
    EXPECT_EQ(from_hex(digits), all);
    for (char& c : digits) {
        c = static_cast<char>(std::toupper(c));
    }
    EXPECT_EQ(from_hex(digits), all);
}

TEST(hex, refuses_what_is_not_hexadecimal) {
    for (const char* wrong : {"0", "0g", "g0", "0x", " 0", "00 ", "@@", "``", "//", "::"}) {
        EXPECT_FALSE(from_hex(wrong).has_value()) << wrong;
    }
    EXPECT_TRUE(from_hex("")->empty());
}

}  // namespace
