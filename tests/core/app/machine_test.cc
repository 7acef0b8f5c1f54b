// The process's limits, read from trees of files that a test made.
#include <shale/core/app/machine.hh>

#include <sched.h>
#include <stdlib.h>

#include <filesystem>
#include <fstream>

#include <gtest/gtest.h>

namespace shale {
namespace {

using cpus = std::vector<unsigned>;

// A directory that plays "/": proc/self/cgroup, proc/self/mountinfo and cgroup files.
class fake_root {
public:
    fake_root() {
        std::string path = ::testing::TempDir() + "shale-machine-XXXXXX";
        if (mkdtemp(path.data()) == nullptr) {
            throw std::system_error(errno, std::generic_category(), path);
        }
        root_ = path;
    }
    fake_root(const fake_root&) = delete;
    fake_root& operator=(const fake_root&) = delete;
    ~fake_root() { std::filesystem::remove_all(root_); }

    fake_root& file(const std::string& path, const std::string& text) {
        std::filesystem::create_directories(std::filesystem::path(root_ + path).parent_path());
        std::ofstream(root_ + path) << text;
        return *this;
    }
    // A machine with cgroup version 2 alone, this process being in `group`.
    fake_root& v2(const std::string& group, const std::string& mount_root = "/") {
        file("/proc/self/cgroup", "0::" + group + "\n");
        return file("/proc/self/mountinfo",
                    "22 26 0:20 / /sys rw,nosuid shared:7 - sysfs sysfs rw\n"
                    "31 22 0:27 " +
                        mount_root + " /sys/fs/cgroup ro,nosuid shared:9 - cgroup2 cgroup2 rw,nsdelegate\n");
    }
    fake_root& v1(const std::string& group) {
        file("/proc/self/cgroup", "4:memory:/\n3:cpuset:" + group + "\n2:cpu,cpuacct:" + group + "\n0::/\n");
        return file("/proc/self/mountinfo",
                    "32 31 0:29 / /sys/fs/cgroup/cpu,cpuacct rw - cgroup cgroup rw,cpu,cpuacct\n"
                    "34 31 0:31 / /sys/fs/cgroup/cpuset rw,relatime - cgroup cgroup rw,cpuset\n"
                    "41 31 0:38 / /sys/fs/cgroup/unified rw,relatime - cgroup2 cgroup2 rw\n");
    }
    const std::string& path() const { return root_; }

private:
    std::string root_;
};

TEST(machine, reads_the_cpus_this_thread_may_run_on) {
    cpu_set_t mask;
    ASSERT_EQ(sched_getaffinity(0, sizeof mask, &mask), 0);
    const auto found = read_affinity();
    EXPECT_EQ(found.size(), static_cast<std::size_t>(CPU_COUNT(&mask)));
    for (const unsigned index : found) {
        EXPECT_TRUE(CPU_ISSET(index, &mask));
    }
}

TEST(machine, finds_no_limits_where_there_are_no_files) {
    fake_root root;
    EXPECT_FALSE(read_cgroup_quota(root.path()));
    EXPECT_FALSE(read_cgroup_cpuset(root.path()));
    EXPECT_EQ(read_allowance({0, 1}, root.path()).cpus, (cpus{0, 1}));
}

TEST(machine, reads_a_v2_quota) {
    fake_root root;
    root.v2("/user.slice").file("/sys/fs/cgroup/user.slice/cpu.max", "250000 100000\n");
    const auto quota = read_cgroup_quota(root.path());
    ASSERT_TRUE(quota);
    EXPECT_EQ(quota->cpus(), 2.5);
    EXPECT_EQ(quota->source, "/sys/fs/cgroup/user.slice/cpu.max");
}

TEST(machine, takes_the_tightest_v2_quota_of_all_levels) {
    fake_root root;
    root.v2("/a/b/c")
        .file("/sys/fs/cgroup/a/b/c/cpu.max", "max 100000\n")
        .file("/sys/fs/cgroup/a/b/cpu.max", "150000 50000\n")
        .file("/sys/fs/cgroup/a/cpu.max", "200000 100000\n");
    const auto quota = read_cgroup_quota(root.path());
    ASSERT_TRUE(quota);
    EXPECT_EQ(quota->cpus(), 2);
    EXPECT_EQ(quota->source, "/sys/fs/cgroup/a/cpu.max");
}

TEST(machine, max_is_no_limit) {
    fake_root root;
    root.v2("/a").file("/sys/fs/cgroup/a/cpu.max", "max 100000\n");
    EXPECT_FALSE(read_cgroup_quota(root.path()));
}

TEST(machine, reads_the_mount_itself_inside_a_container) {
    // With a cgroup namespace our path is "/", and without one it starts with the mount's root; a sibling's is "/..".
    fake_root own_namespace;
    own_namespace.v2("/").file("/sys/fs/cgroup/cpu.max", "300000 100000\n");
    EXPECT_EQ(read_cgroup_quota(own_namespace.path())->cpus(), 3);

    fake_root bind_mount;
    bind_mount.v2("/docker/1234/app", "/docker/1234")
        .file("/sys/fs/cgroup/app/cpu.max", "max 100000\n")
        .file("/sys/fs/cgroup/cpu.max", "100000 100000\n");
    EXPECT_EQ(read_cgroup_quota(bind_mount.path())->cpus(), 1);

    fake_root outside;
    outside.v2("/../other").file("/sys/fs/cgroup/cpu.max", "400000 100000\n");
    EXPECT_EQ(read_cgroup_quota(outside.path())->cpus(), 4);
}

TEST(machine, reads_a_v1_quota_and_its_parents) {
    fake_root root;
    root.v1("/a/b")
        .file("/sys/fs/cgroup/cpu,cpuacct/a/b/cpu.cfs_quota_us", "-1\n")
        .file("/sys/fs/cgroup/cpu,cpuacct/a/b/cpu.cfs_period_us", "100000\n")
        .file("/sys/fs/cgroup/cpu,cpuacct/a/cpu.cfs_quota_us", "50000\n")
        .file("/sys/fs/cgroup/cpu,cpuacct/a/cpu.cfs_period_us", "100000\n");
    const auto quota = read_cgroup_quota(root.path());
    ASSERT_TRUE(quota);
    EXPECT_EQ(quota->cpus(), 0.5);
    EXPECT_EQ(quota->whole_cpus(), 1U);
    EXPECT_EQ(quota->source, "/sys/fs/cgroup/cpu,cpuacct/a/cpu.cfs_quota_us");
}

TEST(machine, intersects_affinity_and_cpuset) {
    fake_root v2;
    v2.v2("/a").file("/sys/fs/cgroup/a/cpuset.cpus.effective", "2-5,9\n");
    EXPECT_EQ(read_cgroup_cpuset(v2.path()), (cpus{2, 3, 4, 5, 9}));
    EXPECT_EQ(read_allowance({0, 1, 2, 3}, v2.path()).cpus, (cpus{2, 3}));

    fake_root v1;
    v1.v1("/a").file("/sys/fs/cgroup/cpuset/a/cpuset.effective_cpus", "1\n");
    EXPECT_EQ(read_allowance({0, 1, 2, 3}, v1.path()).cpus, cpus{1});
}

TEST(machine, takes_the_cpuset_of_the_nearest_group_that_says_one) {
    fake_root root;
    root.v2("/a/b")
        .file("/sys/fs/cgroup/a/b/cpuset.cpus.effective", "\n")
        .file("/sys/fs/cgroup/a/cpuset.cpus.effective", "0-1\n")
        .file("/sys/fs/cgroup/cpuset.cpus.effective", "0-7\n");
    EXPECT_EQ(read_cgroup_cpuset(root.path()), (cpus{0, 1}));
}

TEST(machine, believes_the_scheduler_when_the_cpuset_contradicts_it) {
    fake_root root;
    root.v2("/").file("/sys/fs/cgroup/cpuset.cpus.effective", "8-9\n");
    EXPECT_EQ(read_allowance({0, 1}, root.path()).cpus, (cpus{0, 1}));
}

TEST(machine, ignores_what_it_cannot_understand) {
    fake_root root;
    root.v2("/a")
        .file("/sys/fs/cgroup/a/cpu.max", "plenty\n")
        .file("/sys/fs/cgroup/cpu.max", "0 0\n")
        .file("/sys/fs/cgroup/a/cpuset.cpus.effective", "all of them\n");
    const auto allowance = read_allowance({0}, root.path());
    EXPECT_FALSE(allowance.quota);
    EXPECT_EQ(allowance.cpus, cpus{0});
    root.file("/proc/self/mountinfo", "garbage\n1 2 - \n").file("/proc/self/cgroup", "0:\n::\n");
    EXPECT_FALSE(read_cgroup_quota(root.path()));
}

TEST(machine, plans_for_the_machine_the_tests_run_on) {
    const auto plan = plan_placement(machine_topology::discover(), read_allowance(), {});
    ASSERT_TRUE(plan) << plan.error();
    EXPECT_GE(plan->shards.size(), 1U);
    EXPECT_FALSE(plan->oversubscribed);
}

}  // namespace
}  // namespace shale
