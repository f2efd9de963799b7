// SPDX-License-Identifier: Apache-2.0
#include "emu/machine/cluster.h"

#include <fmt/format.h>

namespace fa4::emu {

uint32_t Cluster::num_live_warps() const {
  uint32_t live = 0;
  for (const auto& cta : ctas) live += cta->num_live_warps();
  return live;
}

const Warp& Cluster::warp_of(uint32_t agent) const {
  const auto per_cta = static_cast<uint32_t>(ctas.front()->warps.size());
  return ctas[agent / per_cta]->warps[agent % per_cta];
}

Warp& Cluster::warp_of(uint32_t agent) {
  return const_cast<Warp&>(static_cast<const Cluster*>(this)->warp_of(agent));
}

std::string Cluster::name_of(uint32_t agent) const {
  const Warp& warp = warp_of(agent);
  if (ctas.size() == 1) return fmt::format("warp {}", warp.index);
  return fmt::format("warp {} of rank {}", warp.index, warp.cta->rank);
}

}  // namespace fa4::emu
