// SPDX-License-Identifier: Apache-2.0
// PTX ISA, "clusterlaunchcontrol": a CTA that has finished takes over one that has not been launched yet. The answer is
// 16 bytes in SMEM, written by the async proxy and counted on an mbarrier.
#pragma once

#include "base/types.h"

namespace fa4::ptx {

// clusterlaunchcontrol.try_cancel.async.shared::cta.mbarrier::complete_tx::bytes.b128 [answer], [mbar];
// sm_100. One lane; the answer a multiple of 16. Not again after an answer that nothing is left.
FA4_DEVICE void clusterlaunchcontrol_try_cancel(u32 answer, u32 mbar) {
  asm volatile(
      "clusterlaunchcontrol.try_cancel.async.shared::cta.mbarrier::complete_tx::bytes.b128"
      " [%0], [%1];"
      :
      : "r"(answer), "r"(mbar)
      : "memory");
}

// ld.shared.b128 r, [answer];
// clusterlaunchcontrol.query_cancel.is_canceled.pred.b128 p, r;
// clusterlaunchcontrol.query_cancel.get_first_ctaid::x.b32.b128 ctaid_x, r;
// sm_100. Any lane, after the wait for the bytes. Whether a CTA was taken over, and its blockIdx.x. Before the next
// claim overwrites the answer, fence_proxy_async and an arrival of every reader.
FA4_DEVICE bool clusterlaunchcontrol_query_cancel(u32 answer, u32& ctaid_x) {
  u32 taken;
  asm volatile(
      "{\n"
      ".reg .pred p;\n"
      ".reg .b128 r;\n"
      "ld.shared.b128 r, [%2];\n"
      "clusterlaunchcontrol.query_cancel.is_canceled.pred.b128 p, r;\n"
      "selp.u32 %0, 1, 0, p;\n"
      "mov.u32 %1, 0;\n"
      "@p clusterlaunchcontrol.query_cancel.get_first_ctaid::x.b32.b128 %1, r;\n"
      "}\n"
      : "=r"(taken), "=r"(ctaid_x)
      : "r"(answer)
      : "memory");
  return taken != 0;
}

}  // namespace fa4::ptx
