// SPDX-License-Identifier: Apache-2.0
// Chapter 9.7.16.10.9.1: tcgen05.mma of dense A, of floating-point kinds without scales. The others (.ws, .sp, .block_scale,
// kind::i8) have no row and are unknown forms.
#include <fmt/format.h>

#include <memory>

#include "emu/isa/address.h"
#include "emu/isa/bulk_operands.h"
#include "emu/isa/decoder.h"
#include "emu/isa/lanes.h"
#include "emu/isa/table.h"
#include "emu/isa/tcgen05_collector.h"
#include "emu/isa/tcgen05_group.h"
#include "emu/isa/tcgen05_mma_op.h"
#include "emu/machine/cluster.h"
#include "emu/machine/warp_report.h"

namespace fa4::emu::isa {
namespace {

// What a tcgen05.mma's list in Program::lists says: these numbers, then the rows of the mask of lanes.
struct Tcgen05MmaForm {
  enum Flags : uint32_t {
    kPair = 1,          // cta_group::2
    kTensorMemory = 2,  // A is there
    kShifted = 4,       // .ashift
    kExact = 8,
    kMasked = 16,
    kInputNumber = 32,  // enable-input-d is a number:
    kInputTrue = 64,
    kInputNegated = 128,  // it is a predicate that is negated
    kKind = 8,            // shift, 2 bits
    kCollector = 10,      // likewise
  };
  static constexpr uint32_t kNumNumbers = 6;

  uint32_t flags;
  int c_shift;
  Place d, a;  // a: only in tensor memory
  const uint32_t* mask;

  explicit Tcgen05MmaForm(const uint32_t* list)
      : flags(list[0]),
        c_shift(static_cast<int>(list[1])),
        d(place(list + 2)),
        a(place(list + 4)),
        mask(list + kNumNumbers) {}
  bool has(Flags flag) const { return (flags & flag) != 0; }
  uint32_t group() const { return has(kPair) ? 2 : 1; }
  Tcgen05Kind kind() const { return static_cast<Tcgen05Kind>(flags >> kKind & 3); }
  CollectorUse collector() const { return static_cast<CollectorUse>(flags >> kCollector & 3); }

 private:
  static Place place(const uint32_t* pair) {
    const uint32_t list[3] = {0, pair[0], pair[1]};
    return Place(list);
  }
};

Tcgen05MmaValues tcgen05_values(const Warp& warp, const Instr& i, const Tcgen05MmaForm& form,
                                int lane) {
  Tcgen05MmaValues values;
  values.d = static_cast<uint32_t>(form.d.of(warp, lane));
  values.a_in_tensor_memory = form.has(Tcgen05MmaForm::kTensorMemory);
  values.a = values.a_in_tensor_memory ? form.a.of(warp, lane) : load64<uint64_t>(warp, i.a, lane);
  values.b = load64<uint64_t>(warp, i.b, lane);
  values.instruction = warp.rows[i.dst].lane[lane];
  if (form.has(Tcgen05MmaForm::kInputNumber)) {
    values.accumulate = form.has(Tcgen05MmaForm::kInputTrue);
  } else {
    const LaneMask input = warp.predicates[i.c];
    values.accumulate = has_lane(input, lane) != form.has(Tcgen05MmaForm::kInputNegated);
  }
  if (form.has(Tcgen05MmaForm::kMasked)) {
    for (uint32_t word = 0; word < 4 * form.group(); ++word) {
      values.disabled[word] = warp.rows[form.mask[word]].lane[lane];
    }
  }
  values.c_shift = form.c_shift;
  values.shifts_a = form.has(Tcgen05MmaForm::kShifted);
  values.exact = form.has(Tcgen05MmaForm::kExact);
  return values;
}

void tcgen05_multiply_lane(Warp& warp, const Instr& i, const Tcgen05MmaForm& form, int lane) {
  if (!tcgen05_group_is_there(warp, form.group())) return;
  const Tcgen05MmaValues values = tcgen05_values(warp, i, form, lane);
  Tcgen05Shape shape;
  DescriptorFault fault = decode_tcgen05_instruction(values.instruction, form.kind(), form.group(),
                                                     values.a_in_tensor_memory, &shape);
  if (!fault && values.shifts_a && shape.m != 128 * form.group()) {
    fault = {"idesc.shape",
             fmt::format("the instruction descriptor {:#010x} has M = {}; .ashift takes {}",
                         values.instruction, shape.m, 128 * form.group())};
  }
  if (fault) {
    report(warp, Level::Error, fault.code, "bad descriptor: " + fault.text);
    return;
  }
  tcgen05_collect(warp, shape, values, form.collector());
  issue(std::make_unique<Tcgen05MmaOp>(warp, lane, shape, values));
}

// Operands: dst = the instruction descriptor, a, b = matrix descriptors, c = enable-input-d; a list (Tcgen05MmaForm).
Outcome tcgen05_multiply(Warp& warp, const Instr& i) {
  const Tcgen05MmaForm form(warp.lists + i.extra);
  for_each_issuer(warp, [&](int lane) { tcgen05_multiply_lane(warp, i, form, lane); });
  return Outcome::Yield;
}

void tcgen05_append_place(Decoder& decoder, const ptx::Operand& operand, const char* which,
                          std::vector<uint32_t>* list) {
  const Address address = decoder.address(operand);
  if (address.wide) {
    decoder.refuse(fmt::format("{} is an address of tensor memory, which has 32 bits", which));
  }
  list->push_back(address.base);
  list->push_back(static_cast<uint32_t>(address.offset));
}

// {mask}, enable-input-d{, scale-input-d}: the operands from `at` on.
void tcgen05_decode_rest(Decoder& decoder, const ptx::Instruction& text, size_t at,
                         Tcgen05Kind kind, uint32_t group, Instr* instr,
                         std::vector<uint32_t>* list) {
  const auto left = [&] { return text.operands.size() - at; };
  if (left() != 0 && text.operands[at].kind == ptx::Operand::Kind::Vector) {
    const ptx::Operand& mask = text.operands[at++];
    if (mask.parts.size() != 4 * group) {
      decoder.refuse(fmt::format("disable-output-lane of cta_group::{} is a vector of {} registers",
                                 group, 4 * group));
    }
    (*list)[0] |= Tcgen05MmaForm::kMasked;
    for (const ptx::Operand& part : mask.parts) list->push_back(decoder.row_in(part, Type::B32));
  }
  if (left() == 0 || left() > 2) {
    decoder.refuse("its last operands are enable-input-d and, if it has one, scale-input-d");
  }
  const ptx::Operand& input = text.operands[at];
  if (decoder.is_predicate(input)) {
    const Predicate predicate = decoder.predicate_in(input);
    instr->c = predicate.index;
    if (predicate.negated) (*list)[0] |= Tcgen05MmaForm::kInputNegated;
  } else {
    const int64_t value = decoder.number(input);
    if (value != 0 && value != 1) decoder.refuse("enable-input-d is a predicate, 0 or 1");
    (*list)[0] |= Tcgen05MmaForm::kInputNumber;
    if (value == 1) (*list)[0] |= Tcgen05MmaForm::kInputTrue;
  }
  if (left() == 1) return;
  const int64_t shift = decoder.number(text.operands[at + 1]);
  if (kind == Tcgen05Kind::F8f6f4) decoder.refuse("kind::f8f6f4 has no scale-input-d");
  if (shift < 0 || shift > 15) decoder.refuse("scale-input-d is 0 to 15");
  (*list)[1] = static_cast<uint32_t>(shift);
}

Instr decode_tcgen05_mma(Decoder& decoder, const Words& words, const ptx::Instruction& text) {
  require_tcgen05(decoder);
  if (text.operands.size() < 5) decoder.refuse("it has at least five operands");
  const Tcgen05Kind kind = words.has("kind::f16")    ? Tcgen05Kind::F16
                           : words.has("kind::tf32") ? Tcgen05Kind::Tf32
                                                     : Tcgen05Kind::F8f6f4;
  const uint32_t group = words.has("cta_group::2") ? 2 : 1;
  Instr instr{.exec = tcgen05_multiply};
  std::vector<uint32_t> list = {static_cast<uint32_t>(kind) << Tcgen05MmaForm::kKind, 0};
  const CollectorUse use = words.has("collector::a::fill")      ? CollectorUse::Fill
                           : words.has("collector::a::use")     ? CollectorUse::Use
                           : words.has("collector::a::lastuse") ? CollectorUse::LastUse
                                                                : CollectorUse::Discard;
  list[0] |= static_cast<uint32_t>(use) << Tcgen05MmaForm::kCollector;
  if (group == 2) list[0] |= Tcgen05MmaForm::kPair;
  if (decoder.exact()) list[0] |= Tcgen05MmaForm::kExact;
  tcgen05_append_place(decoder, text.operands[0], "D", &list);
  const bool in_tensor_memory = text.operands[1].kind == ptx::Operand::Kind::Address;
  if (in_tensor_memory) {
    list[0] |= Tcgen05MmaForm::kTensorMemory;
    tcgen05_append_place(decoder, text.operands[1], "A", &list);
  } else {
    instr.a = decoder.row_in(text.operands[1], Type::B64);
    list.insert(list.end(), {0, 0});
  }
  if (words.has("ashift")) {
    if (!in_tensor_memory) decoder.refuse(".ashift is for an A in tensor memory");
    list[0] |= Tcgen05MmaForm::kShifted;
  }
  instr.b = decoder.row_in(text.operands[2], Type::B64);
  instr.dst = decoder.row_in(text.operands[3], Type::B32);
  tcgen05_decode_rest(decoder, text, 4, kind, group, &instr, &list);
  instr.extra = decoder.list(list);
  return instr;
}

}  // namespace

std::span<const Form> tcgen05_mma_forms() {
  static constexpr Form kForms[] = {
      {"tcgen05.mma.{cta_group::1,cta_group::2}.{kind::f16,kind::tf32,kind::f8f6f4}"
       "{.{collector::a::fill,collector::a::use,collector::a::lastuse,collector::a::discard}}",
       Unit::Matrix, Fidelity::Manual, decode_tcgen05_mma, 100, "9.7.16.10.9.1"},
      {"tcgen05.mma.{cta_group::1,cta_group::2}.{kind::f16,kind::tf32,kind::f8f6f4}.ashift"
       "{.{collector::a::lastuse,collector::a::discard}}",
       Unit::Matrix, Fidelity::Manual, decode_tcgen05_mma, 100, "9.7.16.10.9.1"},
  };
  return kForms;
}

}  // namespace fa4::emu::isa
