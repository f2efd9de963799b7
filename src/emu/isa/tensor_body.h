// SPDX-License-Identifier: Apache-2.0
// What tensor_simd.cc compiles for each instruction set, in the order in which one needs the other.
// clang-format off
#include "emu/isa/tensor_parts.h"
#include "emu/isa/tensor_lanes.h"
#include "emu/isa/tensor_simd.h"
#include "emu/isa/tensor_turn.h"
#include "emu/isa/warpgroup_load.h"
#include "emu/isa/warpgroup_simd.h"
// clang-format on
