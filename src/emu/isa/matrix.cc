// SPDX-License-Identifier: Apache-2.0
// Chapter 9.7.14.5: mma.sync, and the matrices of 8 x 8 that ldmatrix, stmatrix and movmatrix move. The kinds of mma
// that have no row here (m8n8k4, tf32, fp8, integers, f64, sparse) are unknown forms.
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <bit>
#include <cstring>

#include "emu/isa/address.h"
#include "emu/isa/decoder.h"
#include "emu/isa/lanes.h"
#include "emu/isa/table.h"
#include "emu/isa/tensor_core.h"
#include "emu/machine/warp_report.h"

namespace fa4::emu::isa {
namespace {

// .aligned: all lanes of the warp execute it, and none has exited.
void matrix_check_aligned(Warp& warp) {
  if (warp.active == kAllLanes) return;
  report(warp, Level::Error, "warp.unaligned_sync",
         fmt::format("lanes {:#010x} execute it without lanes {:#010x} of their warp", warp.active,
                     ~warp.active));
}

// A list: the rows of D, A, B and C.
template <TensorElement kElement, bool kHalf, int kK, TensorModel kModel>
Outcome matrix_product(Warp& warp, const Instr& i) {
  constexpr TensorKind kKind = {kElement, kHalf, kK, kModel};
  static const TensorFn function = tensor_function(kKind);
  matrix_check_aligned(warp);
  const uint32_t* rows = warp.lists + i.extra;
  TensorOperands operands;
  std::array<Row, 4> d;
  const auto take = [&](auto& to, int count) {
    for (size_t reg = 0; reg < static_cast<size_t>(count); ++reg) to[reg] = &warp.rows[*rows++];
  };
  take(operands.d, kKind.num_c());
  take(operands.a, kKind.num_a());
  take(operands.b, kKind.num_b());
  take(operands.c, kKind.num_c());
  if (warp.active == kAllLanes) {
    function(kKind, operands);
    return Outcome::Next;
  }
  const std::array<Row*, 4> to = operands.d;
  for (size_t reg = 0; reg < 4; ++reg) operands.d[reg] = &d[reg];
  function(kKind, operands);
  for (size_t reg = 0; reg < static_cast<size_t>(kKind.num_c()); ++reg) {
    for_each_lane(warp.active, [&](int lane) { to[reg]->lane[lane] = d[reg].lane[lane]; });
  }
  return Outcome::Next;
}

template <TensorElement kElement, bool kHalf, int kK>
ExecFn matrix_product_function(TensorModel model) {
  switch (model) {
    case TensorModel::Fast:
      return matrix_product<kElement, kHalf, kK, TensorModel::Fast>;
    case TensorModel::Ampere:
      return matrix_product<kElement, kHalf, kK, TensorModel::Ampere>;
    case TensorModel::Hopper:
      break;
  }
  return matrix_product<kElement, kHalf, kK, TensorModel::Hopper>;
}

template <TensorElement kElement, bool kHalf, int kK>
Instr decode_product(Decoder& decoder, const Words&, const ptx::Instruction& text) {
  constexpr TensorKind kKind = {kElement, kHalf, kK, TensorModel::Fast};
  decoder.require_operands(text, 4, 4);
  const TensorModel model = tensor_model(decoder.arch(), decoder.exact());
  Instr instr{.exec = matrix_product_function<kElement, kHalf, kK>(model)};
  constexpr int kCounts[4] = {kKind.num_c(), kKind.num_a(), kKind.num_b(), kKind.num_c()};
  const Type type_of_c = kHalf ? Type::B32 : Type::F32;
  const Type types[4] = {type_of_c, Type::B32, Type::B32, type_of_c};
  std::vector<uint32_t> rows;
  for (size_t at = 0; at < 4; ++at) {
    const ptx::Operand& operand = text.operands[at];
    if (operand.kind != ptx::Operand::Kind::Vector ||
        operand.parts.size() != static_cast<size_t>(kCounts[at])) {
      decoder.refuse(
          fmt::format("operand {} of this shape is a vector of {} registers", at + 1, kCounts[at]));
    }
    for (const ptx::Operand& part : operand.parts) {
      rows.push_back(at == 0 ? decoder.row_out(part, types[at]) : decoder.row_in(part, types[at]));
    }
  }
  instr.extra = decoder.list(rows);
  return instr;
}

// A matrix of 8 x 8 with 16-bit elements: rows of 16 bytes, as they lie in memory. Lane l holds row l / 4, elements
// 2 (l % 4) and the next; transposed, the elements of those rows at column l / 4.
using Matrix8 = std::array<std::array<uint16_t, 8>, 8>;

static_assert(std::endian::native == std::endian::little && sizeof(Matrix8) == sizeof(Row));

// Thrice one element of the first half beside one of the second: rows become columns. The compiler makes vectors of it.
Matrix8 matrix_transposed(const Matrix8& matrix) {
  constexpr size_t kHalf = 32;
  std::array<uint16_t, 2 * kHalf> from, to;
  std::memcpy(from.data(), &matrix, sizeof matrix);
  for (int round = 0; round < 3; ++round) {
    for (size_t at = 0; at < kHalf; ++at) {
      to[2 * at] = from[at];
      to[2 * at + 1] = from[at + kHalf];
    }
    from = to;
  }
  return std::bit_cast<Matrix8>(from);
}

template <bool kTransposed>
Row matrix_to_register(const Matrix8& matrix) {
  return std::bit_cast<Row>(kTransposed ? matrix_transposed(matrix) : matrix);
}

template <bool kTransposed>
Matrix8 register_to_matrix(const Row& row) {
  const auto matrix = std::bit_cast<Matrix8>(row);
  return kTransposed ? matrix_transposed(matrix) : matrix;
}

// A list: the address (3), then the registers. The rows of matrix m have their addresses in lanes 8 m to 8 m + 7.
constexpr LaneMask matrix_lanes(size_t matrices) {
  return static_cast<LaneMask>((uint64_t{1} << 8 * matrices) - 1);
}

// The rows that the lanes name, as resolve_lanes gives them; null also for lanes that do not take part.
void matrix_rows(Warp& warp, const Place& place, size_t matrices, Access access, std::byte** at) {
  std::fill_n(at, kLanes, nullptr);
  const LaneMask active = warp.active;
  warp.active &= matrix_lanes(matrices);
  std::byte* const all = resolve_lanes(warp, place, 16, access, at);
  for (size_t lane = 0; all != nullptr && lane < kLanes; ++lane) at[lane] = all + 16 * lane;
  warp.active = active;
}

template <int kMatrices, bool kTransposed>
Outcome matrix_load(Warp& warp, const Instr& i) {
  matrix_check_aligned(warp);
  const uint32_t* list = warp.lists + i.extra;
  std::byte* at[kLanes];
  matrix_rows(warp, Place(list), kMatrices, Access::Read, at);
  for (size_t m = 0; m < kMatrices; ++m) {
    Matrix8 matrix;
    for (size_t row = 0; row < 8; ++row) {
      if (at[8 * m + row] == nullptr) {
        std::memset(&matrix[row], kPoisonByte, 16);
      } else {
        std::memcpy(&matrix[row], at[8 * m + row], 16);
      }
    }
    put_active(warp, &warp.rows[list[3 + m]], matrix_to_register<kTransposed>(matrix));
  }
  return Outcome::Next;
}

template <int kMatrices, bool kTransposed>
Outcome matrix_store(Warp& warp, const Instr& i) {
  matrix_check_aligned(warp);
  const uint32_t* list = warp.lists + i.extra;
  std::byte* at[kLanes];
  matrix_rows(warp, Place(list), kMatrices, Access::Write, at);
  for (size_t m = 0; m < kMatrices; ++m) {
    const Matrix8 matrix = register_to_matrix<kTransposed>(warp.rows[list[3 + m]]);
    for (size_t row = 0; row < 8; ++row) {
      if (at[8 * m + row] != nullptr) std::memcpy(at[8 * m + row], &matrix[row], 16);
    }
  }
  return Outcome::Next;
}

Outcome matrix_transpose(Warp& warp, const Instr& i) {
  matrix_check_aligned(warp);
  const Row result = matrix_to_register<true>(register_to_matrix<false>(warp.rows[i.a]));
  put_active(warp, &warp.rows[i.dst], result);
  return Outcome::Next;
}

// The address and the vector of registers of ldmatrix and stmatrix.
uint32_t matrix_list(Decoder& decoder, const Words& words, const ptx::Operand& address,
                     const ptx::Operand& registers, bool is_load) {
  std::vector<uint32_t> list = address_list(decoder, words, address);
  const bool vector = registers.kind == ptx::Operand::Kind::Vector;
  const size_t count = vector ? registers.parts.size() : 1;
  if (count != words.vector()) {
    decoder.refuse(
        fmt::format(".x{} moves {} registers; here are {}", words.vector(), words.vector(), count));
  }
  for (size_t m = 0; m < count; ++m) {
    const ptx::Operand& reg = vector ? registers.parts[m] : registers;
    list.push_back(is_load ? decoder.row_out(reg, Type::B32) : decoder.row_in(reg, Type::B32));
  }
  return decoder.list(list);
}

template <bool kTransposed>
ExecFn matrix_load_function(uint32_t count) {
  if (count == 1) return matrix_load<1, kTransposed>;
  return count == 2 ? matrix_load<2, kTransposed> : matrix_load<4, kTransposed>;
}

template <bool kTransposed>
ExecFn matrix_store_function(uint32_t count) {
  if (count == 1) return matrix_store<1, kTransposed>;
  return count == 2 ? matrix_store<2, kTransposed> : matrix_store<4, kTransposed>;
}

Instr decode_load_matrix(Decoder& decoder, const Words& words, const ptx::Instruction& text) {
  decoder.require_operands(text, 2, 2);
  Instr instr;
  instr.exec = words.has("trans") ? matrix_load_function<true>(words.vector())
                                  : matrix_load_function<false>(words.vector());
  instr.extra = matrix_list(decoder, words, text.operands[1], text.operands[0], true);
  return instr;
}

Instr decode_store_matrix(Decoder& decoder, const Words& words, const ptx::Instruction& text) {
  decoder.require_operands(text, 2, 2);
  Instr instr;
  instr.exec = words.has("trans") ? matrix_store_function<true>(words.vector())
                                  : matrix_store_function<false>(words.vector());
  instr.extra = matrix_list(decoder, words, text.operands[0], text.operands[1], false);
  return instr;
}

Instr decode_transpose(Decoder& decoder, const Words&, const ptx::Instruction& text) {
  return decoder.unary(matrix_transpose, text, Type::B32, Type::B32);
}

constexpr auto kTensorHalf = TensorElement::F16;
constexpr auto kTensorBrain = TensorElement::BF16;

constexpr const char* kTensorBound = "as an H200 on sm_90, by literature before";

constexpr Form kMatrixForms[] = {
    {"mma.sync.aligned.m16n8k16.row.col.f32.f16.f16.f32", Unit::Matrix, Fidelity::Exact,
     decode_product<kTensorHalf, false, 16>, 80, "9.7.14.5.14", kTensorBound},
    {"mma.sync.aligned.m16n8k8.row.col.f32.f16.f16.f32", Unit::Matrix, Fidelity::Exact,
     decode_product<kTensorHalf, false, 8>, 75, "9.7.14.5.14", kTensorBound},
    {"mma.sync.aligned.m16n8k16.row.col.f16.f16.f16.f16", Unit::Matrix, Fidelity::Exact,
     decode_product<kTensorHalf, true, 16>, 80, "9.7.14.5.14", kTensorBound},
    {"mma.sync.aligned.m16n8k8.row.col.f16.f16.f16.f16", Unit::Matrix, Fidelity::Exact,
     decode_product<kTensorHalf, true, 8>, 75, "9.7.14.5.14", kTensorBound},
    {"mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32", Unit::Matrix, Fidelity::Exact,
     decode_product<kTensorBrain, false, 16>, 80, "9.7.14.5.14", kTensorBound},
    {"mma.sync.aligned.m16n8k8.row.col.f32.bf16.bf16.f32", Unit::Matrix, Fidelity::Exact,
     decode_product<kTensorBrain, false, 8>, 80, "9.7.14.5.14", kTensorBound},
    {"ldmatrix.sync.aligned.m8n8.{x1,x2,x4}{.trans}{.{shared,shared::cta}}.b16", Unit::Shared,
     Fidelity::Exact, decode_load_matrix, 75, "9.7.14.5.15"},
    {"ldmatrix.sync.aligned.{x1,x2,x4}{.trans}.m8n8{.{shared,shared::cta}}.b16", Unit::Shared,
     Fidelity::Exact, decode_load_matrix, 75, "9.7.14.5.15"},
    {"stmatrix.sync.aligned.m8n8.{x1,x2,x4}{.trans}{.{shared,shared::cta}}.b16", Unit::Shared,
     Fidelity::Exact, decode_store_matrix, 90, "9.7.14.5.16"},
    {"stmatrix.sync.aligned.{x1,x2,x4}{.trans}.m8n8{.{shared,shared::cta}}.b16", Unit::Shared,
     Fidelity::Exact, decode_store_matrix, 90, "9.7.14.5.16"},
    // Where DeepGEMM has it.
    {"stmatrix.sync.aligned.{x1,x2,x4}.m8n8{.{shared,shared::cta}}.b16.trans", Unit::Shared,
     Fidelity::Exact, decode_store_matrix, 90, "9.7.14.5.16"},
    {"movmatrix.sync.aligned.m8n8.trans.b16", Unit::Shared, Fidelity::Exact, decode_transpose, 75,
     "9.7.14.5.17"},
};

}  // namespace

std::span<const Form> matrix_forms() { return kMatrixForms; }

}  // namespace fa4::emu::isa
