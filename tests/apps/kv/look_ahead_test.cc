// The glance at commands to come: it finds their keys, stays inside what it is given, and stops at all it does not
// know.
#include <gtest/gtest.h>

#include <array>
#include <string>
#include <vector>

#include <shale/apps/kv/look_ahead.hh>

namespace shale::kv {
namespace {

std::vector<std::string> keys_of(std::string_view input) {
    std::array<std::string_view, glance_max> keys;
    const std::size_t count = glance(input, keys);
    return {keys.begin(), keys.begin() + static_cast<std::ptrdiff_t>(count)};
}

using strings = std::vector<std::string>;

TEST(look_ahead, finds_the_keys_of_whole_commands) {
    EXPECT_EQ(keys_of("*2\r\n$3\r\nGET\r\n$1\r\na\r\n*3\r\n$3\r\nSET\r\n$2\r\nbc\r\n$0\r\n\r\n"), (strings{"a", "bc"}));
    EXPECT_EQ(keys_of("*1\r\n$4\r\nPING\r\n*2\r\n$3\r\nGET\r\n$1\r\na\r\n"), (strings{"", "a"}));
    EXPECT_EQ(keys_of("*0\r\n"), strings{""});
}

TEST(look_ahead, leaves_out_what_is_not_whole) {
    const std::string whole = "*2\r\n$3\r\nGET\r\n$3\r\nkey\r\n";
    for (std::size_t length = 0; length < whole.size(); ++length) {
        // Of its own size, so that a look behind its end is a finding of ASan.
        const std::vector<char> part(whole.begin(), whole.begin() + static_cast<std::ptrdiff_t>(length));
        EXPECT_EQ(keys_of({part.data(), part.size()}), strings{}) << length;
        EXPECT_EQ(keys_of(whole + whole.substr(0, length)), strings{"key"}) << length;
    }
}

TEST(look_ahead, stops_at_what_it_does_not_know) {
    for (const char* odd :
         {"PING\r\n", "*\r\n", "*-1\r\n", "*x\r\n", "*1\n$4\nPING\n", "*1\r\n+OK\r\n", "*1\r\n$-1\r\n",
          "*1\r\n$9999999999999999999999\r\n", "*99999999999\r\n", "*1\r\n$999999999\r\nx\r\n"}) {
        EXPECT_EQ(keys_of(odd), strings{}) << odd;
        EXPECT_EQ(keys_of(std::string("*2\r\n$3\r\nGET\r\n$1\r\na\r\n") + odd), strings{"a"}) << odd;
    }
}

TEST(look_ahead, does_not_walk_through_long_commands) {
    std::string command = "*17\r\n$4\r\nMGET\r\n";
    for (int i = 0; i < 16; ++i) {
        command += "$1\r\nk\r\n";
    }
    EXPECT_EQ(keys_of(command), strings{});
}

TEST(look_ahead, takes_no_more_than_asked) {
    std::string commands;
    for (std::size_t i = 0; i < 2 * glance_max; ++i) {
        commands += "*2\r\n$3\r\nGET\r\n$1\r\na\r\n";
    }
    EXPECT_EQ(keys_of(commands).size(), glance_max);
}

}  // namespace
}  // namespace shale::kv
