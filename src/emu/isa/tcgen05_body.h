// SPDX-License-Identifier: Apache-2.0
// What tcgen05_simd.cc compiles for each instruction set, in the order in which one needs the other.
// clang-format off
#include "emu/isa/tcgen05_simd.h"
#include "emu/isa/tensor_turn.h"
#include "emu/isa/tcgen05_load.h"
#include "emu/isa/tcgen05_fast.h"
// clang-format on
