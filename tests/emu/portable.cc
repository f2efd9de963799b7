// SPDX-License-Identifier: Apache-2.0
#include "emu/portable.h"

#include <algorithm>
#include <cmath>

#include "plan/sm80.h"

namespace fa4::emu::test {
namespace {

constexpr int64_t kQueries = 150, kKeys = 200, kHeads = 2, kKvHeads = 1, kDim = 64;

}  // namespace

PortableRun::PortableRun(Pass pass) : FamilyRun(plan::sm80(), pass, "sm_80") {
  problem_.batch = 1;
  problem_.heads = kHeads;
  problem_.kv_heads = kKvHeads;
  problem_.head_dim = problem_.value_dim = kDim;
  problem_.seq_q = problem_.total_q = kQueries;
  problem_.seq_k = problem_.total_k = kKeys;
  problem_.scale = 1 / std::sqrt(double{kDim});
  problem_.window_right = 0;
  problem_.num_splits = 1;
  problem_.deterministic = true;
  problem_.q = rows("q", kQueries, kHeads, kDim, 1);
  problem_.k = rows("k", kKeys, kKvHeads, kDim, 2);
  problem_.v = rows("v", kKeys, kKvHeads, kDim, 3);
  set_outputs(kQueries);
  if (pass == Pass::Backward) {
    PortableRun forward(Pass::Forward);
    forward.run(forward.ptx(), {});
    for (auto& [name, bytes] : tensors_) {
      for (const auto& [given, values] : forward.tensors_) {
        if (given == name) std::copy(values.begin(), values.end(), bytes.begin());
      }
    }
    backward_.dout = rows("dout", kQueries, kHeads, kDim, 4);
    backward_.dq = rows("dq", kQueries, kHeads, kDim, 0);
    backward_.dk = rows("dk", kKeys, kKvHeads, kDim, 0);
    backward_.dv = rows("dv", kKeys, kKvHeads, kDim, 0);
  }
  make_plan();
  compile();
}

}  // namespace fa4::emu::test
