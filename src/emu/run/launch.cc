// SPDX-License-Identifier: Apache-2.0
#include "emu/run/launch.h"

#include <fmt/format.h>

namespace fa4::emu {
namespace {

std::string text_of_extents(const std::array<uint32_t, 3>& extents) {
  return fmt::format("({}, {}, {})", extents[0], extents[1], extents[2]);
}

void check_cluster(const KernelLaunch& launch, const Program& program,
                   const MachineOptions& options) {
  const std::string cluster = text_of_extents(launch.cluster);
  const uint64_t size = volume_of_launch(launch.cluster);
  if (program.required_cluster[0] != 0 && program.required_cluster != launch.cluster) {
    throw MachineError(fmt::format("cluster is {}; the kernel requires {} (.reqnctapercluster)",
                                   cluster, text_of_extents(program.required_cluster)));
  }
  if (size == 1) return;
  if (options.arch < 90) {
    throw MachineError(fmt::format("cluster is {}; sm_{} has no clusters", cluster, options.arch));
  }
  const uint64_t most = launch.non_portable_cluster ? 16 : 8;
  if (size == 0 || size > most) {
    throw MachineError(fmt::format("cluster is {}; it may have 1 to {} CTAs{}", cluster, most,
                                   launch.non_portable_cluster ? "" : ", as every device allows"));
  }
  if (program.max_cluster != 0 && size > program.max_cluster) {
    throw MachineError(fmt::format("cluster is {}; the kernel allows {} CTAs (.maxclusterrank)",
                                   cluster, program.max_cluster));
  }
  for (size_t i = 0; i < 3; ++i) {
    if (launch.grid[i] % launch.cluster[i] != 0) {
      throw MachineError(fmt::format("grid is {}; it must be a multiple of the cluster, {}",
                                     text_of_extents(launch.grid), cluster));
    }
  }
}

}  // namespace

void complete_launch(KernelLaunch* launch, const Program& program) {
  if (volume_of_launch(launch->cluster) == 1 && program.required_cluster[0] != 0) {
    launch->cluster = program.required_cluster;
  }
  if (!program.blocks_are_clusters) return;
  if (program.required_cluster[0] == 0 || program.required_threads[0] == 0) {
    throw MachineError("a kernel with .blocksareclusters needs .reqntid and .reqnctapercluster");
  }
  for (size_t i = 0; i < 3; ++i) {
    const uint64_t blocks = uint64_t{launch->grid[i]} * program.required_cluster[i];
    if (blocks > 0x7fffffff) {
      throw MachineError(fmt::format("grid is {} clusters of {} blocks (.blocksareclusters)",
                                     text_of_extents(launch->grid),
                                     text_of_extents(program.required_cluster)));
    }
    launch->grid[i] = static_cast<uint32_t>(blocks);
  }
}

void check_launch(const KernelLaunch& launch, const Program& program,
                  const MachineOptions& options) {
  const uint64_t threads = volume_of_launch(launch.block);
  if (threads == 0 || threads > 1024 || launch.block[0] > 1024 || launch.block[1] > 1024 ||
      launch.block[2] > 64) {
    throw MachineError(fmt::format("block is {}; it must have 1 to 1024 threads, at most 64 in z",
                                   text_of_extents(launch.block)));
  }
  if (volume_of_launch(launch.grid) == 0 || launch.grid[0] > 0x7fffffff || launch.grid[1] > 65535 ||
      launch.grid[2] > 65535 || volume_of_launch(launch.grid) > 0x7fffffff) {
    throw MachineError(
        fmt::format("grid is {}; it must be positive, at most 2147483647 in x and in "
                    "all and 65535 in y and z",
                    text_of_extents(launch.grid)));
  }
  check_cluster(launch, program, options);
  if (program.required_threads[0] != 0 && program.required_threads != launch.block) {
    throw MachineError(fmt::format("block is {}; the kernel requires {} (.reqntid)",
                                   text_of_extents(launch.block),
                                   text_of_extents(program.required_threads)));
  }
  if (program.max_threads[0] != 0 && threads > volume_of_launch(program.max_threads)) {
    throw MachineError(fmt::format("block has {} threads; the kernel allows {} (.maxntid)", threads,
                                   volume_of_launch(program.max_threads)));
  }
  const uint64_t shared =
      uint64_t{program.dynamic_shared_base} - kReservedShared + launch.dynamic_shared_bytes;
  const bool datacenter = options.arch / 10 == 9 || options.arch / 10 == 10;
  const uint64_t most = (options.arch == 80 ? 163 : datacenter ? 227 : 99) << 10;
  if (shared > most) {
    throw MachineError(
        fmt::format("the launch asks for {} bytes of shared memory; sm_{} has {} for a "
                    "block",
                    shared, options.arch, most));
  }
  if (launch.params.size() != program.param_bytes) {
    throw MachineError(fmt::format("{} bytes of parameters are given; {} takes {}",
                                   launch.params.size(), program.entry, program.param_bytes));
  }
}

}  // namespace fa4::emu
