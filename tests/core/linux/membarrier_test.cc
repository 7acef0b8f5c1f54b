// The heavy barrier: there on this kernel, and honestly absent where it is refused.
#include <shale/core/linux/membarrier.hh>

#include <gtest/gtest.h>

#include "seccomp.hh"

namespace shale {
namespace {

TEST(membarrier, is_granted_on_this_kernel_and_may_be_registered_again) {
    const heavy_barrier_function barrier = register_heavy_barrier();
    ASSERT_NE(barrier, nullptr);
    barrier();
    EXPECT_EQ(register_heavy_barrier(), barrier);
}

TEST(membarrier, is_null_where_it_is_refused) {
    EXPECT_TRUE(passes_without({SYS_membarrier}, ENOSYS, [] { EXPECT_EQ(register_heavy_barrier(), nullptr); }));
}

}  // namespace
}  // namespace shale
