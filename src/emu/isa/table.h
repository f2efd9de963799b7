// SPDX-License-Identifier: Apache-2.0
// The instruction table: every form that the machine knows, one row each. Matching is total: a modifier that a
// row does not name at its place is an unknown form, and stops the run.
//
// A row's syntax is that of the manual without the operands. `.x` must stand there, `{.x}` may, `.{x,y}` is one of
// several, `{.{x,y}}` at most one of them:
//   "add{.sat}.s32"   "fma.{rn,rz,rm,rp}{.ftz}{.sat}.f32"   "ld{.{weak,relaxed}}.shared{.{v2,v4}}.{b32,u32,f32}"
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "emu/isa/cpu.h"
#include "emu/isa/instr.h"
#include "emu/isa/words.h"
#include "emu/ptx/module.h"

namespace fa4::emu::isa {

class Decoder;

// What executes it, for counts per unit.
enum class Unit : uint8_t {
  Alu,
  Fma,
  Mufu,
  Convert,
  Move,
  Control,
  Memory,
  Shared,
  Barrier,
  Matrix,
  Async,
  Other
};
const char* name_of(Unit unit);

// How sure we are of the bits of its result; printed in the fidelity list.
enum class Fidelity : uint8_t {
  Exact,        // defined to the bit by the manual, or equal to the bit on silicon (golden vectors)
  Manual,       // by the manual or by literature, never run on silicon
  Approximate,  // within a stated bound
};
const char* name_of(Fidelity fidelity);

using Decode = Instr (*)(Decoder& decoder, const Words& words, const ptx::Instruction& text);

struct Form {
  const char* syntax;
  Unit unit;
  Fidelity fidelity;
  Decode decode;
  uint32_t least_arch = 0;   // 80, 90, ...
  const char* section = "";  // of PTX ISA 9.0: "9.7.1.1"
  const char* bound = "";    // of an approximate result: "1 ulp of the H200"
  uint32_t most_arch = 0;    // 103: what is of sm_100a and its kin alone; 0: all later ones have it
};

// The chapters, each in a file of its own. These are compiled twice (Note [Compiled twice] in cpu.h):
inline namespace FA4_EMU_CPU {
std::span<const Form> integer_forms();
std::span<const Form> carry_forms();
std::span<const Form>
logic_forms();  // and, or, xor, not, shifts, lop3, bfe, bfi, prmt, setp, selp, ...
std::span<const Form> float_forms();         // f32, f64
std::span<const Form> half_forms();          // f16, bf16 and their pairs
std::span<const Form> special_forms();       // ex2, lg2, rcp, rsqrt, sqrt, sin, cos, tanh: .approx
std::span<const Form> convert_forms();       // cvt
std::span<const Form> convert_pair_forms();  // cvt of pairs of halves and of bytes
std::span<const Form> move_forms();          // mov, cvta, isspacep, ...
std::span<const Form> shuffle_forms();
std::span<const Form> warp_forms();  // vote, match, redux, activemask, elect
}  // namespace FA4_EMU_CPU

std::span<const Form> memory_forms();          // ld, st, prefetch
std::span<const Form> atomic_forms();          // atom, red
std::span<const Form> control_forms();         // bra, brx, exit, trap, ...
std::span<const Form> call_forms();            // call, ret, alloca, ...
std::span<const Form> barrier_forms();         // bar, barrier
std::span<const Form> matrix_forms();          // mma, ldmatrix, stmatrix, movmatrix
std::span<const Form> wgmma_forms();           // wgmma
std::span<const Form> tcgen05_memory_forms();  // tcgen05.alloc, wait, fence
std::span<const Form> tcgen05_move_forms();    // tcgen05.ld, st
std::span<const Form> tcgen05_copy_forms();    // tcgen05.cp, shift
std::span<const Form> tcgen05_mma_forms();
std::span<const Form> tcgen05_commit_forms();
std::span<const Form> convert_small_forms();   // cvt of 6, 4 and 8 bits of sm_100, and .rs
std::span<const Form> mixed_forms();           // add, sub, fma of f32 and 16 bits
std::span<const Form> redux_float_forms();     // redux.f32
std::span<const Form> launch_control_forms();  // clusterlaunchcontrol
std::span<const Form> async_forms();           // cp.async
std::span<const Form> mbarrier_forms();        // mbarrier, cp.async.mbarrier.arrive
std::span<const Form>
cluster_forms();  // barrier.cluster, mapa, getctarank, setmaxnreg, griddepcontrol
std::span<const Form> fence_forms();        // fence, membar
std::span<const Form> store_async_forms();  // st.async, red.async

// Copies in bulk: of bytes, of boxes of tensors, and the maps of those.
std::span<const Form> bulk_forms();         // cp.async.bulk, cp.reduce.async.bulk
std::span<const Form> tensor_copy_forms();  // cp.async.bulk.tensor, cp.reduce.async.bulk.tensor
std::span<const Form> tensor_map_forms();   // tensormap.replace

// A row of all chapters; the index is Instr::form.
const Form& form_at(uint16_t index);
uint16_t num_forms();

// The row that an instruction matches; -1: none. `near_miss` then names the longest partial match.
int find_form(const ptx::Instruction& text, std::string* near_miss);

}  // namespace fa4::emu::isa
