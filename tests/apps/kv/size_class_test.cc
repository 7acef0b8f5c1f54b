// The promises of apps/kv/size_class.hh.
#include <gtest/gtest.h>

#include <shale/apps/kv/size_class.hh>

namespace shale::kv {
namespace {

TEST(size_class, covers_64_bytes_to_128_mib_in_64_growing_steps) {
    EXPECT_EQ(size_of_class(0), 64u);
    EXPECT_EQ(size_of_class(63), 128u << 20);
    for (unsigned i = 1; i < size_class_count; ++i) {
        EXPECT_GT(size_of_class(i), size_of_class(i - 1));
    }
}

TEST(size_class, wastes_at_most_27_percent) {
    for (unsigned i = 1; i < size_class_count; ++i) {
        const double slack = static_cast<double>(size_of_class(i)) / static_cast<double>(size_of_class(i - 1) + 1);
        EXPECT_LT(slack, 1.27) << i;
    }
}

TEST(size_class, is_the_smallest_that_holds_the_record) {
    EXPECT_EQ(size_class_of(0), 0u);
    EXPECT_EQ(size_class_of(1), 0u);
    for (unsigned i = 0; i < size_class_count; ++i) {
        const std::uint64_t bytes = size_of_class(i);
        EXPECT_EQ(size_class_of(bytes), i);
        EXPECT_EQ(size_class_of(bytes - 1), i);
        if (i + 1 < size_class_count) {
            EXPECT_EQ(size_class_of(bytes + 1), i + 1);
        }
    }
}

}  // namespace
}  // namespace shale::kv
