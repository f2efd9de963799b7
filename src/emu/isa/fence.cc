// SPDX-License-Identifier: Apache-2.0
// Chapter 9.7.13.4: fences. Memory is sequentially consistent, so that a fence only matters to the race detector: what a
// warp knows at it is given by the relaxed accesses behind it, and what it has stored is then for the asynchronous proxy to read.
#include <bit>

#include "emu/isa/decoder.h"
#include "emu/isa/table.h"
#include "emu/machine/cluster.h"

namespace fa4::emu::isa {
namespace {

Outcome fence(Warp& warp, const Instr&) {
  warp.cta->cluster->shadow.fence(warp.agent);
  return Outcome::Yield;
}

Outcome fence_of_proxies(Warp&, const Instr&) { return Outcome::Yield; }

Outcome fence_of_async_proxy(Warp& warp, const Instr&) {
  warp.cta->cluster->shadow.fence_proxy(warp.agent, std::popcount(warp.active));
  return Outcome::Yield;
}

Instr decode_fence(Decoder& decoder, const Words&, const ptx::Instruction& text) {
  decoder.require_operands(text, 0, 0);
  return {.exec = fence};
}

Instr decode_proxy_fence(Decoder& decoder, const Words&, const ptx::Instruction& text) {
  decoder.require_operands(text, 0, 0);
  return {.exec = fence_of_proxies};
}

Instr decode_async_proxy_fence(Decoder& decoder, const Words&, const ptx::Instruction& text) {
  decoder.require_operands(text, 0, 0);
  return {.exec = fence_of_async_proxy};
}

}  // namespace

std::span<const Form> fence_forms() {
  static constexpr Form kForms[] = {
      {"membar.{cta,gl,sys}", Unit::Barrier, Fidelity::Exact, decode_fence, 0, "9.7.13.4"},
      {"fence{.{sc,acq_rel}}.{cta,cluster,gpu,sys}", Unit::Barrier, Fidelity::Exact, decode_fence,
       0, "9.7.13.4"},
      {"fence.{acquire,release}.{cta,cluster,gpu,sys}", Unit::Barrier, Fidelity::Exact,
       decode_fence, 90, "9.7.13.4"},
      {"fence.acquire.sync_restrict::shared::cluster.cluster", Unit::Barrier, Fidelity::Exact,
       decode_fence, 90, "9.7.13.4"},
      {"fence.release.sync_restrict::shared::cta.cluster", Unit::Barrier, Fidelity::Exact,
       decode_fence, 90, "9.7.13.4"},
      {"fence.mbarrier_init.release.cluster", Unit::Barrier, Fidelity::Exact, decode_fence, 90,
       "9.7.13.4"},
      {"fence.proxy.alias", Unit::Barrier, Fidelity::Exact, decode_proxy_fence, 70, "9.7.13.4"},
      {"fence.proxy.async.global", Unit::Barrier, Fidelity::Exact, decode_proxy_fence, 90,
       "9.7.13.4"},
      {"fence.proxy.async{.{shared::cta,shared::cluster}}", Unit::Barrier, Fidelity::Exact,
       decode_async_proxy_fence, 90, "9.7.13.4"},
      {"fence.proxy.async::generic.acquire.sync_restrict::shared::cluster.cluster", Unit::Barrier,
       Fidelity::Exact, decode_fence, 90, "9.7.13.4"},
      {"fence.proxy.async::generic.release.sync_restrict::shared::cta.cluster", Unit::Barrier,
       Fidelity::Exact, decode_fence, 90, "9.7.13.4"},
  };
  return kForms;
}

}  // namespace fa4::emu::isa
