// SPDX-License-Identifier: Apache-2.0
// Chapters 9.7.9.12 and 9.7.13.7: st.async and red.async, stores and reductions into the shared memory of a CTA of the
// cluster, which tell an mbarrier there when they are done. One operation for each lane.
#include <fmt/format.h>

#include <algorithm>
#include <cstring>
#include <memory>

#include "emu/isa/decoder.h"
#include "emu/isa/lanes.h"
#include "emu/isa/shared_address.h"
#include "emu/isa/table.h"
#include "emu/machine/cluster.h"
#include "emu/machine/warp_report.h"

namespace fa4::emu::isa {
namespace {

enum class AsyncReduction : uint8_t { Store, Inc, Dec, MinU, MaxU, MinS, MaxS, Add, And, Or, Xor };

template <class T>
T reduced_value(AsyncReduction how, T old, T value) {
  using S = std::make_signed_t<T>;
  const auto signed_less = [](T a, T b) { return static_cast<S>(a) < static_cast<S>(b); };
  switch (how) {
    case AsyncReduction::Store:
      return value;
    case AsyncReduction::Inc:
      return old >= value ? 0 : old + 1;
    case AsyncReduction::Dec:
      return old == 0 || old > value ? value : old - 1;
    case AsyncReduction::MinU:
      return std::min(old, value);
    case AsyncReduction::MaxU:
      return std::max(old, value);
    case AsyncReduction::MinS:
      return signed_less(old, value) ? old : value;
    case AsyncReduction::MaxS:
      return signed_less(old, value) ? value : old;
    case AsyncReduction::Add:
      return old + value;
    case AsyncReduction::And:
      return old & value;
    case AsyncReduction::Or:
      return old | value;
    case AsyncReduction::Xor:
      break;
  }
  return old ^ value;
}

class StoreAsync final : public AsyncOp {
 public:
  StoreAsync(Warp& issuer, AsyncReduction how, uint32_t element_bytes, uint32_t count)
      : AsyncOp(issuer, AsyncGroup::None),
        how_(how),
        element_bytes_(element_bytes),
        count_(count) {}

  // False: it may not, which has been reported.
  bool prepare(int lane, uint32_t to, uint32_t barrier) {
    lanes = LaneMask{1} << lane;
    barrier_ = barrier;
    if (to >> kRankShift != barrier >> kRankShift) {
      report(*warp, Level::Error, "smem.foreign_rank",
             fmt::format("out of bounds: lane {} writes to rank {} and names an mbarrier of rank "
                         "{}; both must be of one CTA",
                         lane, to >> kRankShift, barrier >> kRankShift));
      return false;
    }
    if (!check_barrier(*warp, barrier, lane)) return false;
    const uint32_t bytes = element_bytes_ * count_;
    to_ = how_ == AsyncReduction::Store ? note_target(*this, to, lane, bytes, bytes)
                                        : note_atomic_target(*this, to, lane, bytes);
    return to_ != nullptr;
  }
  void set(uint32_t element, uint64_t value) { values_[element] = value; }

  const char* what() const override {
    return how_ == AsyncReduction::Store ? "st.async" : "red.async";
  }
  size_t num_steps() const override { return 1; }
  size_t num_reads() const override { return 0; }
  void step(size_t) override {
    for (uint32_t e = 0; e < count_; ++e) {
      std::byte* at = to_ + e * element_bytes_;
      if (element_bytes_ == 8) {
        apply<uint64_t>(at, values_[e]);
      } else {
        apply<uint32_t>(at, static_cast<uint32_t>(values_[e]));
      }
    }
  }
  void complete() override {
    complete_tx(*warp->cta->cluster, barrier_, element_bytes_ * count_, *this);
  }

 private:
  template <class T>
  void apply(std::byte* at, T value) {
    T old;
    std::memcpy(&old, at, sizeof(old));
    value = reduced_value(how_, old, value);
    std::memcpy(at, &value, sizeof(value));
  }

  AsyncReduction how_;
  uint32_t element_bytes_, count_, barrier_ = 0;
  std::byte* to_ = nullptr;
  uint64_t values_[4] = {};
};

// The list: address (3), barrier (3), how, element bytes, elements, their rows.
Outcome store_async(Warp& warp, const Instr& i) {
  const uint32_t* list = warp.lists + i.extra;
  const Place to(list), barrier(list + 3);
  const auto how = static_cast<AsyncReduction>(list[6]);
  const uint32_t bytes = list[7], count = list[8];
  const LaneMask active = warp.active;
  for_each_lane(active, [&](int lane) {
    const std::optional<uint32_t> address = shared_address(warp, to, lane);
    const std::optional<uint32_t> signal = shared_address(warp, barrier, lane);
    if (!address || !signal) return;
    auto op = std::make_unique<StoreAsync>(warp, how, bytes, count);
    if (!op->prepare(lane, *address, *signal)) return;
    for (uint32_t e = 0; e < count; ++e) {
      const auto row = static_cast<uint16_t>(list[9 + e]);
      op->set(e, bytes == 8 ? load64<uint64_t>(warp, row, lane) : warp.rows[row].lane[lane]);
    }
    issue(std::move(op));
  });
  return Outcome::Yield;
}

AsyncReduction async_reduction_of(const Words& words) {
  const bool is_signed = words.type() == Type::S32;
  if (words.has("inc")) return AsyncReduction::Inc;
  if (words.has("dec")) return AsyncReduction::Dec;
  if (words.has("min")) return is_signed ? AsyncReduction::MinS : AsyncReduction::MinU;
  if (words.has("max")) return is_signed ? AsyncReduction::MaxS : AsyncReduction::MaxU;
  if (words.has("add")) return AsyncReduction::Add;
  if (words.has("and")) return AsyncReduction::And;
  if (words.has("or")) return AsyncReduction::Or;
  return words.has("xor") ? AsyncReduction::Xor : AsyncReduction::Store;
}

Instr decode_store_async(Decoder& decoder, const Words& words, const ptx::Instruction& text) {
  decoder.require_operands(text, 3, 3);
  std::vector<uint32_t> list = address_list(decoder, words, text.operands[0]);
  const std::vector<uint32_t> barrier = address_list(decoder, words, text.operands[2]);
  list.insert(list.end(), barrier.begin(), barrier.end());
  const Type type = words.type();
  const ptx::Operand& data = text.operands[1];
  const bool vector = data.kind == ptx::Operand::Kind::Vector;
  const auto count = static_cast<uint32_t>(vector ? data.parts.size() : 1);
  if (count != words.vector()) {
    decoder.refuse("the number of registers is not that of the vector");
  }
  list.insert(list.end(),
              {static_cast<uint32_t>(async_reduction_of(words)), bits_of(type) / 8, count});
  for (uint32_t e = 0; e < count; ++e) {
    list.push_back(decoder.row_in(vector ? data.parts[e] : data, type));
  }
  Instr instr{.exec = store_async};
  instr.extra = decoder.list(list);
  return instr;
}

}  // namespace

std::span<const Form> store_async_forms() {
  static constexpr Form kForms[] = {
      {"st.async{.weak}{.shared::cluster}.mbarrier::complete_tx::bytes{.{v2,v4}}"
       ".{b32,b64,u32,u64,s32,s64,f32,f64}",
       Unit::Async, Fidelity::Exact, decode_store_async, 90, "9.7.9.12"},
      {"red.async{.relaxed}{.cluster}{.shared::cluster}.mbarrier::complete_tx::bytes"
       ".{inc,dec,min,max,add}.u32",
       Unit::Async, Fidelity::Exact, decode_store_async, 90, "9.7.13.7"},
      {"red.async{.relaxed}{.cluster}{.shared::cluster}.mbarrier::complete_tx::bytes"
       ".{min,max,add}.s32",
       Unit::Async, Fidelity::Exact, decode_store_async, 90, "9.7.13.7"},
      {"red.async{.relaxed}{.cluster}{.shared::cluster}.mbarrier::complete_tx::bytes"
       ".{and,or,xor}.b32",
       Unit::Async, Fidelity::Exact, decode_store_async, 90, "9.7.13.7"},
      {"red.async{.relaxed}{.cluster}{.shared::cluster}.mbarrier::complete_tx::bytes.add.u64",
       Unit::Async, Fidelity::Exact, decode_store_async, 90, "9.7.13.7"},
  };
  return kForms;
}

}  // namespace fa4::emu::isa
