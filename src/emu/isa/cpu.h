// SPDX-License-Identifier: Apache-2.0
// Note [Compiled twice]. The chapters that compute are compiled for every processor of the architecture and, on x86-64,
// once more with AVX2, FMA and F16C (x86-64-v3). What they and their headers define lies in an inline namespace of
// that compilation, so that no function of one is linked in place of the other's; table.cc chooses the rows. Results
// are the same to the bit: fma is one rounding in both, and nothing is contracted.
#pragma once

#ifndef FA4_EMU_CPU
#define FA4_EMU_CPU any_cpu
#endif

namespace fa4::emu::isa {

// Whether this process runs what is compiled for x86-64-v3. Not if the environment's FA4_EMU_CPU is "any".
bool runs_v3();

}  // namespace fa4::emu::isa
