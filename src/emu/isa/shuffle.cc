// SPDX-License-Identifier: Apache-2.0
// Chapter 9.7.9.6: shfl.sync.
#include "emu/isa/apply.h"
#include "emu/isa/members.h"
#include "emu/isa/table.h"

namespace fa4::emu::isa {
namespace {

enum class Shuffle : uint8_t { Up, Down, Butterfly, Index };

struct ShuffleSource {
  int lane;
  bool inside;  // of the segment
};

// c holds the segment's mask in bits 8 to 12, and the last lane (of up: the first) in bits 0 to 4.
template <Shuffle S>
ShuffleSource shuffle_source(int lane, uint32_t b, uint32_t c) {
  const int by = static_cast<int>(b & 31), clamp = static_cast<int>(c & 31);
  const int segment = static_cast<int>(c >> 8 & 31);
  const int limit = (lane & segment) | (clamp & ~segment);
  int source = lane;
  if constexpr (S == Shuffle::Up) source = lane - by;
  if constexpr (S == Shuffle::Down) source = lane + by;
  if constexpr (S == Shuffle::Butterfly) source = lane ^ by;
  if constexpr (S == Shuffle::Index) source = (lane & segment) | (by & ~segment);
  const bool inside = S == Shuffle::Up ? source >= limit : source <= limit;
  return {inside ? source : lane, inside};
}

// All lanes together, which is what most shuffles are.
template <Shuffle S>
Outcome warp_shuffle_all(Warp& warp, const Instr& i) {
  const Row& by = warp.rows[i.b];
  const Row& limits = warp.rows[i.c];
  int32_t source[kLanes], inside[kLanes];
  for (int lane = 0; lane < kLanes; ++lane) {
    const ShuffleSource from = shuffle_source<S>(lane, by.lane[lane], limits.lane[lane]);
    source[lane] = from.lane;
    inside[lane] = from.inside ? 1 : 0;
  }
  const Row& from = warp.rows[i.a];
  Row result;
  for (int lane = 0; lane < kLanes; ++lane) result.lane[lane] = from.lane[source[lane]];
  warp.rows[i.dst] = result;
  warp.predicates[second_result(i)] = lanes_where([&](int lane) { return inside[lane] != 0; });
  warp.splits[warp.split].wait = {};
  return Outcome::Next;
}

template <Shuffle S>
Outcome warp_shuffle(Warp& warp, const Instr& i) {
  if (all_are_members(warp, member_row(i))) return warp_shuffle_all<S>(warp, i);
  const Row from = warp.rows[i.a], by = warp.rows[i.b], limits = warp.rows[i.c];
  return for_groups(warp, member_row(i), [&](LaneMask group, LaneMask) {
    LaneMask inside = 0, absent = 0;
    for_each_lane(group, [&](int lane) {
      const ShuffleSource source = shuffle_source<S>(lane, by.lane[lane], limits.lane[lane]);
      uint32_t value = from.lane[source.lane];
      if (!has_lane(group, source.lane)) {
        absent |= LaneMask{1} << lane;
        value = 0xffffffff;
      }
      warp.rows[i.dst].lane[lane] = value;
      inside |= static_cast<LaneMask>(source.inside) << lane;
    });
    set_group_predicate(warp, second_result(i), group, inside);
    if (absent != 0) {
      report(
          warp, Level::Warning, "warp.absent_source",
          fmt::format("lanes {:#010x} read lanes that do not take part; what they get is undefined",
                      absent));
    }
  });
}

// A butterfly whose last three operands are numbers, under which all lanes take part and no source lies outside.
Outcome warp_butterfly(Warp& warp, const Instr& i) {
  if (warp.active != kAllLanes) return warp_shuffle<Shuffle::Butterfly>(warp, i);
  const auto by = static_cast<int>(warp.rows[i.b].lane[0] & 31);
  const Row from = warp.rows[i.a];
  Row& to = warp.rows[i.dst];
#if defined(__AVX2__)
  const auto eight_of = [](const uint32_t* lanes) {
    return _mm256_load_si256(reinterpret_cast<const __m256i*>(lanes));
  };
  const __m256i order =
      _mm256_xor_si256(_mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7), _mm256_set1_epi32(by & 7));
  for (int eight = 0; eight < kLanes; eight += 8) {
    _mm256_store_si256(
        reinterpret_cast<__m256i*>(to.lane + eight),
        _mm256_permutevar8x32_epi32(eight_of(from.lane + (eight ^ (by & 24))), order));
  }
#else
  for (int lane = 0; lane < kLanes; ++lane) to.lane[lane] = from.lane[lane ^ by];
#endif
  warp.predicates[second_result(i)] = kAllLanes;
  warp.splits[warp.split].wait = {};
  return Outcome::Next;
}

// Whether operands 3 to 5 of a butterfly are such numbers.
bool is_whole_butterfly(const ptx::Instruction& text) {
  for (size_t at = 2; at < 5; ++at) {
    if (text.operands[at].kind != ptx::Operand::Kind::Integer) return false;
  }
  if (static_cast<LaneMask>(text.operands[4].bits) != kAllLanes) return false;
  for (int lane = 0; lane < kLanes; ++lane) {
    if (!shuffle_source<Shuffle::Butterfly>(lane, static_cast<uint32_t>(text.operands[2].bits),
                                            static_cast<uint32_t>(text.operands[3].bits))
             .inside) {
      return false;
    }
  }
  return true;
}

Instr decode_shuffle(Decoder& decoder, const Words& words, const ptx::Instruction& text) {
  decoder.require_operands(text, 5, 5);
  Instr instr{.exec = warp_shuffle<Shuffle::Index>};
  if (words.has("up")) instr.exec = warp_shuffle<Shuffle::Up>;
  if (words.has("down")) instr.exec = warp_shuffle<Shuffle::Down>;
  if (words.has("bfly")) {
    instr.exec = is_whole_butterfly(text) ? warp_butterfly : warp_shuffle<Shuffle::Butterfly>;
  }
  instr.a = decoder.row_in(text.operands[1], Type::B32);
  instr.b = decoder.row_in(text.operands[2], Type::B32);
  instr.c = decoder.row_in(text.operands[3], Type::B32);
  const uint16_t mask = decoder.row_in(text.operands[4], Type::B32);
  const auto [d, p] = result_pair(decoder, text.operands[0], false);
  instr.dst = d;
  instr.extra = pack_members(mask, p);
  return instr;
}

constexpr Form kShuffleForms[] = {
    {"shfl.sync.{up,down,bfly,idx}.b32", Unit::Shared, Fidelity::Exact, decode_shuffle, 30,
     "9.7.9.6"},
};

}  // namespace

std::span<const Form> FA4_EMU_CPU::shuffle_forms() { return kShuffleForms; }

}  // namespace fa4::emu::isa
