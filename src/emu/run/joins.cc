// SPDX-License-Identifier: Apache-2.0
// Lanes of a warp that a branch has parted meet again: where its ways join, or at an instruction of the whole warp.
#include <algorithm>

#include "emu/run/scheduler.h"

namespace fa4::emu {
namespace {

bool holds_join(const Split& split, uint64_t id) {
  return std::any_of(split.joins.begin(), split.joins.end(),
                     [&](const Join& join) { return join.id == id; });
}

bool waits_at_join(const Split& split, uint64_t id) {
  return split.wait.kind == WaitOn::Kind::Join && split.joins.back().id == id;
}

// The joins that two splits which become one still have to meet.
std::vector<Join> common_joins(const Split& a, const Split& b) {
  std::vector<Join> common;
  for (size_t i = 0; i < std::min(a.joins.size(), b.joins.size()); ++i) {
    if (a.joins[i].id != b.joins[i].id) break;
    common.push_back(a.joins[i]);
  }
  return common;
}

}  // namespace

bool ClusterRun::siblings_have_come(const Warp& warp, const Split& split) const {
  const uint64_t id = split.joins.back().id;
  return std::none_of(warp.splits.begin(), warp.splits.end(), [&](const Split& other) {
    return holds_join(other, id) && !waits_at_join(other, id);
  });
}

// All splits that wait at one join go on as one.
void ClusterRun::meet(Warp& warp, size_t at) {
  const uint64_t id = warp.splits[at].joins.back().id;
  Split met = warp.splits[at];
  met.mask = 0;
  std::erase_if(warp.splits, [&](const Split& split) {
    if (!waits_at_join(split, id)) return false;
    met.mask |= split.mask;
    return true;
  });
  met.joins.pop_back();
  met.wait = {};
  warp.splits.push_back(std::move(met));
}

// Splits that wait at the same warp-level instruction become one, which tries again.
bool ClusterRun::merge_waiting(Warp& warp, size_t at) {
  const Split& here = warp.splits[at];
  for (size_t i = 0; i < warp.splits.size(); ++i) {
    Split& other = warp.splits[i];
    if (i == at || other.pc != here.pc || other.wait.kind != WaitOn::Kind::WarpBarrier ||
        other.frame != here.frame) {
      continue;
    }
    other.joins = common_joins(other, here);
    other.mask |= here.mask;
    other.wait = {};
    warp.splits.erase(warp.splits.begin() + static_cast<std::ptrdiff_t>(at));
    return true;
  }
  return false;
}

// Meets and merges of a warp's splits, until there are no more.
void ClusterRun::settle(Warp& warp) {
  for (size_t at = 0; at < warp.splits.size();) {
    const WaitOn::Kind waits = warp.splits[at].wait.kind;
    if (waits == WaitOn::Kind::WarpBarrier && merge_waiting(warp, at)) {
      at = 0;
    } else if (waits == WaitOn::Kind::Join && ready(warp, at)) {
      meet(warp, at);
      at = 0;
    } else {
      ++at;
    }
  }
}

}  // namespace fa4::emu
