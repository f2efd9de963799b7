// SPDX-License-Identifier: Apache-2.0
// PTX ISA, "tcgen05.ld.red": from tensor memory to registers, with the maximum of what a thread gets.
#pragma once

#include "base/types.h"

namespace fa4::ptx {

// tcgen05.ld.red.sync.aligned.32x32b.x32.max.NaN.f32 {r..}, most, [taddr];
// sm_103a and relatives, not sm_100a. A whole warp: register i of lane t is column i of lane t of its quarter. A NaN
// wins. After tcgen05_wait_ld.
FA4_DEVICE void tcgen05_ld_red_max_32x32b(float (&r)[32], float& most, u32 taddr) {
  asm volatile(
      "tcgen05.ld.red.sync.aligned.32x32b.x32.max.NaN.f32 {"
      "%0, %1, %2, %3, %4, %5, %6, %7, %8, %9, %10, %11, %12, %13, %14, %15, %16, %17, %18, "
      "%19, %20, %21, %22, %23, %24, %25, %26, %27, %28, %29, %30, %31"
      "}, %32, [%33];"
      : "=f"(r[0]), "=f"(r[1]), "=f"(r[2]), "=f"(r[3]), "=f"(r[4]), "=f"(r[5]), "=f"(r[6]),
        "=f"(r[7]), "=f"(r[8]), "=f"(r[9]), "=f"(r[10]), "=f"(r[11]), "=f"(r[12]), "=f"(r[13]),
        "=f"(r[14]), "=f"(r[15]), "=f"(r[16]), "=f"(r[17]), "=f"(r[18]), "=f"(r[19]), "=f"(r[20]),
        "=f"(r[21]), "=f"(r[22]), "=f"(r[23]), "=f"(r[24]), "=f"(r[25]), "=f"(r[26]), "=f"(r[27]),
        "=f"(r[28]), "=f"(r[29]), "=f"(r[30]), "=f"(r[31]), "=f"(most)
      : "r"(taddr));
}

}  // namespace fa4::ptx
