// SPDX-License-Identifier: Apache-2.0
#include "emu/sm100_forward_run.h"

#include <cmath>
#include <cstring>

#include "plan/sm100.h"
#include "plan/sm100_forward.h"

namespace fa4::emu::test {

Sm100ForwardRun::Sm100ForwardRun(ForwardRows rows, const ForwardKind& kind)
    : FamilyRun(plan::sm100(), Pass::Forward, "sm_100a") {
  problem_.head_dim = kind.head_dim;
  problem_.value_dim = kind.value_dim;
  problem_.scale = 1 / std::sqrt(static_cast<double>(kind.head_dim));
  problem_.num_splits = 1;
  if (rows == ForwardRows::Dense) {
    make_dense();
  } else {
    make_packed();
  }
  set_outputs(problem_.total_q);
  make_plan();
  if (kind.claims_tiles) {
    Sm100ForwardConfig config;
    config.head_dim = static_cast<u32>(kind.head_dim);
    config.value_dim = static_cast<u32>(kind.value_dim);
    config.claims_tiles = 1;
    plan_.kernels[0] = plan::sm100_forward_spec(config);
  } else {
    most_blocks_ = 1;
  }
  compile();
}

// Keys are taken from the last to the first. In heads 1 and 2 the first are the larger ones, so that maxima grow by more
// than what a row bears with the old one; in head 0 they do not.
void Sm100ForwardRun::make_dense() {
  constexpr int64_t kQueries = 200, kKeys = 400, kHeads = 3;
  problem_.batch = 1;
  problem_.heads = problem_.kv_heads = kHeads;
  problem_.seq_q = problem_.total_q = kQueries;
  problem_.seq_k = problem_.total_k = kKeys;
  problem_.window_right = 0;
  problem_.q = rows("q", kQueries, kHeads, problem_.head_dim, 1);
  problem_.k = rows("k", kKeys, kHeads, problem_.head_dim, 2, [](int64_t row, int64_t head) {
    return head == 0 ? 1.0f : 1 + 12 * (1 - static_cast<float>(row) / kKeys);
  });
  problem_.v = rows("v", kKeys, kHeads, problem_.value_dim, 3);
}

// One block of keys, then two, none, and two: tiles begin in every slot of a ring of three. Rows 0, 1 and the last
// ones belong to no sequence.
void Sm100ForwardRun::make_packed() {
  static constexpr int32_t kQueryStarts[] = {2, 22, 162, 172, 232};
  static constexpr int32_t kKeyStarts[] = {0, 70, 200, 200, 400};
  constexpr int64_t kQueries = 236, kKeys = 440;
  problem_.batch = 4;
  problem_.heads = problem_.kv_heads = 1;
  problem_.packed_q = problem_.packed_k = true;
  problem_.seq_q = 140;
  problem_.seq_k = 200;
  problem_.total_q = kQueries;
  problem_.total_k = kKeys;
  problem_.q = rows("q", kQueries, 1, problem_.head_dim, 4);
  problem_.k = rows("k", kKeys, 1, problem_.head_dim, 5);
  problem_.v = rows("v", kKeys, 1, problem_.value_dim, 6);
  for (RowsView* view : {&problem_.q, &problem_.k, &problem_.v}) view->batch_stride = 0;
  const auto starts = [&](const char* name, const auto& values) {
    std::vector<std::byte>& bytes = tensor(name, sizeof(values));
    std::memcpy(bytes.data(), values, sizeof(values));
    return VectorView{bytes.data(), Dtype::Int32, 1};
  };
  problem_.cu_seqlens_q = starts("cu_seqlens_q", kQueryStarts);
  problem_.cu_seqlens_k = starts("cu_seqlens_k", kKeyStarts);
}

}  // namespace fa4::emu::test
