// SPDX-License-Identifier: Apache-2.0
#include "emu/run/flow.h"

#include <algorithm>

#include "emu/isa/decoder.h"

namespace fa4::emu {

FlowGraph graph_of(const std::vector<FlowStep>& steps) {
  const auto count = static_cast<uint32_t>(steps.size());
  std::vector<bool> leads(count + 1, false);
  leads[0] = true;
  for (uint32_t at = 0; at < count; ++at) {
    if (steps[at].target >= 0) leads[static_cast<size_t>(steps[at].target)] = true;
    for (const uint32_t target : steps[at].more_targets) leads[target] = true;
    if (steps[at].target >= 0 || steps[at].ends) leads[at + 1] = true;
  }
  FlowGraph graph;
  graph.block_at.resize(count);
  for (uint32_t at = 0; at < count; ++at) {
    if (leads[at]) graph.blocks.push_back({at, at, {}, {}});
    graph.blocks.back().last = at;
    graph.block_at[at] = static_cast<uint32_t>(graph.blocks.size() - 1);
  }
  const auto end = static_cast<uint32_t>(graph.blocks.size());
  graph.blocks.push_back({count, count, {}, {}});
  for (uint32_t from = 0; from < end; ++from) {
    const uint32_t last = graph.blocks[from].last;
    const FlowStep& step = steps[last];
    const auto link = [&](uint32_t to) {
      graph.blocks[from].next.push_back(to);
      graph.blocks[to].previous.push_back(from);
    };
    if (step.target >= 0) {
      link(step.target == count ? end : graph.block_at[static_cast<size_t>(step.target)]);
    }
    for (const uint32_t target : step.more_targets) {
      link(target == count ? end : graph.block_at[target]);
    }
    // Nobody runs after a trap, and so it parts no paths: what it guards may still meet before the end.
    if (step.ends && !step.stops) link(end);
    if (step.falls_through) link(last + 1 == count ? end : from + 1);
  }
  return graph;
}

namespace {

// Blocks in an order in which each comes after those it leads to, walking back from the end.
std::vector<uint32_t> order_from_end(const FlowGraph& graph) {
  std::vector<uint32_t> order;
  std::vector<bool> seen(graph.blocks.size(), false);
  std::vector<std::pair<uint32_t, size_t>> path;
  path.emplace_back(static_cast<uint32_t>(graph.blocks.size() - 1), 0);
  seen.back() = true;
  while (!path.empty()) {
    auto& [block, at] = path.back();
    const std::vector<uint32_t>& previous = graph.blocks[block].previous;
    if (at == previous.size()) {
      order.push_back(block);
      path.pop_back();
      continue;
    }
    const uint32_t next = previous[at++];
    if (seen[next]) continue;
    seen[next] = true;
    path.emplace_back(next, 0);
  }
  std::reverse(order.begin(), order.end());
  return order;
}

}  // namespace

// Cooper, Harvey and Kennedy, "A simple, fast dominance algorithm", on the reversed graph.
std::vector<uint32_t> joins_of(const std::vector<FlowStep>& steps) {
  std::vector<uint32_t> joins(steps.size(), isa::kNoJoin);
  if (steps.empty()) return joins;
  const FlowGraph graph = graph_of(steps);
  const std::vector<uint32_t> order = order_from_end(graph);
  const auto end = static_cast<uint32_t>(graph.blocks.size() - 1);
  constexpr uint32_t kUnknown = 0xffffffff;
  std::vector<uint32_t> rank(graph.blocks.size(), kUnknown), meets(graph.blocks.size(), kUnknown);
  for (uint32_t at = 0; at < order.size(); ++at) rank[order[at]] = at;
  meets[end] = end;
  for (bool changed = true; changed;) {
    changed = false;
    for (const uint32_t block : order) {
      if (block == end) continue;
      uint32_t met = kUnknown;
      for (uint32_t next : graph.blocks[block].next) {
        if (meets[next] == kUnknown) continue;
        if (met == kUnknown) {
          met = next;
          continue;
        }
        while (met != next) {
          while (rank[met] > rank[next]) met = meets[met];
          while (rank[next] > rank[met]) next = meets[next];
        }
      }
      if (met != meets[block]) {
        meets[block] = met;
        changed = true;
      }
    }
  }
  for (uint32_t at = 0; at < steps.size(); ++at) {
    if (steps[at].target < 0) continue;
    if (!steps[at].falls_through && steps[at].more_targets.empty()) continue;
    const uint32_t met = meets[graph.block_at[at]];
    if (met != kUnknown && met != end) joins[at] = graph.blocks[met].first;
  }
  return joins;
}

}  // namespace fa4::emu
