// SPDX-License-Identifier: Apache-2.0
// The table in ptx/tmem_access.h on the machine: every shape of tcgen05.ld and tcgen05.st through our wrappers, with few
// and with many registers, from both halves of a quarter.
#include <gtest/gtest.h>

#include <cstring>

#include "emu/gemm_machine.h"

namespace fa4::emu::test {
namespace {

constexpr const char* kAccessSource = R"(
#pragma once
#include "ptx/registers.h"
#include "ptx/address.h"
#include "ptx/tmem.h"
#include "ptx/tmem_access.h"

namespace fa4::test {

struct AccessParams {
  u32* mistakes;  // [warps] of 128 threads
};
struct AccessConfig {};

constexpr u32 kColumns = 128;
constexpr u32 kMark = 0x40000000;

// What a place holds.
constexpr u32 value(u32 lane, u32 col) { return lane << 16 | col; }

template <AccessConfig>
FA4_DEVICE void access(const AccessParams& p) {
  __shared__ u32 tmem_smem;
  const u32 warp = threadIdx.x / 32, t = threadIdx.x % 32;
  if (warp == 0) ptx::tcgen05_alloc<1>(ptx::smem_address(&tmem_smem), kColumns);
  ptx::tcgen05_fence_before_thread_sync();
  __syncthreads();
  ptx::tcgen05_fence_after_thread_sync();
  const u32 tmem = tmem_smem, quarter = tmem + (warp << 21);
  u32 mistakes = 0;

  const auto fill = [&] {
#pragma unroll 1
    for (u32 col = 0; col < kColumns; ++col) {
      const u32 word[1] = {value(32 * warp + t, col)};
      ptx::tcgen05_st_32x32b(quarter + col, word);
    }
    ptx::tcgen05_wait_st();
  };
  // Marked are the lanes of the half that `first` begins, or all, and the columns before `end`.
  const auto check = [&](u32 first, u32 lanes, u32 end) {
#pragma unroll 1
    for (u32 col = 0; col < kColumns; ++col) {
      u32 word[1];
      ptx::tcgen05_ld_32x32b(word, quarter + col);
      ptx::tcgen05_wait_ld();
      const bool marked = t >= first && t < first + lanes && col < end;
      mistakes += word[0] != (value(32 * warp + t, col) | (marked ? kMark : 0));
    }
  };

#define SHAPE(shape, registers, lanes, lane, col)                                       \
  for (u32 first = 0; first < 32; first += lanes) {                                     \
    const u32 address = quarter + (first << 16);                                        \
    u32 r[registers];                                                         \
    fill();                                                                             \
    ptx::tcgen05_ld_##shape(r, address);                                                \
    ptx::tcgen05_wait_ld();                                                             \
    _Pragma("unroll") for (u32 i = 0; i < registers; ++i) {                             \
      mistakes += r[i] != value(32 * warp + first + (lane), (col));                     \
      r[i] |= kMark;                                                                    \
    }                                                                                   \
    ptx::tcgen05_st_##shape(address, r);                                                \
    ptx::tcgen05_wait_st();                                                             \
    check(first, lanes, 32 / lanes * registers);                                                          \
  }
  SHAPE(32x32b, 1, 32, t, i)
  SHAPE(32x32b, 32, 32, t, i)
  SHAPE(32x32b, 128, 32, t, i)
  SHAPE(16x64b, 1, 16, t / 4 + 8 * (t % 2), t / 2 % 2 + 2 * i)
  SHAPE(16x64b, 32, 16, t / 4 + 8 * (t % 2), t / 2 % 2 + 2 * i)
  SHAPE(16x128b, 2, 16, t / 4 + 8 * (i % 2), t % 4 + 4 * (i / 2))
  SHAPE(16x128b, 32, 16, t / 4 + 8 * (i % 2), t % 4 + 4 * (i / 2))
  SHAPE(16x256b, 4, 16, t / 4 + 8 * (i / 2 % 2), 2 * (t % 4) + i % 2 + 8 * (i / 4))
  SHAPE(16x256b, 32, 16, t / 4 + 8 * (i / 2 % 2), 2 * (t % 4) + i % 2 + 8 * (i / 4))
#undef SHAPE

  p.mistakes[threadIdx.x] = mistakes;
  __syncthreads();
  if (warp == 0) {
    ptx::tcgen05_dealloc<1>(tmem, kColumns);
    ptx::tcgen05_relinquish_alloc_permit<1>();
  }
}

}  // namespace fa4::test
)";

TEST(TmemAccess, WrappersReachTheLanesAndColumnsTheyName) {
  FA4_NEEDS_GEMM_COMPILER();
  plan::KernelSpec spec;
  spec.entry = "fa4_tmem_access";
  spec.header = "test/tmem_access.h";
  spec.function = "fa4::test::access";
  spec.config = "fa4::test::AccessConfig{}";
  spec.params = "fa4::test::AccessParams";
  spec.threads = 128;
  const std::string ptx = ptx_with(spec, "sm_100a", {}, {{"test/tmem_access.h", kAccessSource}});
  std::vector<uint32_t> mistakes(128, ~0u);
  Machine machine({.arch = 100});
  KernelLaunch launch;
  launch.module = machine.load(ptx);
  launch.entry = spec.entry;
  const auto base = reinterpret_cast<uint64_t>(mistakes.data());
  machine.memory().add({"mistakes", base, mistakes.size() * 4, true});
  launch.params.resize(sizeof(base));
  std::memcpy(launch.params.data(), &base, sizeof(base));
  launch.block = {spec.threads, 1, 1};
  const RunReport report = machine.launch(launch);
  EXPECT_TRUE(report.finished && report.reports.empty()) << texts_of(report);
  EXPECT_EQ(mistakes, std::vector<uint32_t>(128, 0));
}

}  // namespace
}  // namespace fa4::emu::test
