// The promises of core/sim/world_event.hh.
#include <gtest/gtest.h>

#include <set>
#include <string_view>

#include <shale/core/sim/world_event.hh>

using namespace shale;

TEST(world_event, has_a_name_for_every_operation) {
    std::set<std::string_view> names;
    for (unsigned op = 0; op <= static_cast<unsigned>(io_op::cancel); ++op) {
        names.insert(sim::to_string(static_cast<io_op>(op)));
    }
    EXPECT_EQ(names.size(), static_cast<unsigned>(io_op::cancel) + 1);
    EXPECT_EQ(sim::to_string(io_op::read), "read");
    EXPECT_EQ(sim::to_string(io_op::fdatasync), "fdatasync");
    EXPECT_EQ(sim::to_string(io_op::sync_dir), "sync_dir");
    EXPECT_EQ(sim::to_string(io_op::cancel), "cancel");
}

TEST(world_event, has_a_name_for_every_kind) {
    EXPECT_EQ(sim::to_string(sim::world_event::kind::submitted), "submitted");
    EXPECT_EQ(sim::to_string(sim::world_event::kind::power_lost), "power lost");
}
