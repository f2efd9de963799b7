// SPDX-License-Identifier: Apache-2.0
// The part of the CUDA runtime's interface that the test's program uses, declared as nvcc's headers declare it, so that no
// toolkit is needed.
#pragma once

#include <cstddef>
#include <cstdint>

struct dim3 {
  unsigned x = 1, y = 1, z = 1;
};

struct LaunchAttribute {
  int id;
  int padding;
  unsigned value[16];
};

struct LaunchConfig {
  dim3 grid, block;
  size_t shared;
  void* stream;
  LaunchAttribute* attributes;
  unsigned num_attributes;
};

extern "C" {
void** __cudaRegisterFatBinary(void* image);
void __cudaRegisterFatBinaryEnd(void** handle);
void __cudaUnregisterFatBinary(void** handle);
void __cudaRegisterFunction(void** handle, const char* host, char* device, const char* name,
                            int limit, void* tid, void* bid, void* block, void* grid, int* warp);
void __cudaRegisterVar(void** handle, char* host, char* device, const char* name, int ext,
                       size_t bytes, int constant, int global);
void __cudaRegisterManagedVar(void** handle, void** host, char* device, const char* name, int ext,
                              size_t bytes, int constant, int global);
char __cudaInitModule(void** handle);
unsigned __cudaPushCallConfiguration(dim3 grid, dim3 block, size_t shared, void* stream);
int __cudaPopCallConfiguration(dim3* grid, dim3* block, size_t* shared, void* stream);
int __cudaGetKernel(void** kernel, const void* function);
int __cudaLaunchKernel(void* kernel, dim3 grid, dim3 block, void** arguments, size_t shared,
                       void* stream);
int cudaLaunchKernel(const void* function, dim3 grid, dim3 block, void** arguments, size_t shared,
                     void* stream);
int cudaLaunchKernelExC(const LaunchConfig* config, const void* function, void** arguments);
int cudaMalloc(void** pointer, size_t bytes);
int cudaFree(void* pointer);
int cudaMallocHost(void** pointer, size_t bytes);
int cudaMallocArray(void** array, const void* format, size_t width, size_t height, unsigned flags);
int cudaMemcpy(void* to, const void* from, size_t bytes, int kind);
int cudaMemcpyAsync(void* to, const void* from, size_t bytes, int kind, void* stream);
int cudaMemset(void* to, int value, size_t bytes);
int cudaMemcpyToSymbol(const void* symbol, const void* from, size_t bytes, size_t offset, int kind);
int cudaMemcpyFromSymbol(void* to, const void* symbol, size_t bytes, size_t offset, int kind);
int cudaFuncSetAttribute(const void* function, int attribute, int value);
int cudaGetLastError();
int cudaDeviceSynchronize();
const char* cudaGetErrorString(int code);
int cudaDeviceGetAttribute(int* value, int attribute, int device);
int cudaStreamCreate(void** stream);
int cudaStreamBeginCapture(void* stream, int mode);
int cudaStreamEndCapture(void* stream, void** graph);
int cudaGraphInstantiate(void** exec, void* graph, unsigned long long flags);
int cudaGraphLaunch(void* exec, void* stream);
int cudaEventCreate(void** event);
int cudaEventRecord(void* event, void* stream);
int cudaEventElapsedTime(float* milliseconds, void* begin, void* end);
int cudaGetDriverEntryPointByVersion(const char* name, void** function, unsigned version,
                                     unsigned long long flags, int* status);
}
