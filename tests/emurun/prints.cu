// SPDX-License-Identifier: Apache-2.0
// Device and host print to one stream, in order; ends with code 3.
#include <cstdio>

__global__ void print(double value) {
  if (threadIdx.x == 0) std::printf("block %d of %u: %g\n", blockIdx.x, gridDim.x, value);
}

int main() {
  std::printf("before\n");
  print<<<2, 64>>>(1.5);
  if (cudaDeviceSynchronize() != cudaSuccess) return 1;
  std::printf("after\n");
  return 3;
}
