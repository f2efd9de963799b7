// SPDX-License-Identifier: Apache-2.0
// Small PTX programs with tensor maps: an entry with a map and the address of 32-bit words, run on a cluster.
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <cstring>
#include <memory>
#include <string>
#include <vector>

#include "emu/machine/tensor_map.h"
#include "emu/programs.h"

namespace fa4::emu::test {

// %r1 is the thread, %r2 the barrier `bar`, initialised for one arrival, %r3 the tile of 8 KB, %rd1 the words, %rd2 the
// map, %r4 the rank in the cluster; %p1 holds for thread 0.
inline std::string tma_program(const std::string& body, uint32_t cluster = 1) {
  const std::string together =
      cluster == 1 ? "" : "  barrier.cluster.arrive.aligned;\n  barrier.cluster.wait.aligned;\n";
  return R"(.version 8.6
.target sm_90a
.address_size 64
.visible .entry kernel(.param .align 64 .b8 map[128], .param .u64 words)
{
  .reg .pred %p<8>;
  .reg .b16 %rs<4>;
  .reg .b32 %r<64>;
  .reg .b64 %rd<32>;
  .shared .align 8 .b64 bar;
  .shared .align 1024 .b8 tile[8192];
  mov.u32 %r1, %tid.x;
  mov.u32 %r2, bar;
  mov.u32 %r3, tile;
  mov.u32 %r4, %cluster_ctarank;
  ld.param.u64 %rd1, [words];
  mov.b64 %rd2, map;
  cvta.param.u64 %rd2, %rd2;
  setp.eq.u32 %p1, %r1, 0;
  @%p1 mbarrier.init.shared::cta.b64 [%r2], 1;
  @%p1 fence.mbarrier_init.release.cluster;
  bar.sync 0;
)" + together +
         body + together + R"(
  ret;
}
)";
}

inline const std::string kWaitForBar = R"(
{
  .reg .pred %q;
AGAIN:
  mbarrier.try_wait.parity.shared::cta.b64 %q, [%r2], 0;
  @!%q bra AGAIN;
}
)";

// The words of the tile, thread by thread, to words [rank * count, ...).
inline std::string write_out(uint32_t count) {
  return R"(
{
  .reg .pred %q;
  .reg .b32 %a<4>;
  .reg .b64 %b<4>;
  mov.u32 %a0, %r1;
NEXT:
  shl.b32 %a1, %a0, 2;
  add.s32 %a2, %a1, %r3;
  ld.shared.b32 %a3, [%a2];
  mad.lo.s32 %a2, %r4, )" +
         std::to_string(count) + R"(, %a0;
  mul.wide.u32 %b0, %a2, 4;
  add.s64 %b0, %b0, %rd1;
  st.global.b32 [%b0], %a3;
  add.s32 %a0, %a0, 64;
  setp.lt.u32 %q, %a0, )" +
         std::to_string(count) + R"(;
  @%q bra NEXT;
}
)";
}

// The first words of the tile become thread + 64 * i, and are ready for TMA.
inline const std::string kFillTile = R"(
{
  .reg .pred %q;
  .reg .b32 %a<4>;
  mov.u32 %a0, %r1;
NEXT:
  shl.b32 %a1, %a0, 2;
  add.s32 %a2, %a1, %r3;
  st.shared.b32 [%a2], %a0;
  add.s32 %a0, %a0, 64;
  setp.lt.u32 %q, %a0, 2048;
  @%q bra NEXT;
}
  fence.proxy.async;
  bar.sync 0;
)";

// A box of the map at x, y into the tile, for which the barrier expects so many bytes.
inline std::string load_2d(const std::string& x, const std::string& y, uint32_t bytes) {
  return "  @%p1 mbarrier.arrive.expect_tx.shared::cta.b64 _, [%r2], " + std::to_string(bytes) +
         ";\n  @%p1 cp.async.bulk.tensor.2d.shared::cluster.global.tile.mbarrier::complete_tx::bytes [%r3], "
         "[%rd2, {" +
         x + ", " + y + "}], [%r2];\n";
}

struct TmaLaunch {
  TensorMap map;  // its address is set to that of the tensor
  std::vector<uint32_t> tensor;
  std::vector<uint32_t> words = std::vector<uint32_t>(4096);
  uint32_t cluster = 1;
  bool raw_map = false;                  // the map's bytes are zeros
  size_t allocated_words = ~size_t{0};   // of the tensor
  std::shared_ptr<uint8_t[]> written{};  // as GlobalRange has it, of the tensor
};

// 64 threads for each CTA of one cluster. Tensor and words are as the program has left them.
inline Words run_tma(const std::string& text, TmaLaunch* given, const MachineOptions& options) {
  MachineOptions known = options;
  known.arch = std::max(90u, options.arch);
  Machine machine(known);
  const ModuleId module = machine.load(text);
  Words result;
  const auto tensor = reinterpret_cast<uint64_t>(given->tensor.data());
  const auto words = reinterpret_cast<uint64_t>(given->words.data());
  const size_t allocated = std::min(given->allocated_words, given->tensor.size());
  if (allocated != 0) machine.memory().add({"tensor", tensor, allocated * 4, true, given->written});
  machine.memory().add({"words", words, given->words.size() * 4, true});
  KernelLaunch launch;
  launch.module = module;
  launch.entry = "kernel";
  launch.grid = {given->cluster, 1, 1};
  launch.cluster = {given->cluster, 1, 1};
  launch.block = {64, 1, 1};
  launch.params.resize(136);
  given->map.address = tensor;
  if (!given->raw_map) {
    EXPECT_EQ(encode_tensor_map(given->map, launch.params.data()), "");
  }
  std::memcpy(launch.params.data() + 128, &words, 8);
  result.report = machine.launch(launch);
  result.values = given->words;
  return result;
}

// f32 rows of `columns`, one behind another.
inline TensorMap plain_map(uint32_t columns, uint32_t rows, uint32_t box_columns, uint32_t box_rows,
                           uint32_t swizzle = 0) {
  TensorMap map;
  map.type = static_cast<uint32_t>(MapType::F32);
  map.rank = 2;
  map.sizes = {columns, rows, 1, 1, 1};
  map.strides = {4, columns * 4, 0, 0, 0};
  map.box = {box_columns, box_rows, 1, 1, 1};
  map.steps = {1, 1, 1, 1, 1};
  map.swizzle = swizzle;
  return map;
}

inline std::vector<uint32_t> counted(size_t count) {
  std::vector<uint32_t> values(count);
  for (size_t i = 0; i < count; ++i) values[i] = 0x10000 + static_cast<uint32_t>(i);
  return values;
}

// A case for each policy, under three seeds.
class TmaPolicies : public testing::TestWithParam<Policy> {
 protected:
  static std::vector<MachineOptions> options() {
    std::vector<MachineOptions> all;
    for (uint64_t seed = 0; seed < 3; ++seed) {
      all.push_back({.arch = 90, .policy = GetParam(), .seed = seed});
    }
    return all;
  }
};

}  // namespace fa4::emu::test
