// SPDX-License-Identifier: Apache-2.0
// A mistake: the barrier between writing and reading is missing.
#include <cstdio>

__global__ void rotate(int* x) {
  __shared__ int pool[128];
  pool[threadIdx.x] = x[threadIdx.x];
  x[threadIdx.x] = pool[(threadIdx.x + 64) % 128];
}

int main() {
  int* x;
  if (cudaMalloc(&x, 512) != cudaSuccess || cudaMemset(x, 0, 512) != cudaSuccess) return 1;
  rotate<<<1, 128>>>(x);
  return cudaDeviceSynchronize() == cudaSuccess ? 0 : 1;
}
