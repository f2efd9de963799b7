// SPDX-License-Identifier: Apache-2.0
// TMA boxes of tensors with four and five dimensions: tma.h says what holds for all of them.
#pragma once

#include "base/types.h"

namespace fa4::ptx {

// cp.async.bulk.tensor.4d.shared::cluster.global.tile.mbarrier::complete_tx::bytes
//     [dst], [map, {x, y, z, w}], [mbar];
// sm_90. One lane. Complete when mbar has counted the bytes of the box.
FA4_DEVICE void cp_async_bulk_tensor_4d_load(u32 dst, const TensorMap& map, u32 x, u32 y, u32 z,
                                             u32 w, u32 mbar) {
  asm volatile(
      "cp.async.bulk.tensor.4d.shared::cluster.global.tile.mbarrier::complete_tx::bytes"
      " [%0], [%1, {%2, %3, %4, %5}], [%6];"
      :
      : "r"(dst), "l"(&map), "r"(x), "r"(y), "r"(z), "r"(w), "r"(mbar)
      : "memory");
}

// cp.async.bulk.tensor.5d.shared::cluster.global.tile.mbarrier::complete_tx::bytes
//     [dst], [map, {x, y, z, w, v}], [mbar];
// sm_90. One lane. Likewise.
FA4_DEVICE void cp_async_bulk_tensor_5d_load(u32 dst, const TensorMap& map, u32 x, u32 y, u32 z,
                                             u32 w, u32 v, u32 mbar) {
  asm volatile(
      "cp.async.bulk.tensor.5d.shared::cluster.global.tile.mbarrier::complete_tx::bytes"
      " [%0], [%1, {%2, %3, %4, %5, %6}], [%7];"
      :
      : "r"(dst), "l"(&map), "r"(x), "r"(y), "r"(z), "r"(w), "r"(v), "r"(mbar)
      : "memory");
}

// cp.async.bulk.tensor.5d.global.shared::cta.tile.bulk_group [map, {x, y, z, w, v}], [src];
// sm_90. One lane, after fence_proxy_async by every lane that wrote src. Complete by wait_group.
FA4_DEVICE void cp_async_bulk_tensor_5d_store(const TensorMap& map, u32 x, u32 y, u32 z, u32 w,
                                              u32 v, u32 src) {
  asm volatile(
      "cp.async.bulk.tensor.5d.global.shared::cta.tile.bulk_group"
      " [%0, {%1, %2, %3, %4, %5}], [%6];"
      :
      : "l"(&map), "r"(x), "r"(y), "r"(z), "r"(w), "r"(v), "r"(src)
      : "memory");
}

}  // namespace fa4::ptx
