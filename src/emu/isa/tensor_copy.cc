// SPDX-License-Identifier: Apache-2.0
// Chapter 9.7.9.27, boxes of tensors: cp.async.bulk.tensor, cp.reduce.async.bulk.tensor, their prefetches. Tile mode; what an
// H200 does not survive ends the run (tests/emu/golden/tma.json).
#include <fmt/format.h>

#include "emu/isa/bulk_operands.h"
#include "emu/isa/table.h"

namespace fa4::emu::isa {
namespace {

constexpr uint32_t kTileAlignment128 = 128;

// The list: map (3), shared place (3), barrier (3; loads), rank, a row for each coordinate.
struct BoxOperands {
  Place map, tile, barrier;
  uint32_t rank;
  const uint32_t* rows;

  explicit BoxOperands(const uint32_t* list)
      : map(list), tile(list + 3), barrier(list + 6), rank(list[9]), rows(list + 10) {}
};

TensorMap read_tensor_map(Warp& warp, uint64_t address, int lane) {
  if (address >> 56 == kSharedWindow >> 56 || address >> 56 == kLocalWindow >> 56) {
    bulk_fault(
        warp, "tmap.place",
        "a tensor map lies in shared or local memory; it must be a parameter of the kernel, or in constant or global "
        "memory");
  }
  const std::byte* bytes =
      resolve(warp, Space::Generic, address, lane, kTensorMapBytes, Access::Read, 64);
  if (bytes == nullptr) throw Stop("tmap.place");
  TensorMap map;
  const std::string why = decode_tensor_map(bytes, &map);
  if (!why.empty()) bulk_fault(warp, "tmap.invalid", why);
  return map;
}

TensorBox read_box(Warp& warp, const BoxOperands& operands, int lane, bool stores) {
  const TensorMap map = read_tensor_map(warp, operands.map.of(warp, lane), lane);
  if (map.rank != operands.rank) {
    bulk_fault(warp, "tmap.rank",
               fmt::format("the tensor map has rank {}, the instruction is for rank {}", map.rank,
                           operands.rank));
  }
  Coordinates at{};
  for (uint32_t d = 0; d < operands.rank; ++d) {
    at[d] = static_cast<int32_t>(warp.rows[operands.rows[d]].lane[lane]);
  }
  const std::string why = fault_of_coordinates(map, at, stores);
  if (!why.empty()) bulk_fault(warp, "tmap.coordinate", "out of bounds: " + why);
  return TensorBox(map, at);
}

uint64_t checked_tile(Warp& warp, const Place& place, int lane) {
  const uint64_t address = place.of(warp, lane);
  if (address % kTileAlignment128 != 0) {
    bulk_fault(
        warp, "misaligned",
        fmt::format(
            "misaligned: the tile of lane {} is at {:#x} of shared memory, which is not a multiple of {}",
            lane, address, kTileAlignment128));
  }
  return address;
}

Outcome box_load(Warp& warp, const Instr& i) {
  const BoxOperands operands(warp.lists + i.extra);
  for_each_issuer(warp, [&](int lane) {
    const TensorBox box = read_box(warp, operands, lane, false);
    for_destinations(
        warp, lane, i.c, checked_tile(warp, operands.tile, lane), operands.barrier.of(warp, lane),
        [&](uint64_t destination, uint64_t signal) {
          auto copy = std::make_unique<BoxCopy>(warp, lane, AsyncGroup::None, "TMA load", box);
          copy->to_tile(destination);
          copy->set_signal(signal);
          issue(std::move(copy));
        },
        i.b == 2);
  });
  return Outcome::Yield;
}

// The reductions, which Instr::b numbers from 1.
constexpr std::string_view kBoxOps[] = {"add", "min", "max", "inc", "dec", "and", "or", "xor"};

Outcome box_store(Warp& warp, const Instr& i) {
  const BoxOperands operands(warp.lists + i.extra);
  for_each_issuer(warp, [&](int lane) {
    const TensorBox box = read_box(warp, operands, lane, true);
    BulkReduce reduction = nullptr;
    if (i.b != 0) {
      const auto type = static_cast<MapType>(box.map().type);
      reduction = bulk_reduce_of(kBoxOps[i.b - 1], type);
      if (reduction == nullptr) {
        bulk_fault(warp, "tmap.reduction",
                   fmt::format("the tensor map is of {}, which has no .{}", name_of(type),
                               kBoxOps[i.b - 1]));
      }
    }
    auto copy = std::make_unique<BoxCopy>(warp, lane, AsyncGroup::Bulk,
                                          i.b == 0 ? "TMA store" : "TMA reduction", box);
    copy->from_tile(checked_tile(warp, operands.tile, lane), reduction);
    issue(std::move(copy));
  });
  return Outcome::Yield;
}

void append_box(Decoder& decoder, const Words& words, const ptx::Operand& map,
                const ptx::Operand* tile, const ptx::Operand* barrier,
                std::vector<uint32_t>* list) {
  append_place(decoder, Space::Generic, map, list);
  if (tile != nullptr) append_place(decoder, Space::SharedCluster, *tile, list);
  if (barrier != nullptr) append_place(decoder, Space::SharedCluster, *barrier, list);
  list->resize(9);
  uint32_t rank = 1;
  for (const std::string_view word : {"1d", "2d", "3d", "4d", "5d"}) {
    if (words.has(word)) break;
    ++rank;
  }
  list->push_back(rank);
  if (map.parts.size() != 2 || map.parts[1].kind != ptx::Operand::Kind::Vector ||
      map.parts[1].parts.size() != rank) {
    decoder.refuse(
        fmt::format("a tensor map of rank {0} stands with {0} coordinates: [map, {{…}}]", rank));
  }
  for (const ptx::Operand& coordinate : map.parts[1].parts) {
    list->push_back(decoder.row_in(coordinate, Type::S32));
  }
}

// [tile], [map, {…}], [barrier]{, mask}{, policy}
Instr decode_box_load(Decoder& decoder, const Words& words, const ptx::Instruction& text) {
  Instr instr{.exec = box_load};
  instr.b = words.has("cta_group::2") ? 2 : 1;
  instr.c = trailing_operands(decoder, words, text, 3);
  std::vector<uint32_t> list;
  append_box(decoder, words, text.operands[1], &text.operands[0], &text.operands[2], &list);
  instr.extra = decoder.list(list);
  return instr;
}

// [map, {…}], [tile]{, policy}
Instr decode_box_store(Decoder& decoder, const Words& words, const ptx::Instruction& text) {
  Instr instr{.exec = box_store};
  trailing_operands(decoder, words, text, 2);
  std::vector<uint32_t> list;
  append_box(decoder, words, text.operands[0], &text.operands[1], nullptr, &list);
  instr.extra = decoder.list(list);
  const std::string_view op = bulk_op_of(words);
  while (!op.empty() && (instr.b == 0 || kBoxOps[instr.b - 1] != op)) ++instr.b;
  return instr;
}

// A hint; but a map that is none would fault.
Outcome box_prefetch(Warp& warp, const Instr& i) {
  const BoxOperands operands(warp.lists + i.extra);
  for_each_issuer(warp, [&](int lane) { read_box(warp, operands, lane, false); });
  return Outcome::Next;
}

Instr decode_box_prefetch(Decoder& decoder, const Words& words, const ptx::Instruction& text) {
  Instr instr{.exec = box_prefetch};
  trailing_operands(decoder, words, text, 1);
  std::vector<uint32_t> list;
  append_box(decoder, words, text.operands[0], nullptr, nullptr, &list);
  instr.extra = decoder.list(list);
  return instr;
}

}  // namespace

#define FA4_EMU_RANKS ".{1d,2d,3d,4d,5d}"

std::span<const Form> tensor_copy_forms() {
  static constexpr Form kForms[] = {
      {"cp.async.bulk.tensor" FA4_EMU_RANKS
       ".{shared::cluster,shared::cta}.global{.tile}.mbarrier::complete_tx::bytes"
       "{.multicast::cluster}{.L2::cache_hint}",
       Unit::Async, Fidelity::Exact, decode_box_load, 90, "9.7.9.27.1"},
      // The group stands before or behind what the manual says of it, as widely used kernels have it.
      {"cp.async.bulk.tensor" FA4_EMU_RANKS
       ".{shared::cluster,shared::cta}.global{.tile}.mbarrier::complete_tx::bytes"
       "{.multicast::cluster}.{cta_group::1,cta_group::2}{.L2::cache_hint}",
       Unit::Async, Fidelity::Manual, decode_box_load, 100, "9.7.9.27.1"},
      {"cp.async.bulk.tensor" FA4_EMU_RANKS
       ".{shared::cluster,shared::cta}.global{.tile}.mbarrier::complete_tx::bytes"
       ".{cta_group::1,cta_group::2}.multicast::cluster{.L2::cache_hint}",
       Unit::Async, Fidelity::Manual, decode_box_load, 100, "9.7.9.27.1"},
      {"cp.async.bulk.tensor" FA4_EMU_RANKS
       ".{cta_group::1,cta_group::2}.{shared::cluster,shared::cta}.global{.tile}"
       ".mbarrier::complete_tx::bytes{.multicast::cluster}{.L2::cache_hint}",
       Unit::Async, Fidelity::Manual, decode_box_load, 100, "9.7.9.27.1"},
      {"cp.async.bulk.tensor" FA4_EMU_RANKS
       ".global.shared::cta{.tile}.bulk_group{.L2::cache_hint}",
       Unit::Async, Fidelity::Exact, decode_box_store, 90, "9.7.9.27.1"},
      {"cp.reduce.async.bulk.tensor" FA4_EMU_RANKS
       ".global.shared::cta.{add,min,max,inc,dec,and,or,xor}{.tile}.bulk_group{.L2::cache_hint}",
       Unit::Async, Fidelity::Exact, decode_box_store, 90, "9.7.9.27.2"},
      {"cp.async.bulk.prefetch.tensor" FA4_EMU_RANKS ".L2.global{.tile}{.L2::cache_hint}",
       Unit::Async, Fidelity::Exact, decode_box_prefetch, 90, "9.7.9.27.3"},
  };
  return kForms;
}

}  // namespace fa4::emu::isa
