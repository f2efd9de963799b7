// SPDX-License-Identifier: Apache-2.0
// cudaDeviceProp and its kin, as the headers of CUDA 13 and of CUDA 12 lay them out; each has its own function.
#pragma once

#include <cstddef>

namespace fa4::emurun {

struct DeviceProperties {
  char name[256];
  char uuid[16], luid[8];
  unsigned node_mask;
  size_t global_bytes, shared_per_block;
  int registers_per_block, warp;
  size_t pitch;
  int threads_per_block, block[3], grid[3];
  size_t const_bytes;
  int major, minor;
  size_t texture_alignment, texture_pitch_alignment;
  int multiprocessors, integrated, can_map_host_memory;
  int textures[39];  // and surfaces: their greatest extents
  size_t surface_alignment;
  int concurrent_kernels, ecc, pci_bus, pci_device, pci_domain, tcc_driver, copy_engines,
      unified_addresses, memory_bus_width, l2_bytes, persisting_l2_bytes,
      threads_per_multiprocessor, stream_priorities, global_l1, local_l1;
  size_t shared_per_multiprocessor;
  int registers_per_multiprocessor, managed_memory, multi_gpu, multi_gpu_group, host_native_atomics,
      pageable_memory, concurrent_managed, preemption, host_pointer_for_registered,
      cooperative_launch;
  size_t shared_per_block_optin;
  int host_page_tables, direct_managed_access, blocks_per_multiprocessor, policy_window;
  size_t reserved_shared;
  int host_register, sparse_arrays, host_register_read_only, timeline_semaphores, memory_pools,
      rdma;
  unsigned rdma_flush;
  int rdma_order;
  unsigned pool_handles;
  int deferred_arrays, ipc_events, cluster_launch, unified_functions, numa[2], mps, host_numa;
  unsigned pci_ids[2];
  int host_numa_ipc;
  int reserved[56];
};
static_assert(offsetof(DeviceProperties, multiprocessors) == 384);
static_assert(offsetof(DeviceProperties, shared_per_block_optin) == 672);
static_assert(offsetof(DeviceProperties, cluster_launch) == 748);
static_assert(sizeof(DeviceProperties) == 1008);

struct DeviceProperties12 {
  char name[256];
  char uuid[16], luid[8];
  unsigned node_mask;
  size_t global_bytes, shared_per_block;
  int registers_per_block, warp;
  size_t pitch;
  int threads_per_block, block[3], grid[3], clock_khz;
  size_t const_bytes;
  int major, minor;
  size_t texture_alignment, texture_pitch_alignment;
  int overlap, multiprocessors, execution_timeout, integrated, can_map_host_memory, compute_mode;
  int textures[40];
  size_t surface_alignment;
  int concurrent_kernels, ecc, pci_bus, pci_device, pci_domain, tcc_driver, copy_engines,
      unified_addresses, memory_clock_khz, memory_bus_width, l2_bytes, persisting_l2_bytes,
      threads_per_multiprocessor, stream_priorities, global_l1, local_l1;
  size_t shared_per_multiprocessor;
  int registers_per_multiprocessor, managed_memory, multi_gpu, multi_gpu_group, host_native_atomics,
      double_ratio, pageable_memory, concurrent_managed, preemption, host_pointer_for_registered,
      cooperative_launch, cooperative_multi_device;
  size_t shared_per_block_optin;
  int host_page_tables, direct_managed_access, blocks_per_multiprocessor, policy_window;
  size_t reserved_shared;
  int host_register, sparse_arrays, host_register_read_only, timeline_semaphores, memory_pools,
      rdma;
  unsigned rdma_flush;
  int rdma_order;
  unsigned pool_handles;
  int deferred_arrays, ipc_events, cluster_launch, unified_functions;
  int reserved[63];
};
static_assert(sizeof(DeviceProperties12) == 1032);

struct ChannelFormat {  // cudaChannelFormatDesc
  int x, y, z, w, kind;
};

}  // namespace fa4::emurun
