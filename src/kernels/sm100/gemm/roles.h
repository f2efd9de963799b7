// SPDX-License-Identifier: Apache-2.0
// Who runs what. The dispatch and the launch bounds come from this table.
#pragma once

#include "sm100/gemm/config.h"

namespace fa4::sm100::gemm {

enum class Role : u32 { Store, Load, Mma };

struct RoleRow {
  Role role;
  u32 first_warp;
  u32 num_warps;

  constexpr bool has(u32 warp_idx) const {
    return warp_idx >= first_warp && warp_idx < first_warp + num_warps;
  }
};

//                  role         warps            file
constexpr RoleRow kStore{Role::Store, 0,
                         kStoreWarps};      // store.h; warp w reaches lanes 32w.. of TMEM
constexpr RoleRow kLoad{Role::Load, 4, 1};  // load.h, one lane of it
constexpr RoleRow kMma{Role::Mma, 5, 1};    // mma.h, one lane of it; the warp owns the TMEM
constexpr RoleRow kRoles[] = {kStore, kLoad, kMma};

constexpr u32 num_warps() {
  u32 sum = 0;
  for (const RoleRow& row : kRoles) sum += row.num_warps;
  return sum;
}

constexpr u32 kNumThreads = num_warps() * 32;

}  // namespace fa4::sm100::gemm
