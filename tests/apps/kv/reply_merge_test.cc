// The promises of apps/kv/reply_merge.hh.
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include <shale/apps/kv/reply_merge.hh>

namespace shale::kv {
namespace {

std::string merged(merge how, std::vector<std::string_view> parts, std::vector<unsigned> order = {}) {
    output out;
    reply to(out, false);
    merge_replies(how, parts, order, to);
    return out.take_copy();
}

TEST(reply_merge, adds_integers) {
    EXPECT_EQ(merged(merge::sum, {":2\r\n", ":0\r\n", ":40\r\n"}), ":42\r\n");
}

TEST(reply_merge, puts_elements_back_into_the_order_of_the_keys) {
    EXPECT_EQ(merged(merge::interleave, {"*2\r\n$1\r\na\r\n$-1\r\n", "*1\r\n$4\r\n\r\n$1\r\n"}, {0, 1, 0}),
              "*3\r\n$1\r\na\r\n$4\r\n\r\n$1\r\n$-1\r\n");
}

TEST(reply_merge, joins_texts) {
    EXPECT_EQ(merged(merge::texts, {"$2\r\nab\r\n", "$0\r\n\r\n", "$1\r\nc\r\n"}), "$3\r\nabc\r\n");
    EXPECT_EQ(merged(merge::texts, {"=6\r\ntxt:ab\r\n", "=5\r\ntxt:c\r\n"}), "$3\r\nabc\r\n");
}

TEST(reply_merge, gives_the_error_of_any_part) {
    for (const merge how : {merge::sum, merge::interleave, merge::texts, merge::first}) {
        EXPECT_EQ(merged(how, {":1\r\n", "-ERR no\r\n"}), "-ERR no\r\n");
    }
}

TEST(reply_merge, finds_the_end_of_nested_replies) {
    const std::string nested = "*2\r\n%1\r\n+a\r\n:1\r\n~2\r\n$3\r\n\r\nx\r\n_\r\n";
    EXPECT_EQ(reply_end(nested + ":5\r\n", 0), nested.size());
    EXPECT_EQ(reply_end("*-1\r\n:5\r\n", 0), 5u);
    EXPECT_EQ(reply_end("$-1\r\n:5\r\n", 0), 5u);
}

}  // namespace
}  // namespace shale::kv
