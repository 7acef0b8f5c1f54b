// The promises of apps/kv/reply_parser.hh.
#include <gtest/gtest.h>

#include <shale/apps/kv/reply_parser.hh>

namespace shale::kv {
namespace {

using type = reply_value::type;

TEST(reply_parser, gives_the_same_replies_however_the_stream_is_cut) {
    const std::string stream =
        "+OK\r\n:-7\r\n$5\r\na\r\nb!\r\n$-1\r\n*3\r\n$1\r\nx\r\n$-1\r\n*1\r\n:2\r\n-ERR no\r\n$0\r\n\r\n";
    for (std::size_t piece = 1; piece <= stream.size(); ++piece) {
        reply_parser parser;
        std::vector<reply_value> got;
        for (std::size_t at = 0; at < stream.size(); at += piece) {
            parser.feed(std::string_view(stream).substr(at, piece));
            while (auto one = parser.next()) {
                got.push_back(std::move(*one));
            }
        }
        ASSERT_EQ(got.size(), 7U) << "pieces of " << piece;
        EXPECT_EQ(got[0].what, type::simple);
        EXPECT_EQ(got[0].text, "OK");
        EXPECT_EQ(got[1].number, -7);
        EXPECT_EQ(got[2].text, "a\r\nb!");
        EXPECT_EQ(got[3].what, type::null);
        ASSERT_EQ(got[4].items.size(), 3U);
        EXPECT_EQ(got[4].items[0].text, "x");
        EXPECT_EQ(got[4].items[1].what, type::null);
        EXPECT_EQ(got[4].items[2].items.front().number, 2);
        EXPECT_EQ(got[5].what, type::error);
        EXPECT_EQ(got[5].text, "ERR no");
        EXPECT_EQ(got[6].what, type::bulk);
        EXPECT_EQ(got[6].text, "");
        EXPECT_EQ(parser.left(), 0U);
    }
}

TEST(reply_parser, refuses_what_is_no_reply) {
    for (const char* const bad : {"hello\r\n", "$x\r\n", "$3\r\nabcd\r\n", ":1 \r\n", "*-2\r\n", "$-2\r\n"}) {
        reply_parser parser;
        parser.feed(bad);
        EXPECT_THROW(parser.next(), malformed_reply) << bad;
    }
}

}  // namespace
}  // namespace shale::kv
