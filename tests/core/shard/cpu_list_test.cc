// Lists of CPUs: what the kernel writes is read, what a person gets wrong is said.
#include <shale/core/shard/cpu_list.hh>

#include <gtest/gtest.h>

namespace shale {
namespace {

using cpus = std::vector<unsigned>;

TEST(cpu_list, reads_numbers_and_ranges_in_the_order_written) {
    EXPECT_EQ(parse_cpu_list("0-3,8"), (cpus{0, 1, 2, 3, 8}));
    EXPECT_EQ(parse_cpu_list("8,2-3,0"), (cpus{8, 2, 3, 0}));
    EXPECT_EQ(parse_cpu_list("7"), cpus{7});
    EXPECT_EQ(parse_cpu_list("1,1"), (cpus{1, 1}));
}

TEST(cpu_list, takes_what_kernel_files_have_around_it) {
    EXPECT_EQ(parse_cpu_list("0-1\n"), (cpus{0, 1}));
    EXPECT_EQ(parse_cpu_list(" 0 , 2 - 3 "), (cpus{0, 2, 3}));
    EXPECT_EQ(parse_cpu_list("\n"), cpus{});
    EXPECT_EQ(parse_cpu_list(""), cpus{});
}

TEST(cpu_list, says_which_part_is_wrong) {
    EXPECT_EQ(parse_cpu_list("0,x").error(), "'x' is neither a CPU number (0-8191) nor a range of them");
    EXPECT_EQ(parse_cpu_list("0,,1").error(), "'' is neither a CPU number (0-8191) nor a range of them");
    EXPECT_EQ(parse_cpu_list("-1").error(), "'-1' is neither a CPU number (0-8191) nor a range of them");
    EXPECT_EQ(parse_cpu_list("0-").error(), "'0-' is neither a CPU number (0-8191) nor a range of them");
    EXPECT_EQ(parse_cpu_list("1-2-3").error(), "'1-2-3' is neither a CPU number (0-8191) nor a range of them");
    EXPECT_EQ(parse_cpu_list("3-1").error(), "the range '3-1' runs backwards");
    EXPECT_EQ(parse_cpu_list("0,1,").error(), "it ends with a comma");
}

TEST(cpu_list, refuses_numbers_that_would_fill_the_memory) {
    EXPECT_FALSE(parse_cpu_list("0-4294967295"));
    EXPECT_FALSE(parse_cpu_list("99999999999999999999"));
    EXPECT_TRUE(parse_cpu_list("0-8191"));
}

TEST(cpu_list, writes_what_it_reads) {
    for (const char* text : {"0-3,8", "0", "0,2,4", "5-6", "8,2-3,0"}) {
        EXPECT_EQ(format_cpu_list(*parse_cpu_list(text)), text);
    }
    EXPECT_EQ(format_cpu_list({}), "none");
}

}  // namespace
}  // namespace shale
