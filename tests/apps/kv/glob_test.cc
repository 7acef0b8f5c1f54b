// The promises of apps/kv/glob.hh.
#include <gtest/gtest.h>

#include <string>

#include <shale/apps/kv/glob.hh>

namespace shale::kv {
namespace {

TEST(glob, follows_the_rules_of_redis) {
    EXPECT_TRUE(glob_match("*", ""));
    EXPECT_TRUE(glob_match("a*c", "abbbc"));
    EXPECT_FALSE(glob_match("a*c", "abbb"));
    EXPECT_TRUE(glob_match("h?llo", "hello"));
    EXPECT_FALSE(glob_match("h?llo", "hllo"));
    EXPECT_TRUE(glob_match("h[ae]llo", "hallo"));
    EXPECT_FALSE(glob_match("h[^e]llo", "hello"));
    EXPECT_TRUE(glob_match("h[a-c]llo", "hbllo"));
    EXPECT_TRUE(glob_match("h[c-a]llo", "hbllo"));
    EXPECT_TRUE(glob_match("h\\*llo", "h*llo"));
    EXPECT_FALSE(glob_match("h\\*llo", "hxllo"));
    EXPECT_FALSE(glob_match("abc", "ab"));
    EXPECT_FALSE(glob_match("ab", "abc"));
    EXPECT_TRUE(glob_match("HeLLo", "hEllO", true));
    EXPECT_FALSE(glob_match("HeLLo", "hEllO", false));
}

TEST(glob, takes_time_in_proportion_to_the_lengths_only) {
    std::string pattern;
    for (int i = 0; i < 50; ++i) {
        pattern += "a*";
    }
    EXPECT_FALSE(glob_match(pattern + "b", std::string(2000, 'a')));
}

}  // namespace
}  // namespace shale::kv
