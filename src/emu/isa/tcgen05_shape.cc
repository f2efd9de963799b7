// SPDX-License-Identifier: Apache-2.0
#include "emu/isa/tcgen05_shape.h"

#include <fmt/format.h>

#include <optional>

namespace fa4::emu::isa {
namespace {

std::optional<TensorElement> tcgen05_element(Tcgen05Kind kind, uint32_t code) {
  switch (kind) {
    case Tcgen05Kind::F16:
      if (code > 1) return std::nullopt;
      return code == 0 ? TensorElement::F16 : TensorElement::BF16;
    case Tcgen05Kind::Tf32:
      if (code != 2) return std::nullopt;
      return TensorElement::TF32;
    case Tcgen05Kind::F8f6f4:
      break;
  }
  switch (code) {
    case 0:
      return TensorElement::E4M3;
    case 1:
      return TensorElement::E5M2;
    case 3:
      return TensorElement::E2M3;
    case 4:
      return TensorElement::E3M2;
    case 5:
      return TensorElement::E2M1;
    default:
      return std::nullopt;
  }
}

DescriptorFault tcgen05_fault(const char* code, uint32_t bits, const std::string& text) {
  return {code, fmt::format("the instruction descriptor {:#010x} {}", bits, text)};
}

// Fields that a dense product of these kinds has no use for.
DescriptorFault tcgen05_check_reserved(uint32_t bits) {
  if ((bits & 4) != 0) {
    return tcgen05_fault("idesc.sparse", bits,
                         "says that A is sparse (bit 2), which tcgen05.mma.sp alone may be");
  }
  if ((bits & 8) != 0) {
    return tcgen05_fault("idesc.saturate", bits, "saturates (bit 3), which kind::i8 alone does");
  }
  if (bits >> 30 != 0) {
    return tcgen05_fault("idesc.reuse", bits,
                         "has a maximum shift (bits 30 and 31), which tcgen05.mma.ws alone has");
  }
  constexpr uint32_t kZero = 3u | 1u << 6 | 1u << 23 | 1u << 29;
  if ((bits & kZero) == 0) return {};
  return tcgen05_fault("idesc.reserved", bits,
                       fmt::format("has bits {:#010x}, which must be 0", bits & kZero));
}

DescriptorFault tcgen05_check_shape(uint32_t bits, const Tcgen05Shape& shape) {
  const uint32_t group = shape.group, most_m = 128 * group;
  if (shape.m != most_m && shape.m != most_m / 2) {
    return tcgen05_fault("idesc.shape", bits,
                         fmt::format("has M = {}; cta_group::{} takes {} and {}", shape.m, group,
                                     most_m / 2, most_m));
  }
  // 9.7.16.10.1: B of 8 bits that is N-major needs twice the step.
  const bool wide = shape.kind == Tcgen05Kind::F8f6f4 && shape.transposed_b;
  const uint32_t step = (wide ? 16 : 8) * group;
  if (shape.n >= step && shape.n <= 256 && shape.n % step == 0) return {};
  return tcgen05_fault(
      "idesc.shape", bits,
      fmt::format("has N = {}; cta_group::{} takes multiples of {} from {} to 256{}", shape.n,
                  group, step, step, wide ? " where B is of 8 bits and N-major" : ""));
}

}  // namespace

const char* name_of(Tcgen05Kind kind) {
  switch (kind) {
    case Tcgen05Kind::F16:
      return "f16";
    case Tcgen05Kind::Tf32:
      return "tf32";
    case Tcgen05Kind::F8f6f4:
      break;
  }
  return "f8f6f4";
}

DescriptorFault decode_tcgen05_instruction(uint32_t bits, Tcgen05Kind kind, uint32_t group,
                                           bool a_in_tensor_memory, Tcgen05Shape* shape) {
  const uint32_t d = bits >> 4 & 3, code_a = bits >> 7 & 7, code_b = bits >> 10 & 7;
  *shape = {.kind = kind,
            .group = group,
            .half = d == 0,
            .negate_a = (bits >> 13 & 1) != 0,
            .negate_b = (bits >> 14 & 1) != 0,
            .transposed_a = (bits >> 15 & 1) != 0,
            .transposed_b = (bits >> 16 & 1) != 0,
            .m = (bits >> 24 & 31) << 4,
            .n = (bits >> 17 & 63) << 3};
  if (DescriptorFault fault = tcgen05_check_reserved(bits)) return fault;
  const std::optional<TensorElement> a = tcgen05_element(kind, code_a);
  const std::optional<TensorElement> b = tcgen05_element(kind, code_b);
  if (!a || !b) {
    return tcgen05_fault("idesc.type", bits,
                         fmt::format("has the type {} of {}, which kind::{} does not have",
                                     a ? code_b : code_a, a ? "B" : "A", name_of(kind)));
  }
  shape->a = *a;
  shape->b = *b;
  const bool brain = *a == TensorElement::BF16 || *b == TensorElement::BF16;
  if (d > 1 || (d == 0 && (kind == Tcgen05Kind::Tf32 || brain))) {
    return tcgen05_fault("idesc.type", bits,
                         fmt::format("has the type {} of D; kind::{} has {}", d, name_of(kind),
                                     kind == Tcgen05Kind::Tf32 ? "1 (f32)"
                                     : brain                   ? "1 (f32) where A or B is bf16"
                                                               : "0 (f16) and 1 (f32)"));
  }
  if (a_in_tensor_memory && shape->transposed_a) {
    return tcgen05_fault("idesc.transpose", bits,
                         "transposes A (bit 15), which lies in tensor memory, always K-major");
  }
  return tcgen05_check_shape(bits, *shape);
}

DescriptorFault check_tcgen05_operand(const Tcgen05Shape& shape, const MatrixLayout& layout) {
  const bool wide = shape.kind == Tcgen05Kind::Tf32;
  if (layout.mn_major && wide != layout.pairs) {
    return {"desc.swizzle",
            wide ? "kind::tf32 reads an MN-major operand only with the swizzle of 128 bytes whose "
                   "atoms are 32 bytes (1)"
                 : fmt::format("kind::{} does not read an MN-major operand with the swizzle of 128 "
                               "bytes whose atoms are 32 bytes (1)",
                               name_of(shape.kind))};
  }
  if (!layout.mn_major && layout.pairs) {
    return {"desc.swizzle",
            "the swizzle of 128 bytes whose atoms are 32 bytes (1) is for MN-major operands"};
  }
  return {};
}

}  // namespace fa4::emu::isa
