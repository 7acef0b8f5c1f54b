// Fault points ask the installed plan, by name, and do nothing without one.
#include <gtest/gtest.h>

#include <shale/core/base/defer.hh>
#include <shale/core/base/fault_point.hh>

#include <map>
#include <set>
#include <string>

namespace {

using namespace shale;

struct recording_plan final : fault_plan {
    bool fire(std::string_view name, std::uint64_t hash) noexcept override {
        asked[std::string(name)] = hash;
        return firing.contains(std::string(name));
    }
    void hit(std::string_view name, std::uint64_t) noexcept override { ++probed[std::string(name)]; }

    std::set<std::string> firing;
    std::map<std::string, std::uint64_t> asked;
    std::map<std::string, int> probed;
};

TEST(fault_point, never_fires_without_a_plan) {
    EXPECT_FALSE(FAULT("disk.eio"));
    PROBE("disk.full");
}

TEST(fault_point, fires_by_name_when_the_plan_says_so) {
    recording_plan plan;
    plan.firing = {"disk.eio"};
    install_fault_plan(&plan);
    const auto restore = defer([] { install_fault_plan(nullptr); });
    EXPECT_TRUE(FAULT("disk.eio"));
    EXPECT_FALSE(FAULT("disk.slow"));
    EXPECT_EQ(plan.asked.size(), 2u);
    EXPECT_NE(plan.asked["disk.eio"], plan.asked["disk.slow"]);
}

TEST(fault_point, hashes_names_with_fnv_1a) {
    // Vectors of the FNV page: "" and "a".
    EXPECT_EQ(detail::fault_name_hash(""), 0xcbf29ce484222325u);
    EXPECT_EQ(detail::fault_name_hash("a"), 0xaf63dc4c8601ec8cu);
}

TEST(fault_point, probes_tell_the_plan_they_were_reached) {
    recording_plan plan;
    install_fault_plan(&plan);
    const auto restore = defer([] { install_fault_plan(nullptr); });
    for (int i = 0; i < 3; ++i) {
        PROBE("mailbox.full");
    }
    EXPECT_EQ(plan.probed["mailbox.full"], 3);
    EXPECT_TRUE(plan.asked.empty());
}

TEST(fault_point, is_off_again_when_the_plan_is_removed) {
    recording_plan plan;
    plan.firing = {"x"};
    EXPECT_EQ(install_fault_plan(&plan), nullptr);
    EXPECT_EQ(install_fault_plan(nullptr), &plan);
    EXPECT_FALSE(FAULT("x"));
    EXPECT_TRUE(plan.asked.empty());
}

TEST(fault_point, can_stand_in_a_larger_condition) {
    recording_plan plan;
    plan.firing = {"y"};
    install_fault_plan(&plan);
    const auto restore = defer([] { install_fault_plan(nullptr); });
    const bool never = false;
    EXPECT_TRUE(never || FAULT("y"));
    EXPECT_FALSE(FAULT("y") && never);
}

}  // namespace
