// The promises of apps/kv/number.hh.
#include <gtest/gtest.h>

#include <cstdint>
#include <limits>
#include <string>

#include <shale/apps/kv/number.hh>

namespace shale::kv {
namespace {

std::string printed(std::string_view text) {
    char space[float_text_max];
    return std::string(format_float(*parse_float(text), space));
}

TEST(number, reads_integers_in_their_one_spelling_only) {
    EXPECT_EQ(parse_integer("0"), 0);
    EXPECT_EQ(parse_integer("-1"), -1);
    EXPECT_EQ(parse_integer("9223372036854775807"), std::numeric_limits<std::int64_t>::max());
    EXPECT_EQ(parse_integer("-9223372036854775808"), std::numeric_limits<std::int64_t>::min());
    for (const char* const wrong : {"", "-", "+1", " 1", "1 ", "01", "-0", "-01", "1.0", "0x1", "9223372036854775808",
                                    "-9223372036854775809", "99999999999999999999", "12a", "18446744073709551616"}) {
        EXPECT_FALSE(parse_integer(wrong)) << wrong;
    }
}

TEST(number, writes_what_it_reads) {
    for (const std::int64_t value : {std::int64_t{0}, std::int64_t{-7}, std::numeric_limits<std::int64_t>::min(),
                                     std::numeric_limits<std::int64_t>::max()}) {
        char space[integer_text_max];
        EXPECT_EQ(parse_integer(format_integer(value, space)), value);
    }
}

TEST(number, reads_floats_whole_and_without_leading_space) {
    EXPECT_EQ(parse_float("1.5"), 1.5L);
    EXPECT_EQ(parse_float("-3e2"), -300.0L);
    EXPECT_EQ(parse_float("0x10"), 16.0L);
    EXPECT_TRUE(parse_float("inf"));
    for (const char* const wrong : {"", " 1", "1 ", "abc", "nan", "1.5x", "\t1", "1e99999"}) {
        EXPECT_FALSE(parse_float(wrong)) << wrong;
    }
    EXPECT_FALSE(parse_float(std::string(6000, '1')));
    EXPECT_FALSE(parse_float(std::string_view("1\0", 2)));
}

TEST(number, prints_floats_without_exponent_and_trailing_zeros) {
    EXPECT_EQ(printed("3.0"), "3");
    EXPECT_EQ(printed("5e3"), "5000");
    EXPECT_EQ(printed("10.6"), "10.6");
    EXPECT_EQ(printed("-0.0"), "0");
    EXPECT_EQ(printed("100"), "100");
    EXPECT_EQ(printed("1e-3"), "0.001");
}

}  // namespace
}  // namespace shale::kv
