// SPDX-License-Identifier: Apache-2.0
#include "emu/machine/tensor_op.h"

#include <algorithm>

#include "emu/machine/cluster.h"

namespace fa4::emu {

TensorPipe& tensor_pipe(Warp& warp, int lane) {
  Cluster& cluster = *warp.cta->cluster;
  const uint32_t thread = warp.agent * kLanes + static_cast<uint32_t>(lane);
  const auto found = cluster.tensor_pipes.find(thread);
  if (found != cluster.tensor_pipes.end()) return found->second;
  TensorPipe& pipe = cluster.tensor_pipes[thread];
  pipe.channel = cluster.shadow.add_channel();
  return pipe;
}

TensorOp::TensorOp(Warp& issuer, int lane, TensorKind of_kind, uint64_t of_key)
    : AsyncOp(issuer, AsyncGroup::None),
      pipe(tensor_pipe(issuer, lane)),
      kind(of_kind),
      key(of_key),
      position(++pipe.position) {
  lanes = LaneMask{1} << lane;
  pipe.operations.push_back(this);
  issuer.cta->cluster->shadow.enter_pipe(id, pipe.channel, position, kind, key);
}

namespace {

// The oldest unfinished operation that must be made before one; null: none.
const TensorOp* tensor_predecessor(const TensorOp& op) {
  for (const TensorOp* other : op.pipe.operations) {
    if (other == &op) return nullptr;
    if (is_pipelined(other->kind, other->key, op.kind, op.key) || other->meets(op)) return other;
  }
  return nullptr;
}

}  // namespace

void TensorOp::touch(const Cta& cta, const TmemRange& range, bool writes) {
  touched_.push_back({&cta, range, writes});
}

bool TensorOp::meets(const TensorOp& other) const {
  const auto meet = [](const Touched& a, const Touched& b) {
    if (a.cta != b.cta || (!a.writes && !b.writes) ||
        a.range.column >= b.range.column + b.range.num_columns ||
        b.range.column >= a.range.column + a.range.num_columns) {
      return false;
    }
    for (size_t group = 0; group < kTmemGroups; ++group) {
      if ((a.range.lanes[group] & b.range.lanes[group]) != 0) return true;
    }
    return false;
  };
  for (const Touched& a : touched_) {
    for (const Touched& b : other.touched_) {
      if (meet(a, b)) return true;
    }
  }
  return false;
}

bool TensorOp::enabled() const { return tensor_predecessor(*this) == nullptr; }

std::string TensorOp::why_disabled() const {
  const TensorOp* before = tensor_predecessor(*this);
  return before == nullptr ? ""
                           : std::string(before->what()) + " of the same thread comes before it";
}

void TensorOp::complete() { std::erase(pipe.operations, this); }

}  // namespace fa4::emu
