// SPDX-License-Identifier: Apache-2.0
// What the test's program is linked with: a libcudart.so.13 with the symbol versions of NVIDIA's, of which nothing works. Only
// if the stand-in takes its place does the program do anything.
#include <cstdio>
#include <cstdlib>

namespace {
[[noreturn]] void called(const char* name) {
  std::fprintf(stderr, "the other runtime was called: %s\n", name);
  std::_Exit(99);
}
}  // namespace

#define FA4_FUNCTION(name) \
  extern "C" __attribute__((visibility("default"))) void name() { called(#name); }

FA4_FUNCTION(__cudaRegisterFatBinary)
FA4_FUNCTION(__cudaRegisterFatBinaryEnd)
FA4_FUNCTION(__cudaUnregisterFatBinary)
FA4_FUNCTION(__cudaRegisterFunction)
FA4_FUNCTION(__cudaRegisterVar)
FA4_FUNCTION(__cudaRegisterManagedVar)
FA4_FUNCTION(__cudaInitModule)
FA4_FUNCTION(__cudaPushCallConfiguration)
FA4_FUNCTION(__cudaPopCallConfiguration)
FA4_FUNCTION(__cudaGetKernel)
FA4_FUNCTION(__cudaLaunchKernel)
FA4_FUNCTION(cudaLaunchKernel)
FA4_FUNCTION(cudaLaunchKernelExC)
FA4_FUNCTION(cudaMalloc)
FA4_FUNCTION(cudaFree)
FA4_FUNCTION(cudaMallocHost)
FA4_FUNCTION(cudaMallocArray)
FA4_FUNCTION(cudaMemcpy)
FA4_FUNCTION(cudaMemcpyAsync)
FA4_FUNCTION(cudaMemset)
FA4_FUNCTION(cudaMemcpyToSymbol)
FA4_FUNCTION(cudaMemcpyFromSymbol)
FA4_FUNCTION(cudaFuncSetAttribute)
FA4_FUNCTION(cudaGetLastError)
FA4_FUNCTION(cudaDeviceSynchronize)
FA4_FUNCTION(cudaGetErrorString)
FA4_FUNCTION(cudaDeviceGetAttribute)
FA4_FUNCTION(cudaStreamCreate)
FA4_FUNCTION(cudaStreamBeginCapture)
FA4_FUNCTION(cudaStreamEndCapture)
FA4_FUNCTION(cudaGraphInstantiate)
FA4_FUNCTION(cudaGraphLaunch)
FA4_FUNCTION(cudaEventCreate)
FA4_FUNCTION(cudaEventRecord)
FA4_FUNCTION(cudaEventElapsedTime)
FA4_FUNCTION(cudaGetDriverEntryPointByVersion)
