// Renaming: what is replaced, what is refused, and the two flags.
#include <fcntl.h>
#include <stdio.h>

#include <cerrno>

#include "contract.hh"

namespace shale::contract {
namespace {

class rename_contract : public contract_case {
protected:
    const std::string gone = "error " + std::to_string(ENOENT);
};
INSTANTIATE_TEST_SUITE_P(, rename_contract, all_sides(), name_of);

TEST_P(rename_contract, moves_a_file) {
    put("old", "content");
    EXPECT_EQ(rename(path("old"), path("new")), 0);
    EXPECT_EQ(get("old"), gone);
    EXPECT_EQ(get("new"), "content");
}

TEST_P(rename_contract, moves_between_directories) {
    ASSERT_EQ(mkdir(path("a")), 0);
    ASSERT_EQ(mkdir(path("b")), 0);
    put("a/file", "content");
    EXPECT_EQ(rename(path("a/file"), path("b/other")), 0);
    EXPECT_EQ(get("b/other"), "content");
    EXPECT_EQ(unlink(path("a"), AT_REMOVEDIR), 0);
}

TEST_P(rename_contract, takes_a_directory_with_all_that_is_in_it) {
    ASSERT_EQ(mkdir(path("a")), 0);
    put("a/file", "content");
    EXPECT_EQ(rename(path("a"), path("b")), 0);
    EXPECT_EQ(get("b/file"), "content");
    EXPECT_EQ(get("a/file"), gone);
}

TEST_P(rename_contract, replaces_a_file) {
    put("old", "old content");
    put("new", "new content");
    EXPECT_EQ(rename(path("new"), path("old")), 0);
    EXPECT_EQ(get("old"), "new content");
    EXPECT_EQ(get("new"), gone);
}

TEST_P(rename_contract, leaves_descriptors_of_a_replaced_file_alone) {
    put("old", "old content");
    const int fd = opened("old", O_RDWR);
    put("new", "new content");
    EXPECT_EQ(rename(path("new"), path("old")), 0);
    EXPECT_EQ(read(fd, 100), "old content");
    EXPECT_EQ(write(fd, "OLD"), 3);
    EXPECT_EQ(get("old"), "new content");
}

TEST_P(rename_contract, of_what_is_not_there_is_enoent) {
    put("file", "content");
    EXPECT_EQ(rename(path("missing"), path("file")), -ENOENT);
    EXPECT_EQ(rename(path("file"), path("missing/file")), -ENOENT);
    EXPECT_EQ(rename("", path("file")), -ENOENT);
    EXPECT_EQ(rename(path("file"), ""), -ENOENT);
    EXPECT_EQ(get("file"), "content");
}

TEST_P(rename_contract, through_a_file_is_enotdir) {
    put("file", "content");
    put("other", "");
    EXPECT_EQ(rename(path("file/below"), path("new")), -ENOTDIR);
    EXPECT_EQ(rename(path("other"), path("file/below")), -ENOTDIR);
}

TEST_P(rename_contract, to_itself_changes_nothing) {
    put("file", "content");
    EXPECT_EQ(rename(path("file"), path("file")), 0);
    EXPECT_EQ(get("file"), "content");
}

TEST_P(rename_contract, never_puts_a_file_in_the_place_of_a_directory) {
    put("file", "content");
    ASSERT_EQ(mkdir(path("folder")), 0);
    EXPECT_EQ(rename(path("file"), path("folder")), -EISDIR);
    EXPECT_EQ(rename(path("folder"), path("file")), -ENOTDIR);
    EXPECT_EQ(get("file"), "content");
}

TEST_P(rename_contract, replaces_an_empty_directory_by_a_directory) {
    ASSERT_EQ(mkdir(path("a")), 0);
    put("a/file", "content");
    ASSERT_EQ(mkdir(path("b")), 0);
    EXPECT_EQ(rename(path("a"), path("b")), 0);
    EXPECT_EQ(get("b/file"), "content");
    ASSERT_EQ(mkdir(path("c")), 0);
    EXPECT_EQ(rename(path("c"), path("b")), -ENOTEMPTY);
}

TEST_P(rename_contract, refuses_to_move_a_directory_below_itself) {
    ASSERT_EQ(mkdir(path("a")), 0);
    EXPECT_EQ(rename(path("a"), path("a/below")), -EINVAL);
    ASSERT_EQ(mkdir(path("a/b")), 0);
    EXPECT_EQ(rename(path("a"), path("a/b/c")), -EINVAL);
    EXPECT_EQ(rename(path("a/b"), path("a")), -ENOTEMPTY);
}

TEST_P(rename_contract, noreplace_refuses_what_exists) {
    put("old", "old content");
    put("new", "new content");
    EXPECT_EQ(rename(path("new"), path("old"), RENAME_NOREPLACE), -EEXIST);
    EXPECT_EQ(get("old"), "old content");
    EXPECT_EQ(get("new"), "new content");
    EXPECT_EQ(rename(path("new"), path("free"), RENAME_NOREPLACE), 0);
    EXPECT_EQ(get("free"), "new content");
}

TEST_P(rename_contract, exchange_swaps_two_names) {
    put("one", "1");
    ASSERT_EQ(mkdir(path("two")), 0);
    put("two/file", "2");
    EXPECT_EQ(rename(path("one"), path("two"), RENAME_EXCHANGE), 0);
    EXPECT_EQ(get("two"), "1");
    EXPECT_EQ(get("one/file"), "2");
    EXPECT_EQ(rename(path("one"), path("missing"), RENAME_EXCHANGE), -ENOENT);
}

TEST_P(rename_contract, contradicting_and_unknown_flags_are_einval) {
    put("one", "1");
    put("two", "2");
    EXPECT_EQ(rename(path("one"), path("two"), RENAME_EXCHANGE | RENAME_NOREPLACE), -EINVAL);
    EXPECT_EQ(rename(path("one"), path("two"), 0x4000), -EINVAL);
    EXPECT_EQ(get("two"), "2");
}

TEST_P(rename_contract, refuses_names_that_are_too_long) {
    put("file", "content");
    EXPECT_EQ(rename(path("file"), path(std::string(256, 'n'))), -ENAMETOOLONG);
    EXPECT_EQ(rename(path("file"), path(std::string(255, 'n'))), 0);
}

TEST_P(rename_contract, demands_a_directory_where_a_slash_stands_at_the_end) {
    put("file", "content");
    EXPECT_EQ(rename(path("file"), path("new/")), -ENOTDIR);
    EXPECT_EQ(rename(path("file/"), path("new")), -ENOTDIR);
    EXPECT_EQ(get("file"), "content");
}

}  // namespace
}  // namespace shale::contract
