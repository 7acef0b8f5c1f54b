// The promises of apps/kv/command.hh.
#include <gtest/gtest.h>

#include <set>
#include <string>

#include <shale/apps/kv/command.hh>

namespace shale::kv {
namespace {

TEST(command, is_found_by_name_in_any_case_and_by_nothing_else) {
    for (const command& one : all_commands()) {
        EXPECT_EQ(find_command(one.name), &one);
        std::string upper(one.name);
        for (char& c : upper) {
            c = static_cast<char>(c - ('a' - 'A'));
        }
        EXPECT_EQ(find_command(upper), &one);
        EXPECT_EQ(find_command(upper + "x"), nullptr);
        EXPECT_EQ(find_command(upper + '\0'), nullptr);
        upper[0] = static_cast<char>(upper[0] & ~0x60);  // a control character that a careless fold would take
        EXPECT_EQ(find_command(upper), nullptr);
    }
    EXPECT_EQ(find_command(""), nullptr);
    EXPECT_EQ(find_command(std::string(100, 'g')), nullptr);
}

TEST(command, table_is_consistent) {
    std::set<std::string_view> names;
    for (const command& one : all_commands()) {
        EXPECT_TRUE(names.insert(one.name).second) << one.name;
        EXPECT_NE(one.run, nullptr) << one.name;
        EXPECT_EQ(one.first_key == 0, one.access.empty()) << one.name;
        EXPECT_NE(one.arity, 0) << one.name;
        if (one.where == route::keys || one.where == route::first_key) {
            EXPECT_GT(one.first_key, 0) << one.name;
            EXPECT_TRUE(one.accepts(static_cast<std::size_t>(one.arity < 0 ? -one.arity : one.arity)));
            EXPECT_FALSE(one.accepts(1)) << one.name;
        }
    }
}

TEST(command, with_subcommands_runs_where_the_subcommand_says) {
    const auto where = [](std::initializer_list<std::string_view> words) {
        const std::vector<std::string_view> args(words);
        return destination_of(*find_command(args[0]), args).where;
    };
    EXPECT_EQ(where({"client", "id"}), route::local);
    EXPECT_EQ(where({"client", "LIST"}), route::all);
    EXPECT_EQ(where({"config", "get", "x"}), route::local);
    EXPECT_EQ(where({"config", "set", "x", "1"}), route::all);
    EXPECT_EQ(where({"memory", "usage", "k"}), route::first_key);
    EXPECT_EQ(where({"cluster", "keyslot", "k"}), route::local);
    EXPECT_EQ(where({"cluster", "countkeysinslot", "1"}), route::special);
}

}  // namespace
}  // namespace shale::kv
