// SPDX-License-Identifier: Apache-2.0
// What programs ask of the device, of kernels and of addresses, and pools, pitches and launches with attributes: prints "right".
#include <cuda_runtime.h>

#include <cstdio>
#include <cstdlib>
#include <cstring>

#include "check.h"

__global__ void __launch_bounds__(256) fill(float* x, size_t pitch, int width) {
  __shared__ float value[64];
  if (threadIdx.x < 64) value[threadIdx.x] = blockIdx.x;
  __syncthreads();
  float* row = reinterpret_cast<float*>(reinterpret_cast<char*>(x) + blockIdx.x * pitch);
  for (int i = threadIdx.x; i < width; i += blockDim.x) row[i] = value[i % 64];
}

void test_device() {
  int count = 0, value = 0;
  CHECK(cudaGetDeviceCount(&count) == cudaSuccess && count == 1);
  CHECK(cudaSetDevice(0) == cudaSuccess);
  cudaDeviceProp properties;
  CHECK(cudaGetDeviceProperties(&properties, 0) == cudaSuccess);
  CHECK(std::strstr(properties.name, "PTX machine") != nullptr);
  CHECK(properties.major == 9 && properties.minor == 0 && properties.multiProcessorCount == 132);
  CHECK(properties.warpSize == 32 && properties.maxThreadsPerBlock == 1024);
  CHECK(properties.sharedMemPerBlockOptin == 227 << 10 && properties.clusterLaunch == 1);
  CHECK(properties.maxGridSize[0] == 2147483647 && properties.maxGridSize[2] == 65535);
  CHECK(properties.l2CacheSize == 60 << 20 && properties.maxBlocksPerMultiProcessor == 32);
  CHECK(properties.reservedSharedMemPerBlock == 1024 && properties.memoryPoolsSupported == 1);
  CHECK(cudaDeviceGetAttribute(&value, cudaDevAttrMaxSharedMemoryPerBlockOptin, 0) == cudaSuccess);
  CHECK(value == 227 << 10);
  size_t free = 0, total = 0;
  CHECK(cudaMemGetInfo(&free, &total) == cudaSuccess && free > 0 && free <= total);
}

void test_kernel() {
  cudaFuncAttributes attributes;
  CHECK(cudaFuncGetAttributes(&attributes, fill) == cudaSuccess);
  CHECK(attributes.sharedSizeBytes == 256 && attributes.maxThreadsPerBlock == 256);
  CHECK(attributes.numRegs > 0 && attributes.binaryVersion == 90);
  int blocks = 0, block = 0, grid = 0;
  CHECK(cudaOccupancyMaxActiveBlocksPerMultiprocessor(&blocks, fill, 256, 100 << 10) ==
        cudaSuccess);
  CHECK(blocks == 2);
  CHECK(cudaOccupancyMaxPotentialBlockSize(&grid, &block, fill) == cudaSuccess);
  CHECK(block == 256 && grid % 132 == 0);
}

void test_pitch() {
  float *x, host[10][100];
  size_t pitch = 0;
  CHECK(cudaMallocPitch(&x, &pitch, 100 * sizeof(float), 10) == cudaSuccess && pitch % 512 == 0);
  cudaLaunchAttribute attribute;
  attribute.id = cudaLaunchAttributeProgrammaticStreamSerialization;
  attribute.val.programmaticStreamSerializationAllowed = 1;
  cudaLaunchConfig_t config = {};
  config.gridDim = 10;
  config.blockDim = 256;
  config.attrs = &attribute;
  config.numAttrs = 1;
  CHECK(cudaLaunchKernelEx(&config, fill, x, pitch, 100) == cudaSuccess);
  CHECK(cudaMemcpy2D(host, sizeof(host[0]), x, pitch, sizeof(host[0]), 10, cudaMemcpyDefault) ==
        cudaSuccess);
  for (int row = 0; row < 10; ++row) {
    for (const float value : host[row]) CHECK(value == row);
  }
  cudaPointerAttributes attributes;
  CHECK(cudaPointerGetAttributes(&attributes, x + 3) == cudaSuccess);
  CHECK(attributes.type == cudaMemoryTypeDevice && attributes.devicePointer == x + 3);
  CHECK(cudaPointerGetAttributes(&attributes, host) == cudaSuccess);
  CHECK(attributes.type == cudaMemoryTypeUnregistered);
  CHECK(cudaFree(x) == cudaSuccess);
}

void test_pool() {
  cudaStream_t stream;
  cudaMemPool_t pool;
  CHECK(cudaStreamCreateWithFlags(&stream, cudaStreamNonBlocking) == cudaSuccess);
  CHECK(cudaDeviceGetDefaultMemPool(&pool, 0) == cudaSuccess);
  unsigned long long threshold = 1 << 20, read = 0;
  CHECK(cudaMemPoolSetAttribute(pool, cudaMemPoolAttrReleaseThreshold, &threshold) == cudaSuccess);
  CHECK(cudaMemPoolGetAttribute(pool, cudaMemPoolAttrReleaseThreshold, &read) == cudaSuccess);
  CHECK(read == threshold);
  float *x, *host;
  CHECK(cudaMallocAsync(&x, 400, stream) == cudaSuccess);
  CHECK(cudaMallocHost(&host, 400) == cudaSuccess);
  fill<<<1, 64, 0, stream>>>(x, 0, 100);
  CHECK(cudaMemcpyAsync(host, x, 400, cudaMemcpyDeviceToHost, stream) == cudaSuccess);
  CHECK(cudaFreeAsync(x, stream) == cudaSuccess);
  CHECK(cudaStreamSynchronize(stream) == cudaSuccess && host[99] == 0);
  CHECK(cudaFreeHost(host) == cudaSuccess && cudaStreamDestroy(stream) == cudaSuccess);
}

int main() {
  test_device();
  test_kernel();
  test_pitch();
  test_pool();
  std::printf("right\n");
  return 0;
}
