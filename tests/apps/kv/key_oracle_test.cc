// The promises of apps/kv/key_oracle.hh.
#include <gtest/gtest.h>

#include <shale/apps/kv/key_oracle.hh>

namespace shale::kv {
namespace {

using action = key_write::action;
constexpr std::uint64_t ms = 1'000'000;

/// An oracle with a clock that goes on by itself.
struct fixture {
    explicit fixture(std::string key = "key") : oracle(std::move(key)) {}

    std::size_t send(action what, std::string value = {}, std::uint64_t lifetime_ms = 0, std::uint64_t group = 0) {
        return oracle.send({.what = what,
                            .value = std::move(value),
                            .lifetime_ms = lifetime_ms,
                            .group = group,
                            .connection = 1,
                            .sent_ns = now_ns += ms});
    }
    void set(std::string value) { oracle.acknowledged(send(action::set, std::move(value)), now_ns += ms); }
    void lose(std::string value) {
        send(action::set, std::move(value));
        oracle.connection_lost(now_ns += ms);
    }
    /// Whether the oracle believes this.
    bool read(std::optional<std::string_view> value) {
        now_ns += 2 * ms;
        try {
            oracle.read(oracle.sent(), {now_ns - ms, now_ns}, value);
            return true;
        } catch (const oracle_violation& why) {
            story = why.what();
            return false;
        }
    }

    key_oracle oracle;
    std::uint64_t now_ns = 1'000 * ms;
    std::string story;
};

TEST(key_oracle, believes_what_was_acknowledged_and_nothing_else) {
    fixture f;
    EXPECT_FALSE(f.read("1")) << "it was never written";
    EXPECT_TRUE(f.read(std::nullopt));
    f.set("1");
    EXPECT_FALSE(f.read(std::nullopt));
    EXPECT_FALSE(f.read("11"));
    EXPECT_FALSE(f.read(""));
    EXPECT_TRUE(f.read("1"));
    f.set("2");
    EXPECT_FALSE(f.read("1")) << "it was overwritten";
    EXPECT_TRUE(f.read("2"));
}

TEST(key_oracle, tells_the_story_of_a_key_that_answered_wrongly) {
    fixture f("account");
    f.set("before");
    f.lose("maybe");
    EXPECT_FALSE(f.read("wrong"));
    for (const char* const part : {"account", "wrong", "before", "maybe", "acknowledged", "lost", "possible"}) {
        EXPECT_NE(f.story.find(part), std::string::npos) << part << " is not in\n" << f.story;
    }
}

TEST(key_oracle, holds_a_lost_write_possible_until_it_was_read) {
    fixture f;
    f.set("1");
    f.lose("2");
    EXPECT_TRUE(f.oracle.undecided());
    EXPECT_TRUE(f.read("1"));
    EXPECT_TRUE(f.read("1"));
    EXPECT_TRUE(f.read("2")) << "it came late";
    EXPECT_FALSE(f.read("1")) << "what was read once cannot be un-read";
    EXPECT_TRUE(f.read("2"));
}

TEST(key_oracle, knows_that_the_lost_writes_of_a_dead_server_come_no_more) {
    fixture f;
    f.set("1");
    f.lose("2");
    f.oracle.server_died(f.now_ns);
    EXPECT_FALSE(f.oracle.undecided());
    EXPECT_EQ(f.oracle.possibilities(), 2U);
    EXPECT_TRUE(f.read("1"));
    EXPECT_FALSE(f.read("2")) << "nobody was left to do it";
}

TEST(key_oracle, takes_lost_writes_to_have_been_done_or_not_each_for_itself_and_in_order) {
    const auto after = [](std::optional<std::string_view> value) {
        fixture f;
        f.set("a");
        f.send(action::append, "b");
        f.send(action::append, "c");
        f.oracle.connection_lost(f.now_ns);
        f.oracle.server_died(f.now_ns);
        return f.read(value);
    };
    for (const char* const possible : {"a", "ab", "ac", "abc"}) {
        EXPECT_TRUE(after(possible)) << possible;
    }
    for (const char* const impossible : {"acb", "b", "bc", "abb", ""}) {
        EXPECT_FALSE(after(impossible)) << impossible;
    }
    EXPECT_FALSE(after(std::nullopt));
}

TEST(key_oracle, takes_a_refused_write_to_have_done_nothing) {
    fixture f;
    f.set("1");
    f.oracle.refused(f.send(action::set, "2"), f.now_ns);
    EXPECT_FALSE(f.read("2"));
    EXPECT_TRUE(f.read("1"));
    f.oracle.unclear(f.send(action::set, "3"), f.now_ns);
    EXPECT_FALSE(f.oracle.undecided());
    EXPECT_TRUE(f.read("3"));
    EXPECT_FALSE(f.read("1"));
}

TEST(key_oracle, checks_the_numbers_that_commands_answer) {
    const auto answers = [](bool there, action what, std::string value, std::int64_t answer) {
        fixture f;
        if (there) {
            f.set("12");
        }
        const std::size_t number = f.send(what, std::move(value), what == action::expire ? 1'000 : 0);
        try {
            f.oracle.acknowledged(number, f.now_ns, answer);
            return true;
        } catch (const oracle_violation&) {
            return false;
        }
    };
    EXPECT_TRUE(answers(true, action::append, "345", 5));
    EXPECT_FALSE(answers(true, action::append, "345", 3));
    EXPECT_TRUE(answers(false, action::append, "345", 3));
    EXPECT_TRUE(answers(true, action::increment, "", 13));
    EXPECT_FALSE(answers(true, action::increment, "", 14));
    EXPECT_TRUE(answers(false, action::increment, "", 1));
    EXPECT_TRUE(answers(true, action::erase, "", 1));
    EXPECT_FALSE(answers(true, action::erase, "", 0));
    EXPECT_TRUE(answers(false, action::erase, "", 0));
    EXPECT_TRUE(answers(true, action::expire, "", 1));
    EXPECT_FALSE(answers(false, action::expire, "", 1));
    EXPECT_TRUE(answers(true, action::persist, "", 0));
    EXPECT_FALSE(answers(true, action::persist, "", 1)) << "it had no end";
}

TEST(key_oracle, lets_a_key_go_about_its_end_and_not_come_back) {
    fixture f;
    f.oracle.acknowledged(f.send(action::set, "1", 1'000), f.now_ns);
    const std::uint64_t set_at = f.now_ns;
    EXPECT_FALSE(f.read(std::nullopt)) << "much too early";
    f.now_ns = set_at + 1'000 * ms;
    EXPECT_TRUE(f.read("1")) << "within the slack";
    EXPECT_TRUE(f.read(std::nullopt));
    EXPECT_FALSE(f.read("1")) << "it was gone";

    fixture g;
    g.oracle.acknowledged(g.send(action::set, "1", 1'000), g.now_ns);
    g.now_ns += 1'100 * ms;
    EXPECT_FALSE(g.read("1")) << "much too late";
    EXPECT_TRUE(g.read(std::nullopt));
}

TEST(key_oracle, takes_back_an_end_by_persist_and_by_a_plain_set) {
    fixture f;
    f.oracle.acknowledged(f.send(action::set, "1", 1'000), f.now_ns);
    f.oracle.acknowledged(f.send(action::persist), f.now_ns, 1);
    f.now_ns += 10'000 * ms;
    EXPECT_FALSE(f.read(std::nullopt));
    f.oracle.acknowledged(f.send(action::expire, "", 1'000), f.now_ns, 1);
    f.set("2");
    f.now_ns += 10'000 * ms;
    EXPECT_FALSE(f.read(std::nullopt));
    EXPECT_TRUE(f.read("2"));
}

TEST(key_oracle, finds_a_command_that_was_done_on_some_of_its_keys) {
    const auto check = [](std::string_view a_reads, std::string_view b_reads) {
        fixture a("a");
        fixture b("b");
        for (fixture* each : {&a, &b}) {
            each->set("old");
            each->send(action::set, "new", 0, 77);
            each->oracle.connection_lost(each->now_ns);
        }
        EXPECT_TRUE(a.read(a_reads));
        EXPECT_TRUE(b.read(b_reads));
        check_whole({&a.oracle, &b.oracle});
    };
    EXPECT_NO_THROW(check("old", "old"));
    EXPECT_NO_THROW(check("new", "new"));
    EXPECT_THROW(check("new", "old"), oracle_violation);
    EXPECT_THROW(check("old", "new"), oracle_violation);
}

}  // namespace
}  // namespace shale::kv
