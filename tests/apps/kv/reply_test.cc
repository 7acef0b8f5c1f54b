// The promises of apps/kv/reply.hh.
#include <gtest/gtest.h>

#include <sys/uio.h>

#include <limits>
#include <random>
#include <string>

#include <shale/apps/kv/output.hh>
#include <shale/apps/kv/reply.hh>

namespace shale::kv {
namespace {

template <class Write>
std::string written(bool resp3, Write&& write) {
    output out;
    reply to(out, resp3);
    write(to);
    const std::size_t size = out.size();
    std::string text = out.take_copy();
    EXPECT_EQ(text.size(), size);
    return text;
}

#define EXPECT_REPLY(call, in2, in3)                                    \
    EXPECT_EQ(written(false, [&](reply& r) { r.call; }), in2) << #call; \
    EXPECT_EQ(written(true, [&](reply& r) { r.call; }), in3) << #call

TEST(reply, spells_every_type_in_both_protocols) {
    EXPECT_REPLY(ok(), "+OK\r\n", "+OK\r\n");
    EXPECT_REPLY(simple("PONG"), "+PONG\r\n", "+PONG\r\n");
    EXPECT_REPLY(error("ERR a\r\nb"), "-ERR a  b\r\n", "-ERR a  b\r\n");
    EXPECT_REPLY(error_format("ERR {}", 7), "-ERR 7\r\n", "-ERR 7\r\n");
    EXPECT_REPLY(integer(7), ":7\r\n", ":7\r\n");
    EXPECT_REPLY(integer(-12345), ":-12345\r\n", ":-12345\r\n");
    EXPECT_REPLY(integer(std::numeric_limits<std::int64_t>::min()), ":-9223372036854775808\r\n",
                 ":-9223372036854775808\r\n");
    EXPECT_REPLY(bulk("abc"), "$3\r\nabc\r\n", "$3\r\nabc\r\n");
    EXPECT_REPLY(bulk({}), "$0\r\n\r\n", "$0\r\n\r\n");
    EXPECT_REPLY(bulk_integer(-5), "$2\r\n-5\r\n", "$2\r\n-5\r\n");
    EXPECT_REPLY(null(), "$-1\r\n", "_\r\n");
    EXPECT_REPLY(null_array(), "*-1\r\n", "_\r\n");
    EXPECT_REPLY(array(3), "*3\r\n", "*3\r\n");
    EXPECT_REPLY(map(3), "*6\r\n", "%3\r\n");
    EXPECT_REPLY(set(2), "*2\r\n", "~2\r\n");
    EXPECT_REPLY(push(2), "*2\r\n", ">2\r\n");
    EXPECT_REPLY(number(1.5), "$3\r\n1.5\r\n", ",1.5\r\n");
    EXPECT_REPLY(number(-std::numeric_limits<double>::infinity()), "$4\r\n-inf\r\n", ",-inf\r\n");
    EXPECT_REPLY(boolean(true), ":1\r\n", "#t\r\n");
    EXPECT_REPLY(boolean(false), ":0\r\n", "#f\r\n");
    EXPECT_REPLY(verbatim("txt", "ab"), "$2\r\nab\r\n", "=6\r\ntxt:ab\r\n");
}

TEST(reply, copies_long_bulk_strings_whole) {
    const std::string text(100'000, 'x');
    EXPECT_EQ(written(false, [&](reply& r) { r.bulk(text); }), "$100000\r\n" + text + "\r\n");
}

// Counts releases of what it lends.
struct lender {
    int released = 0;
    bytes_owner lend() {
        return {this, [](void* owner) noexcept { ++static_cast<lender*>(owner)->released; }};
    }
};

TEST(output, lets_go_of_an_attachment_when_its_last_byte_is_sent) {
    lender from;
    const std::string value(1000, 'v');
    output out;
    reply to(out, false);
    to.integer(1);
    to.bulk_attached(value, from.lend());
    to.integer(2);
    const std::string expected = ":1\r\n$1000\r\n" + value + "\r\n:2\r\n";
    ASSERT_EQ(out.size(), expected.size());

    iovec pieces[8];
    ASSERT_EQ(out.gather(pieces, 8), 3u);
    EXPECT_EQ(pieces[1].iov_base, value.data());
    out.consume(11 + 999);
    EXPECT_EQ(from.released, 0);
    out.consume(1);
    EXPECT_EQ(from.released, 1);
    EXPECT_EQ(out.take_copy(), "\r\n:2\r\n");
}

TEST(output, lets_go_of_attachments_when_it_is_cleared_moved_or_destroyed) {
    lender from;
    {
        output out;
        out.attach("abc", from.lend());
        out.clear();
        EXPECT_EQ(from.released, 1);
        out.attach("abc", from.lend());
        output other = std::move(out);
        EXPECT_EQ(other.size(), 3u);
        EXPECT_TRUE(out.empty());
        output third;
        third.append(std::move(other));
        EXPECT_EQ(third.size(), 3u);
        EXPECT_EQ(from.released, 1);
    }
    EXPECT_EQ(from.released, 2);
}

TEST(output, sends_the_same_bytes_however_they_were_added_and_taken) {
    std::mt19937 random(3);
    for (int round = 0; round < 200; ++round) {
        output out;
        lender from;
        std::string expected;
        std::string sent;
        std::vector<std::unique_ptr<std::string>> lent;
        int attached = 0;
        for (int step = 0; step < 60; ++step) {
            std::string text(random() % (step % 7 == 0 ? 40'000 : 50), static_cast<char>('a' + step % 26));
            expected += text;
            if (random() % 4 == 0) {
                lent.push_back(std::make_unique<std::string>(std::move(text)));
                out.attach(*lent.back(), from.lend());
                ++attached;
            } else {
                out.append(text);
            }
            if (random() % 3 == 0) {
                iovec pieces[4];
                const unsigned count = out.gather(pieces, 4);
                std::string gathered;
                for (unsigned i = 0; i < count; ++i) {
                    gathered.append(static_cast<const char*>(pieces[i].iov_base), pieces[i].iov_len);
                }
                const std::size_t take = gathered.empty() ? 0 : random() % (gathered.size() + 1);
                sent += gathered.substr(0, take);
                out.consume(take);
            }
        }
        sent += out.take_copy();
        ASSERT_EQ(sent, expected);
        ASSERT_EQ(from.released, attached);
    }
}

}  // namespace
}  // namespace shale::kv
