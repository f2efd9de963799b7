// SPDX-License-Identifier: Apache-2.0
// A launch with clusters of an attribute and of the kernel, and shared memory of the other block: prints "right".
#include <cooperative_groups.h>

#include <cstdio>
#include <cstdlib>

#include "check.h"

namespace cg = cooperative_groups;

// Each block writes what its neighbour in the cluster has.
__device__ void exchange(int* x) {
  __shared__ int mine[128];
  cg::cluster_group cluster = cg::this_cluster();
  mine[threadIdx.x] = blockIdx.x * 1000 + threadIdx.x;
  cluster.sync();
  const unsigned other = (cluster.block_rank() + 1) % cluster.num_blocks();
  x[blockIdx.x * 128 + threadIdx.x] = cluster.map_shared_rank(mine, other)[threadIdx.x];
  cluster.sync();
}

__global__ void by_attribute(int* x) { exchange(x); }
__global__ void __cluster_dims__(2, 1, 1) by_kernel(int* x) { exchange(x); }

void check(int* x, int size) {
  CHECK(cudaDeviceSynchronize() == cudaSuccess);
  for (int block = 0; block < 8; ++block) {
    const int other = block / size * size + (block + 1) % size;
    for (int i = 0; i < 128; ++i) CHECK(x[block * 128 + i] == other * 1000 + i);
  }
}

int main() {
  int* x;
  CHECK(cudaMallocManaged(&x, 8 * 128 * sizeof(int)) == cudaSuccess);
  cudaLaunchAttribute attribute;
  attribute.id = cudaLaunchAttributeClusterDimension;
  attribute.val.clusterDim.x = 4;
  attribute.val.clusterDim.y = attribute.val.clusterDim.z = 1;
  cudaLaunchConfig_t config = {};
  config.gridDim = 8;
  config.blockDim = 128;
  config.attrs = &attribute;
  config.numAttrs = 1;
  int clusters = 0;
  CHECK(cudaOccupancyMaxActiveClusters(&clusters, by_attribute, &config) == cudaSuccess);
  CHECK(clusters > 0);
  CHECK(cudaLaunchKernelEx(&config, by_attribute, x) == cudaSuccess);
  check(x, 4);
  by_kernel<<<8, 128>>>(x);
  check(x, 2);
  std::printf("right\n");
  return 0;
}
