// Control groups as containers show them, written to a directory; the real machine as a check of sanity.
#include "engine/memory_plan.h"
#include "engine/system_info.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>

namespace kedge::engine {
namespace {

class Cgroup : public ::testing::Test {
 protected:
  void SetUp() override {
    root_ = std::filesystem::temp_directory_path() / ("kedge_cgroup_" + std::to_string(getpid()) + "_" +
                                                      ::testing::UnitTest::GetInstance()->current_test_info()->name());
    std::filesystem::remove_all(root_);
  }
  void TearDown() override { std::filesystem::remove_all(root_); }
  void write(const std::string& path, const std::string& text) {
    const std::filesystem::path full = root_.string() + path;
    std::filesystem::create_directories(full.parent_path());
    std::ofstream(full) << text;
  }
  CgroupLimits limits() const { return read_cgroup_limits(root_.string()); }
  std::filesystem::path root_;
};

TEST_F(Cgroup, NothingThereIsNoLimit) {
  const auto l = limits();
  EXPECT_EQ(l.version, 0);
  EXPECT_FALSE(l.cpus || l.memory_bytes);
}

TEST_F(Cgroup, V2TakesTheTightestEnclosingGroup) {
  write("/proc/self/mountinfo", "35 24 0:30 / /sys/fs/cgroup rw,nosuid shared:9 - cgroup2 cgroup2 rw,nsdelegate\n");
  write("/proc/self/cgroup", "0::/a/b/c\n");
  write("/sys/fs/cgroup/a/b/c/cpu.max", "max 100000\n");
  write("/sys/fs/cgroup/a/b/cpu.max", "250000 100000\n");
  write("/sys/fs/cgroup/a/cpu.max", "400000 100000\n");
  write("/sys/fs/cgroup/a/b/c/memory.max", "2000000000\n");
  write("/sys/fs/cgroup/a/memory.max", "1000000000\n");
  const auto l = limits();
  EXPECT_EQ(l.version, 2);
  EXPECT_EQ(*l.cpus, 2.5);
  EXPECT_EQ(l.cpu_group, "/sys/fs/cgroup/a/b");
  EXPECT_EQ(*l.memory_bytes, 1000000000u);
  EXPECT_EQ(l.memory_group, "/sys/fs/cgroup/a");
}

TEST_F(Cgroup, WhatDoesNotFitIsRefusedWithTheNumbers) {
  EXPECT_TRUE(check_fits(uint64_t{1} << 50, 0, limits(), "the weights take", "").ok());  // no limit
  write("/proc/self/mountinfo", "35 24 0:30 / /sys/fs/cgroup rw,nosuid shared:9 - cgroup2 cgroup2 rw,nsdelegate\n");
  write("/proc/self/cgroup", "0::/a\n");
  write("/sys/fs/cgroup/a/memory.max", "67108864\n");
  EXPECT_TRUE(check_fits(60 << 20, 4 << 20, limits(), "the weights take", "").ok());
  const Status over = check_fits(61 << 20, 4 << 20, limits(), "m.gguf: the weights take", "; take another one");
  ASSERT_FALSE(over.ok());
  EXPECT_EQ(over.error().code, ErrorCode::kCapacity);
  EXPECT_EQ(over.error().message,
            "m.gguf: the weights take 61.0 MiB, 4.0 MiB are in use, and the memory limit of this process's control "
            "group (/sys/fs/cgroup/a) is 64.0 MiB; take another one");
  EXPECT_FALSE(check_fits(~uint64_t{0}, 4 << 20, limits(), "", "").ok());
  EXPECT_FALSE(check_fits(0, 100 << 20, limits(), "", "").ok());
  EXPECT_GT(bytes_in_use(), 0u);
}

TEST_F(Cgroup, V2InsideAContainer) {
  write("/proc/self/mountinfo", "35 24 0:30 / /sys/fs/cgroup ro - cgroup2 cgroup rw\n");
  write("/proc/self/cgroup", "0::/\n");
  write("/sys/fs/cgroup/cpu.max", "150000 100000\n");
  write("/sys/fs/cgroup/memory.max", "max\n");
  EXPECT_EQ(*limits().cpus, 1.5);
  EXPECT_FALSE(limits().memory_bytes);
}

TEST_F(Cgroup, V1WithTheContainersGroupMountedAsTheTop) {
  write("/proc/self/mountinfo",
        "30 20 0:26 /docker/abc /sys/fs/cgroup/cpu,cpuacct ro - cgroup cgroup rw,cpu,cpuacct\n"
        "31 20 0:27 /docker/abc /sys/fs/cgroup/my\\040memory ro - cgroup cgroup rw,memory\n"
        "32 20 0:28 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw\n");
  write("/proc/self/cgroup", "4:memory:/docker/abc\n3:cpu,cpuacct:/docker/abc/inner\n1:name=systemd:/x\n0::/\n");
  write("/sys/fs/cgroup/cpu,cpuacct/cpu.cfs_quota_us", "300000\n");
  write("/sys/fs/cgroup/cpu,cpuacct/cpu.cfs_period_us", "100000\n");
  write("/sys/fs/cgroup/cpu,cpuacct/inner/cpu.cfs_quota_us", "-1\n");
  write("/sys/fs/cgroup/cpu,cpuacct/inner/cpu.cfs_period_us", "100000\n");
  write("/sys/fs/cgroup/my memory/memory.limit_in_bytes", "536870912\n");
  const auto l = limits();
  EXPECT_EQ(l.version, 1);
  EXPECT_EQ(*l.cpus, 3.0);
  EXPECT_EQ(*l.memory_bytes, 536870912u);
}

TEST_F(Cgroup, V1NoLimit) {
  write("/proc/self/mountinfo",
        "30 20 0:26 / /sys/fs/cgroup/cpu rw - cgroup cgroup rw,cpu\n31 20 0:27 / /sys/fs/cgroup/memory rw - cgroup c "
        "rw,memory\n");
  write("/proc/self/cgroup", "4:memory:/\n3:cpu:/\n");
  write("/sys/fs/cgroup/cpu/cpu.cfs_quota_us", "-1\n");
  write("/sys/fs/cgroup/cpu/cpu.cfs_period_us", "100000\n");
  write("/sys/fs/cgroup/memory/memory.limit_in_bytes", "9223372036854771712\n");
  EXPECT_EQ(limits().version, 1);
  EXPECT_FALSE(limits().cpus || limits().memory_bytes);
}

TEST_F(Cgroup, GarbageIsNoLimit) {
  write("/proc/self/mountinfo", "x\n - \n35 24 0:30 / /sys/fs/cgroup rw - cgroup2 cgroup2 rw\n35 - cgroup2\n");
  write("/proc/self/cgroup", "garbage\n0::/../../outside\n");
  write("/sys/fs/cgroup/cpu.max", "100000 0\n");
  write("/sys/fs/cgroup/memory.max", "lots\n");
  EXPECT_FALSE(limits().cpus || limits().memory_bytes);
}

TEST(Threads, StayWithinTheQuota) {
  CgroupLimits quota;
  EXPECT_EQ(threads_for(8, quota), 8);
  quota.cpus = 2.5;
  EXPECT_EQ(threads_for(8, quota), 2);
  EXPECT_EQ(threads_for(1, quota), 1);
  quota.cpus = 0.3;
  EXPECT_EQ(threads_for(8, quota), 1);
  EXPECT_GE(default_threads(), 1);
}

TEST(SystemInfo, ThisMachine) {
  const SystemInfo info = system_info();
  EXPECT_GE(info.cpus_allowed, 1);
  EXPECT_GE(info.cpus_online, info.cores_allowed);
  EXPECT_GT(info.memory_total, 0u);
  EXPECT_EQ(info.isas.back(), "reference");
  EXPECT_EQ(info.default_threads, default_threads());
  const auto json = nlohmann::json::parse(system_info_json(info));
  EXPECT_EQ(json["default_threads"], info.default_threads);
  EXPECT_EQ(json["memory"]["total_bytes"], info.memory_total);
  EXPECT_TRUE(json["cgroup"]["cpu_quota"].is_null() || json["cgroup"]["cpu_quota"].is_number());
}

}  // namespace
}  // namespace kedge::engine
