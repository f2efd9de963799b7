// SPDX-License-Identifier: Apache-2.0
// A CUDA program as nvcc would make it, without nvcc: `program MODE [NUMBER]`. What is wrong ends it with code 1 and the line.
#include <array>
#include <chrono>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>
#include <thread>
#include <vector>

#include "../check.h"
#include "../fatbin_bytes.h"
#include "cuda.h"
#include "kernels.h"

namespace {

using namespace fa4::emurun::testing;  // NOLINT

constexpr int kCount = 1000;

// What nvcc makes of __global__ functions and variables for the host: addresses.
char add_host, reverse_host, factors_host, counter_host;
void* arch_host;
void** handle;

void load(const std::vector<Part>& parts) {
  static std::string binary;
  static Wrapper wrapper;
  binary = fat_binary(parts);
  wrapper.data = binary.data();
  handle = __cudaRegisterFatBinary(&wrapper);
  const auto function = [](char* host, const char* name) {
    __cudaRegisterFunction(handle, host, host, name, -1, nullptr, nullptr, nullptr, nullptr,
                           nullptr);
  };
  function(&add_host, "add");
  function(&reverse_host, "reverse");
  __cudaRegisterVar(handle, &factors_host, &factors_host, "factors", 0, 16, 1, 0);
  __cudaRegisterVar(handle, &counter_host, &counter_host, "counter", 0, 4, 0, 0);
  __cudaRegisterManagedVar(handle, &arch_host, &counter_host, "arch", 0, 4, 0, 0);
  __cudaRegisterFatBinaryEnd(handle);
  std::atexit([] { __cudaUnregisterFatBinary(handle); });
}

struct Vectors {
  std::array<float, kCount> x, y;
  float* device[3] = {};

  Vectors() {
    for (int i = 0; i < kCount; ++i) {
      x[i] = static_cast<float>(i);
      y[i] = static_cast<float>(2 * i + 1);
    }
    for (float*& one : device) CHECK(cudaMalloc(reinterpret_cast<void**>(&one), kCount * 4) == 0);
    const float factors[4] = {9, 3, 9, 9};
    CHECK(cudaMemcpyToSymbol(&factors_host, factors, 16, 0, 1) == 0);
    CHECK(cudaMemcpy(device[0], x.data(), kCount * 4, 1) == 0);
    CHECK(cudaMemcpy(device[1], y.data(), kCount * 4, 1) == 0);
  }

  void check() const {
    std::array<float, kCount> z;
    CHECK(cudaMemcpy(z.data(), device[2], kCount * 4, 2) == 0);
    for (int i = 0; i < kCount; ++i) CHECK(z[i] == 5.0f * static_cast<float>(i) + 1);
    int counter = 0;
    CHECK(cudaMemcpyFromSymbol(&counter, &counter_host, 4, 0, 2) == 0);
    CHECK(counter == kCount);
    for (float* one : device) CHECK(cudaFree(one) == 0);
  }
};

// As nvcc writes add<<<grid, block, 0, stream>>>(…).
int launch_add(Vectors& on, int count, dim3 block = {256, 1, 1}, void* stream = nullptr) {
  void* arguments[] = {&on.device[0], &on.device[1], &on.device[2], &count};
  void* kernel = nullptr;
  if (__cudaGetKernel(&kernel, &add_host) != 0) return cudaGetLastError();
  dim3 grid;
  size_t shared = 0;
  CHECK(__cudaPushCallConfiguration({4, 1, 1}, block, 0, stream) == 0);
  CHECK(__cudaPopCallConfiguration(&grid, &block, &shared, &stream) == 0);
  return __cudaLaunchKernel(kernel, grid, block, arguments, shared, stream);
}

int add(const std::vector<Part>& parts) {
  load(parts);
  Vectors vectors;
  CHECK(launch_add(vectors, kCount) == 0);
  CHECK(cudaDeviceSynchronize() == 0);
  vectors.check();
  CHECK(__cudaInitModule(handle) == 1);
  std::printf("right, by the PTX for %d\n", *static_cast<int*>(arch_host));
  return 0;
}

int bounds() {
  load({{true, 80, kernels_for("sm_80"), Compression::None}});
  Vectors vectors;
  CHECK(launch_add(vectors, kCount + 8) == 0);  // and goes on
  float beyond = 0;
  CHECK(cudaMemcpy(&beyond, vectors.device[2] + kCount, 4, 2) == 1);
  std::printf("%s\n", cudaGetErrorString(cudaGetLastError()));
  return 0;
}

int shared_memory() {
  load({{true, 80, kernels_for("sm_80"), Compression::None}});
  std::array<int, 512> x;
  for (int i = 0; i < 512; ++i) x[i] = i;
  void* device = nullptr;
  CHECK(cudaMalloc(&device, sizeof(x)) == 0);
  CHECK(cudaMemcpy(device, x.data(), sizeof(x), 1) == 0);
  int count = 512;
  void* arguments[] = {&device, &count};
  const size_t bytes = 100 << 10;
  CHECK(cudaLaunchKernel(&reverse_host, {}, {512, 1, 1}, arguments, bytes, nullptr) == 1);
  CHECK(cudaFuncSetAttribute(&reverse_host, 8, 1 << 20) == 1);
  CHECK(cudaFuncSetAttribute(&reverse_host, 8, bytes) == 0);
  CHECK(cudaGetLastError() == 1);
  CHECK(cudaGetLastError() == 0);
  LaunchAttribute attributes[2] = {{6, 0, {1}},
                                   {4, 0, {1, 1, 1}}};  // programmatic launch; clusters of 1
  const LaunchConfig config = {{}, {512, 1, 1}, bytes, nullptr, attributes, 2};
  CHECK(cudaLaunchKernelExC(&config, &reverse_host, arguments) == 0);
  CHECK(cudaMemcpy(x.data(), device, sizeof(x), 4) == 0);
  for (int i = 0; i < 512; ++i) CHECK(x[i] == 511 - i);
  return 0;
}

int graph() {
  load({{true, 80, kernels_for("sm_80"), Compression::None}});
  Vectors vectors;
  void *stream = nullptr, *captured = nullptr, *exec = nullptr, *begin = nullptr, *end = nullptr;
  CHECK(cudaStreamCreate(&stream) == 0);
  CHECK(cudaStreamBeginCapture(stream, 0) == 0);
  CHECK(cudaMemcpyAsync(vectors.device[1], vectors.device[2], kCount * 4, 3, stream) == 0);
  CHECK(launch_add(vectors, kCount, {256, 1, 1}, stream) == 0);
  CHECK(cudaStreamEndCapture(stream, &captured) == 0);
  CHECK(cudaGraphInstantiate(&exec, captured, 0) == 0);
  CHECK(cudaMemcpy(vectors.device[2], vectors.y.data(), kCount * 4, 1) == 0);
  CHECK(cudaEventCreate(&begin) == 0 && cudaEventCreate(&end) == 0);
  CHECK(cudaEventRecord(begin, stream) == 0);
  for (int i = 0; i < 3; ++i) CHECK(cudaGraphLaunch(exec, stream) == 0);
  CHECK(cudaEventRecord(end, stream) == 0);
  float milliseconds = -1;
  CHECK(cudaEventElapsedTime(&milliseconds, begin, end) == 0 && milliseconds > 0);
  std::array<float, kCount> z;
  CHECK(cudaMemcpy(z.data(), vectors.device[2], kCount * 4, 2) == 0);
  for (int i = 0; i < kCount; ++i) CHECK(z[i] == vectors.y[i] + 9 * vectors.x[i]);
  return 0;
}

// What the driver gives by name, and a module that is loaded by hand.
int driver() {
  const auto named = [](const char* name) {
    void* function = nullptr;
    int status = -1;
    CHECK(cudaGetDriverEntryPointByVersion(name, &function, 12000, 0, &status) == 0);
    CHECK(status == (function == nullptr ? 1 : 0));
    return function;
  };
  CHECK(named("cuNoSuchFunction") == nullptr);
  CHECK(named("cuTexObjectCreate") == nullptr);
  using Address = unsigned long long;
  auto* const allocate = reinterpret_cast<int (*)(Address*, size_t)>(named("cuMemAlloc"));
  auto* const load_data = reinterpret_cast<int (*)(void**, const void*)>(named("cuModuleLoadData"));
  auto* const function =
      reinterpret_cast<int (*)(void**, void*, const char*)>(named("cuModuleGetFunction"));
  auto* const set = reinterpret_cast<int (*)(Address, unsigned, size_t)>(named("cuMemsetD32"));
  using Launch = int(void*, unsigned, unsigned, unsigned, unsigned, unsigned, unsigned, unsigned,
                     void*, void**, void**);
  auto* const launch = reinterpret_cast<Launch*>(named("cuLaunchKernel"));
  Address x = 0;
  void *module = nullptr, *kernel = nullptr;
  CHECK(allocate(&x, 256) == 0 && set(x, 7, 64) == 0 && set(x, 5, 32) == 0);
  CHECK(load_data(&module, kernels_for("sm_80").c_str()) == 0);
  CHECK(function(&kernel, module, "nothing") == 500);
  CHECK(function(&kernel, module, "reverse") == 0);
  struct {
    Address x;
    int count;
  } packed = {x, 64};
  size_t bytes = 12;
  void* extra[] = {reinterpret_cast<void*>(1), &packed, reinterpret_cast<void*>(2), &bytes,
                   nullptr};
  CHECK(launch(kernel, 1, 1, 1, 64, 1, 1, 256, nullptr, nullptr, extra) == 0);
  std::array<int, 64> back;
  CHECK(cudaMemcpy(back.data(), reinterpret_cast<void*>(x), 256, 2) == 0);
  for (int i = 0; i < 64; ++i) CHECK(back[i] == (i < 32 ? 7 : 5));
  return 0;
}

// What CUDA refuses, and what is not served, is a code and no crash.
int refusals() {
  load({{true, 80, kernels_for("sm_80"), Compression::None}});
  Vectors vectors;
  CHECK(launch_add(vectors, kCount, {2048, 1, 1}) == 9);
  CHECK(launch_add(vectors, kCount, {0, 1, 1}) == 9);
  void* array = nullptr;
  CHECK(cudaMallocArray(&array, nullptr, 1, 1, 0) == 801);
  CHECK(cudaMemcpy(vectors.x.data(), vectors.device[0], kCount * 4 + 1, 2) == 1);
  CHECK(cudaMemcpy(vectors.x.data(), vectors.y.data(), 4, 2) == 1);  // no device's memory
  CHECK(cudaFree(vectors.device[0] + 1) == 1);
  CHECK(cudaMalloc(&array, size_t{1} << 60) == 2);
  CHECK(cudaMemcpyToSymbol(&counter_host, &array, 4, 2, 1) == 1);
  CHECK(cudaMemcpyToSymbol(&array, &array, 4, 0, 1) == 13);
  int value = 0;
  CHECK(cudaDeviceGetAttribute(&value, 75, 0) == 0 && cudaDeviceGetAttribute(&value, 75, 1) == 101);
  return 0;
}

int poison() {
  float* x = nullptr;
  std::array<float, 64> host;
  CHECK(cudaMalloc(reinterpret_cast<void**>(&x), sizeof(host)) == 0);
  CHECK(cudaMemcpy(host.data(), x, sizeof(host), 2) == 0);
  for (const float value : host) CHECK(std::isnan(value));
  std::memset(x, 0, sizeof(host) + 4);  // a mistake of the program, beyond its allocation
  CHECK(cudaFree(x) == 0);
  return 0;
}

}  // namespace

int main(int count, char** words) {
  const std::string mode = count > 1 ? words[1] : "";
  const Part plain = {true, 80, kernels_for("sm_80"), Compression::None};
  if (mode == "plain") return add({plain});
  if (mode == "lz4") return add({{true, 80, kernels_for("sm_80"), Compression::Lz4}});
  if (mode == "zstd") return add({{true, 80, kernels_for("sm_80"), Compression::Zstd}});
  if (mode == "many") {
    return add({{false, 90,
                 "\x7f"
                 "ELF",
                 Compression::None},
                plain,
                {true, 90, kernels_for("sm_90a"), Compression::Lz4},
                {true, 100, kernels_for("sm_100a"), Compression::Lz4}});
  }
  if (mode == "cubin") {
    load({{false, 90,
           "\x7f"
           "ELF",
           Compression::None}});
    void* kernel = nullptr;
    int value = 0;
    CHECK(__cudaGetKernel(&kernel, &add_host) == 0);
    void* arguments[] = {&value};
    const int status = __cudaLaunchKernel(kernel, {}, {}, arguments, 0, nullptr);
    std::printf("launch: %d\n", status);
    return 0;
  }
  if (mode == "cubin-add")
    return add({{false, 90,
                 "\x7f"
                 "ELF",
                 Compression::None}});
  if (mode == "bounds") return bounds();
  if (mode == "shared") return shared_memory();
  if (mode == "graph") return graph();
  if (mode == "driver") return driver();
  if (mode == "refusals") return refusals();
  if (mode == "poison") return poison();
  if (mode == "ptx") {
    std::printf("%s", kernels_for("sm_80").c_str());
    return 0;
  }
  if (mode == "code") return std::atoi(words[2]);
  if (mode == "abort") std::abort();
  if (mode == "sleep") {
    std::this_thread::sleep_for(std::chrono::seconds(100));
    return 0;
  }
  std::printf("no mode %s\n", mode.c_str());
  return 2;
}
