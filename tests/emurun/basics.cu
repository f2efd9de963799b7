// SPDX-License-Identifier: Apache-2.0
// Templates, symbols, managed and dynamic shared memory, streams, graphs: prints "right".
#include <cstdio>
#include <cstdlib>
#include <vector>

#include "check.h"

__constant__ float factors[4];
__device__ int counter = 5;
__managed__ int seen = 1;

struct Pair {
  char first;
  double second;
};

template <class T>
__global__ void axpy(Pair pair, const T* x, T* y, int count) {
  const int i = blockIdx.x * blockDim.x + threadIdx.x;
  if (i < count) y[i] += static_cast<T>(pair.second) * x[i] * static_cast<T>(factors[pair.first]);
  if (i == 0) {
    atomicAdd(&counter, 2);
    ++seen;
  }
}

__global__ void reverse(int* x) {
  extern __shared__ int pool[];
  pool[threadIdx.x] = x[threadIdx.x];
  __syncthreads();
  x[threadIdx.x] = pool[blockDim.x - 1 - threadIdx.x];
}

template <class T>
void test_axpy(int expected_seen) {
  const int count = 1000;
  std::vector<T> x(count), y(count);
  for (int i = 0; i < count; ++i) {
    x[i] = static_cast<T>(i);
    y[i] = static_cast<T>(7);
  }
  T *x_device, *y_device;
  CHECK(cudaMalloc(&x_device, count * sizeof(T)) == cudaSuccess);
  CHECK(cudaMalloc(&y_device, count * sizeof(T)) == cudaSuccess);
  CHECK(cudaMemcpy(x_device, x.data(), count * sizeof(T), cudaMemcpyHostToDevice) == cudaSuccess);
  CHECK(cudaMemcpy(y_device, y.data(), count * sizeof(T), cudaMemcpyHostToDevice) == cudaSuccess);
  const float two_at_3[4] = {0, 0, 0, 2};
  CHECK(cudaMemcpyToSymbol(factors, two_at_3, sizeof(two_at_3)) == cudaSuccess);
  axpy<<<4, 256>>>(Pair{3, 0.5}, x_device, y_device, count);
  CHECK(cudaDeviceSynchronize() == cudaSuccess);
  CHECK(cudaMemcpy(y.data(), y_device, count * sizeof(T), cudaMemcpyDeviceToHost) == cudaSuccess);
  for (int i = 0; i < count; ++i) CHECK(y[i] == static_cast<T>(7 + i));
  CHECK(seen == expected_seen);
  CHECK(cudaFree(x_device) == cudaSuccess && cudaFree(y_device) == cudaSuccess);
}

void test_reverse() {
  int* x;
  CHECK(cudaMallocManaged(&x, 1024 * sizeof(int)) == cudaSuccess);
  for (int i = 0; i < 1024; ++i) x[i] = i;
  CHECK(cudaFuncSetAttribute(reverse, cudaFuncAttributeMaxDynamicSharedMemorySize, 100 << 10) ==
        cudaSuccess);
  cudaStream_t stream, other;
  cudaEvent_t fork, join;
  CHECK(cudaStreamCreate(&stream) == cudaSuccess && cudaStreamCreate(&other) == cudaSuccess);
  CHECK(cudaEventCreate(&fork) == cudaSuccess && cudaEventCreate(&join) == cudaSuccess);
  CHECK(cudaStreamBeginCapture(stream, cudaStreamCaptureModeGlobal) == cudaSuccess);
  CHECK(cudaEventRecord(fork, stream) == cudaSuccess);
  CHECK(cudaStreamWaitEvent(other, fork) == cudaSuccess);
  reverse<<<1, 1024, 100 << 10, other>>>(x);
  CHECK(cudaEventRecord(join, other) == cudaSuccess);
  CHECK(cudaStreamWaitEvent(stream, join) == cudaSuccess);
  cudaGraph_t graph;
  cudaGraphExec_t exec;
  CHECK(cudaStreamEndCapture(stream, &graph) == cudaSuccess);
  CHECK(x[0] == 0);
  CHECK(cudaGraphInstantiate(&exec, graph) == cudaSuccess);
  for (int i = 0; i < 3; ++i) CHECK(cudaGraphLaunch(exec, stream) == cudaSuccess);
  CHECK(cudaStreamSynchronize(stream) == cudaSuccess);
  for (int i = 0; i < 1024; ++i) CHECK(x[i] == 1023 - i);
  CHECK(cudaGraphExecDestroy(exec) == cudaSuccess && cudaGraphDestroy(graph) == cudaSuccess);
  CHECK(cudaFree(x) == cudaSuccess);
}

int main() {
  CHECK(seen == 1);
  test_axpy<float>(2);
  test_axpy<double>(3);
  int value = 0;
  CHECK(cudaMemcpyFromSymbol(&value, counter, sizeof(value)) == cudaSuccess);
  CHECK(value == 9);
  test_reverse();
  CHECK(cudaGetLastError() == cudaSuccess);
  std::printf("right\n");
  return 0;
}
