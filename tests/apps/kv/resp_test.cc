// The promises of apps/kv/resp.hh.
#include <gtest/gtest.h>

#include <memory>
#include <random>
#include <string>
#include <vector>

#include <shale/apps/kv/resp.hh>

namespace shale::kv {
namespace {

using status = request_parser::status;
using command = std::vector<std::string>;

// What a stream means, with the bytes arriving as `cuts` says: each piece in a fresh place in memory, so that a view
// that was not moved along with its bytes is caught by the address sanitizer.
struct outcome {
    std::vector<command> commands;
    std::string error;
    friend bool operator==(const outcome&, const outcome&) = default;
};

outcome parse_cut(std::string_view stream, const std::vector<std::size_t>& cuts, request_limits limits = {}) {
    outcome result;
    request_parser parser(limits);
    std::unique_ptr<std::string> buffer = std::make_unique<std::string>();
    std::size_t begin = 0;
    for (const std::size_t end : cuts) {
        buffer = std::make_unique<std::string>(*buffer + std::string(stream.substr(begin, end - begin)));
        begin = end;
        while (true) {
            // A copy of exact size, to see a read beyond the end.
            buffer = std::make_unique<std::string>(buffer->begin(), buffer->end());
            buffer->shrink_to_fit();
            const status found = parser.parse(*buffer);
            if (found == status::error) {
                result.error = parser.error();
                return result;
            }
            if (found == status::need_more) {
                EXPECT_GE(parser.needed(), 1u);
                break;
            }
            command arguments(parser.arguments().begin(), parser.arguments().end());
            if (!arguments.empty()) {
                result.commands.push_back(std::move(arguments));
            }
            buffer->erase(0, parser.consumed());
        }
    }
    return result;
}

outcome parse_whole(std::string_view stream, request_limits limits = {}) {
    return parse_cut(stream, {stream.size()}, limits);
}

std::string array(const command& arguments) {
    std::string text = "*" + std::to_string(arguments.size()) + "\r\n";
    for (const std::string& argument : arguments) {
        text += "$" + std::to_string(argument.size()) + "\r\n" + argument + "\r\n";
    }
    return text;
}

const std::string everything =
    array({"SET", "key", "value"}) + "\r\n" + "PING\r\n" + array({"GET", ""}) + "*0\r\n" + "*-1\r\n" +
    "set a \"b\\x41\\n c\" 'd\\'e'\r\n" + array({std::string("a\r\n$3\0b", 8)}) + "\n" + "  get   x  \n" +
    array({"MSET", "a", "1", "b", "22", "c", std::string(300, 'z')}) + "ECHO \"\"\r\n" + array({"PING"});

TEST(resp, reads_arrays_inline_commands_and_empty_lines) {
    const outcome result = parse_whole(everything);
    EXPECT_EQ(result.error, "");
    ASSERT_EQ(result.commands.size(), 9u);
    EXPECT_EQ(result.commands[0], (command{"SET", "key", "value"}));
    EXPECT_EQ(result.commands[1], (command{"PING"}));
    EXPECT_EQ(result.commands[2], (command{"GET", ""}));
    EXPECT_EQ(result.commands[3], (command{"set", "a", "bA\n c", "d'e"}));
    EXPECT_EQ(result.commands[4], (command{std::string("a\r\n$3\0b", 8)}));
    EXPECT_EQ(result.commands[5], (command{"get", "x"}));
    EXPECT_EQ(result.commands[6].back(), std::string(300, 'z'));
    EXPECT_EQ(result.commands[7], (command{"ECHO", ""}));
    EXPECT_EQ(result.commands[8], (command{"PING"}));
}

TEST(resp, gives_the_same_commands_when_cut_anywhere) {
    const outcome whole = parse_whole(everything);
    for (std::size_t cut = 0; cut <= everything.size(); ++cut) {
        ASSERT_EQ(parse_cut(everything, {cut, everything.size()}), whole) << cut;
    }
}

TEST(resp, gives_the_same_commands_byte_by_byte) {
    std::vector<std::size_t> cuts;
    for (std::size_t i = 1; i <= everything.size(); ++i) {
        cuts.push_back(i);
    }
    EXPECT_EQ(parse_cut(everything, cuts), parse_whole(everything));
}

TEST(resp, gives_the_same_commands_or_error_for_random_streams_and_cuts) {
    std::mt19937 random(7);
    const std::string alphabet = "*$\r\n0123456789-+ab\"'\\x \t";
    for (int round = 0; round < 3000; ++round) {
        std::string stream;
        for (auto part = random() % 6; part-- > 0;) {
            command arguments;
            for (auto n = 1 + random() % 4; n-- > 0;) {
                arguments.emplace_back(random() % 40, static_cast<char>('a' + random() % 26));
            }
            stream += array(arguments);
        }
        // Damage it, so that errors are met in every place.
        for (auto n = random() % 4; n-- > 0 && !stream.empty();) {
            stream[random() % stream.size()] = alphabet[random() % alphabet.size()];
        }
        std::vector<std::size_t> cuts;
        for (std::size_t at = 0; at < stream.size();) {
            at = std::min(stream.size(), at + 1 + random() % 9);
            cuts.push_back(at);
        }
        ASSERT_EQ(parse_cut(stream, cuts), parse_whole(stream)) << stream;
    }
}

TEST(resp, reports_errors_in_the_words_of_redis) {
    EXPECT_EQ(parse_whole("*abc\r\n").error, "Protocol error: invalid multibulk length");
    EXPECT_EQ(parse_whole("*99999999999\r\n").error, "Protocol error: invalid multibulk length");
    EXPECT_EQ(parse_whole("*1\r\n$-1\r\n").error, "Protocol error: invalid bulk length");
    EXPECT_EQ(parse_whole("*1\r\n$x\r\n").error, "Protocol error: invalid bulk length");
    EXPECT_EQ(parse_whole("*1\r\n$536870913\r\n").error, "Protocol error: invalid bulk length");
    EXPECT_EQ(parse_whole("*1\r\n!3\r\n").error, "Protocol error: expected '$', got '!'");
    EXPECT_EQ(parse_whole("set \"a\r\n").error, "Protocol error: unbalanced quotes in request");
    EXPECT_EQ(parse_whole("set \"a\"b\r\n").error, "Protocol error: unbalanced quotes in request");
    EXPECT_EQ(parse_whole("set 'a\r\n").error, "Protocol error: unbalanced quotes in request");
    EXPECT_EQ(parse_whole(std::string(65537, 'x')).error, "Protocol error: too big inline request");
    EXPECT_EQ(parse_whole("*" + std::string(65537, '1')).error, "Protocol error: too big mbulk count string");
    EXPECT_EQ(parse_whole("*1\r\n$" + std::string(65537, '1')).error, "Protocol error: too big bulk count string");
}

TEST(resp, keeps_the_limits_it_is_given) {
    const request_limits limits{.bulk_bytes_max = 10, .arguments_max = 2, .line_bytes_max = 100};
    EXPECT_EQ(parse_whole(array({"a", "b"}), limits).error, "");
    EXPECT_EQ(parse_whole(array({"a", "b", "c"}), limits).error, "Protocol error: invalid multibulk length");
    EXPECT_EQ(parse_whole(array({std::string(10, 'x')}), limits).error, "");
    EXPECT_EQ(parse_whole(array({std::string(11, 'x')}), limits).error, "Protocol error: invalid bulk length");
    EXPECT_EQ(parse_whole(std::string(101, 'x'), limits).error, "Protocol error: too big inline request");
}

TEST(resp, says_how_much_of_a_large_value_is_missing) {
    request_parser parser;
    std::string buffer = "*2\r\n$3\r\nGET\r\n$1000000\r\nabc";
    ASSERT_EQ(parser.parse(buffer), status::need_more);
    EXPECT_EQ(parser.needed(), 1000000u + 2 - 3);
    buffer.reserve(buffer.size() + parser.needed());
    buffer.append(parser.needed() - 1, 'x');
    ASSERT_EQ(parser.parse(buffer), status::need_more);
    EXPECT_EQ(parser.needed(), 1u);
    buffer += '\n';
    ASSERT_EQ(parser.parse(buffer), status::command);
    EXPECT_EQ(parser.arguments()[1].size(), 1000000u);
    EXPECT_EQ(parser.consumed(), buffer.size());
}

// A value in 64 thousand pieces: quadratic work would take minutes.
TEST(resp, does_not_look_twice_at_a_value_that_comes_in_many_pieces) {
    const std::string value(32u << 20, 'v');
    const std::string stream = array({"SET", "k", value});
    request_parser parser;
    std::size_t pieces = 0;
    for (std::size_t end = 512; end < stream.size(); end += 512) {
        ASSERT_EQ(parser.parse(std::string_view(stream).substr(0, end)), status::need_more);
        ++pieces;
    }
    EXPECT_GT(pieces, 60000u);
    ASSERT_EQ(parser.parse(stream), status::command);
    EXPECT_TRUE(parser.arguments()[2] == value);
}

TEST(resp, splits_a_line_by_the_quoting_rules_of_redis) {
    std::string text;
    std::vector<std::size_t> ends;
    ASSERT_TRUE(split_arguments(R"(one "t\tw\"o" 'th\'re\n' fo"ur")", text, ends));
    ASSERT_EQ(ends.size(), 4u);
    EXPECT_EQ(text, "onet\tw\"oth're\\nfour");
}

}  // namespace
}  // namespace shale::kv
