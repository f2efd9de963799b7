// SPDX-License-Identifier: Apache-2.0
// What launches have chosen where their policy was free: written to a file, and followed again from it.
//
//   fa4 schedule 1
//   launch kernel grid 2 1 1 block 64 1 1 cluster 1 1 1 policy random seed 7
//   cluster 0 3/5 1/2
//   cluster 1 0/2
//
// 3/5: the fourth of five things that could have happened next.
#pragma once

#include <array>
#include <cstdint>
#include <cstdio>
#include <map>
#include <mutex>
#include <string>
#include <vector>

#include "emu/machine/random.h"
#include "emu/run/machine.h"

namespace fa4::emu {

struct LaunchSchedule {
  std::string entry;
  std::array<uint32_t, 3> grid{}, block{}, cluster{};
  Policy policy = Policy::Eager;
  uint64_t seed = 0;
  uint32_t starved = 0;                                // warps of every CTA: "policy starve:0x1000"
  std::map<uint32_t, std::vector<Decision>> clusters;  // by index

  // Threads of the host that run different clusters ask at once.
  std::vector<Decision>* decisions_of(uint32_t cluster) {
    const std::lock_guard lock(mutex_);
    return &clusters[cluster];
  }

  LaunchSchedule() = default;
  LaunchSchedule(const KernelLaunch& launch, Policy its_policy, uint64_t its_seed)
      : entry(launch.entry),
        grid(launch.grid),
        block(launch.block),
        cluster(launch.cluster),
        policy(its_policy),
        seed(its_seed) {}
  LaunchSchedule(LaunchSchedule&& other) noexcept
      : entry(std::move(other.entry)),
        grid(other.grid),
        block(other.block),
        cluster(other.cluster),
        policy(other.policy),
        seed(other.seed),
        starved(other.starved),
        clusters(std::move(other.clusters)) {}

  bool is_of(const KernelLaunch& launch) const {
    return entry == launch.entry && grid == launch.grid && block == launch.block &&
           cluster == launch.cluster;
  }
  std::string place() const;  // "kernel, grid (2, 1, 1), block (64, 1, 1), cluster (1, 1, 1)"

 private:
  std::mutex mutex_;
};

// All of a file. Throws MachineError: it cannot be read, or is none.
std::vector<LaunchSchedule> read_schedules(const std::string& path);

// A file whose launches are followed, one after the other.
class ScheduleReader {
 public:
  explicit ScheduleReader(const std::string& path);
  // Of the launch that is next. Throws MachineError: the file has no further one, or one of another kernel.
  LaunchSchedule& next(const KernelLaunch& launch);
  const std::string& path() const { return path_; }

 private:
  std::string path_;
  std::vector<LaunchSchedule> launches_;
  size_t num_followed_ = 0;
};

// A file that launches are added to.
class ScheduleWriter {
 public:
  explicit ScheduleWriter(const std::string& path);
  ~ScheduleWriter();
  ScheduleWriter(const ScheduleWriter&) = delete;
  ScheduleWriter& operator=(const ScheduleWriter&) = delete;

  void add(const LaunchSchedule& launch);

 private:
  std::string path_;
  std::FILE* file_;
};

}  // namespace fa4::emu
