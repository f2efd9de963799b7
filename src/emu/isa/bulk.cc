// SPDX-License-Identifier: Apache-2.0
// Chapter 9.7.9.25.5, bulk copies of plain bytes: cp.async.bulk, cp.reduce.async.bulk, and the groups by which those
// that write global memory are waited for. The operations are machine/bulk_copy.h.
#include <fmt/format.h>

#include <array>

#include "emu/isa/bulk_operands.h"
#include "emu/isa/table.h"

namespace fa4::emu::isa {
namespace {

// The reductions of an instruction, which Instr::b numbers from 1.
struct BulkOpRow {
  const char* op;
  Type type;
  MapType elements;
};
constexpr BulkOpRow kBulkOps[] = {
    {"and", Type::B32, MapType::U32},   {"and", Type::B64, MapType::U64},
    {"or", Type::B32, MapType::U32},    {"or", Type::B64, MapType::U64},
    {"xor", Type::B32, MapType::U32},   {"xor", Type::B64, MapType::U64},
    {"add", Type::U32, MapType::U32},   {"add", Type::S32, MapType::S32},
    {"add", Type::U64, MapType::U64},   {"add", Type::F32, MapType::F32},
    {"add", Type::F64, MapType::F64},   {"add", Type::F16, MapType::F16},
    {"add", Type::BF16, MapType::BF16}, {"inc", Type::U32, MapType::U32},
    {"dec", Type::U32, MapType::U32},   {"min", Type::U32, MapType::U32},
    {"min", Type::S32, MapType::S32},   {"min", Type::U64, MapType::U64},
    {"min", Type::S64, MapType::S64},   {"min", Type::F16, MapType::F16},
    {"min", Type::BF16, MapType::BF16}, {"max", Type::U32, MapType::U32},
    {"max", Type::S32, MapType::S32},   {"max", Type::U64, MapType::U64},
    {"max", Type::S64, MapType::S64},   {"max", Type::F16, MapType::F16},
    {"max", Type::BF16, MapType::BF16},
};

BulkReduction bulk_reduction(const Instr& i) {
  if (i.b == 0) return {};
  const BulkOpRow& row = kBulkOps[i.b - 1];
  return {bulk_reduce_of(row.op, row.elements), bytes_of(row.elements)};
}

uint16_t bulk_op_index(Decoder& decoder, const Words& words) {
  const std::string_view op = bulk_op_of(words);
  for (size_t index = 0; index < std::size(kBulkOps); ++index) {
    if (op == kBulkOps[index].op && words.type() == kBulkOps[index].type) {
      return static_cast<uint16_t>(index + 1);
    }
  }
  decoder.refuse("the operation has no such type");
  return 0;
}

uint32_t checked_size(Warp& warp, const Instr& i, int lane) {
  const uint32_t bytes = warp.rows[i.a].lane[lane];
  if (bytes % 16 != 0) {
    bulk_fault(
        warp, "bulk.size",
        fmt::format("misaligned: lane {} would copy {} bytes; bulk copies move multiples of 16",
                    lane, bytes));
  }
  return bytes;
}

// Lists: destination (3), source (3), barrier (3). Instr: a the size, b a reduction, c the mask of a multicast.
Outcome bulk_load(Warp& warp, const Instr& i) {
  const uint32_t* list = warp.lists + i.extra;
  const Place to(list), from(list + 3), barrier(list + 6);
  for_each_issuer(warp, [&](int lane) {
    const uint32_t bytes = checked_size(warp, i, lane);
    for_destinations(warp, lane, i.c, to.of(warp, lane), barrier.of(warp, lane),
                     [&](uint64_t destination, uint64_t signal) {
                       auto copy = std::make_unique<BytesCopy>(warp, lane, AsyncGroup::None,
                                                               "bulk load", bytes);
                       copy->from_global(from.of(warp, lane));
                       copy->to_shared(destination, {});
                       copy->set_signal(signal);
                       issue(std::move(copy));
                     });
  });
  return Outcome::Yield;
}

Outcome bulk_peer(Warp& warp, const Instr& i) {
  const uint32_t* list = warp.lists + i.extra;
  const Place to(list), from(list + 3), barrier(list + 6);
  for_each_issuer(warp, [&](int lane) {
    const uint32_t bytes = checked_size(warp, i, lane);
    for_destinations(warp, lane, 0, to.of(warp, lane), barrier.of(warp, lane),
                     [&](uint64_t destination, uint64_t signal) {
                       auto copy = std::make_unique<BytesCopy>(
                           warp, lane, AsyncGroup::None, i.b == 0 ? "bulk copy" : "bulk reduction",
                           bytes);
                       copy->from_shared(from.of(warp, lane));
                       copy->to_shared(destination, bulk_reduction(i));
                       copy->set_signal(signal);
                       issue(std::move(copy));
                     });
  });
  return Outcome::Yield;
}

Outcome bulk_store(Warp& warp, const Instr& i) {
  const uint32_t* list = warp.lists + i.extra;
  const Place to(list), from(list + 3);
  for_each_issuer(warp, [&](int lane) {
    const uint32_t bytes = checked_size(warp, i, lane);
    auto copy = std::make_unique<BytesCopy>(warp, lane, AsyncGroup::Bulk,
                                            i.b == 0 ? "bulk store" : "bulk reduction", bytes);
    copy->from_shared(from.of(warp, lane));
    copy->to_global(to.of(warp, lane), bulk_reduction(i));
    issue(std::move(copy));
  });
  return Outcome::Yield;
}

// [to], [from], bytes{, [barrier]}{, mask}{, policy}
Instr decode_bulk(Decoder& decoder, const Words& words, const ptx::Instruction& text, ExecFn exec,
                  Space to, Space from, bool signals) {
  Instr instr{.exec = exec};
  const size_t first = signals ? 4 : 3;
  instr.c = trailing_operands(decoder, words, text, first);
  std::vector<uint32_t> list;
  append_place(decoder, to, text.operands[0], &list);
  append_place(decoder, from, text.operands[1], &list);
  if (signals) append_place(decoder, Space::SharedCluster, text.operands[3], &list);
  instr.a = decoder.row_in(text.operands[2], Type::U32);
  if (text.opcode == "cp" && words.has("reduce")) instr.b = bulk_op_index(decoder, words);
  instr.extra = decoder.list(list);
  return instr;
}

Instr decode_bulk_load(Decoder& decoder, const Words& words, const ptx::Instruction& text) {
  return decode_bulk(decoder, words, text, bulk_load, Space::SharedCluster, Space::Global, true);
}
Instr decode_bulk_peer(Decoder& decoder, const Words& words, const ptx::Instruction& text) {
  return decode_bulk(decoder, words, text, bulk_peer, Space::SharedCluster, Space::Shared, true);
}
Instr decode_bulk_store(Decoder& decoder, const Words& words, const ptx::Instruction& text) {
  return decode_bulk(decoder, words, text, bulk_store, Space::Global, Space::Shared, false);
}

Outcome bulk_hint(Warp&, const Instr&) { return Outcome::Next; }

Instr decode_bulk_prefetch(Decoder& decoder, const Words& words, const ptx::Instruction& text) {
  trailing_operands(decoder, words, text, 2);
  decoder.address(text.operands[0]);
  decoder.row_in(text.operands[1], Type::U32);
  return {.exec = bulk_hint};
}

Outcome commit_bulk_group(Warp& warp, const Instr&) {
  for_each_lane(warp.active, [&](int lane) { ++warp.bulk_groups[static_cast<size_t>(lane)]; });
  return Outcome::Next;
}

Instr decode_bulk_commit(Decoder& decoder, const Words&, const ptx::Instruction& text) {
  decoder.require_operands(text, 0, 0);
  return {.exec = commit_bulk_group};
}

// Until of each lane's groups at most `extra` are unfinished; a: or only have not read their sources.
Outcome wait_bulk_groups(Warp& warp, const Instr& i) {
  const WaitOn wait{WaitOn::Kind::BulkGroup, i.extra, i.a};
  return has_waited_for_groups(warp, wait) ? Outcome::Yield : Outcome::Wait;
}

Instr decode_bulk_wait(Decoder& decoder, const Words& words, const ptx::Instruction& text) {
  decoder.require_operands(text, 1, 1);
  const int64_t groups = decoder.number(text.operands[0]);
  if (groups < 0 || groups >= kAllCopyGroups) {
    decoder.refuse("cp.async.bulk.wait_group waits for 0 or more groups");
  }
  Instr instr{.exec = wait_bulk_groups};
  instr.extra = static_cast<uint32_t>(groups);
  instr.a = words.has("read") ? 1 : 0;
  return instr;
}

}  // namespace

#define FA4_EMU_SIGNAL ".mbarrier::complete_tx::bytes"

std::span<const Form> bulk_forms() {
  static constexpr Form kForms[] = {
      {"cp.async.bulk.{shared::cluster,shared::cta}.global" FA4_EMU_SIGNAL
       "{.multicast::cluster}{.L2::cache_hint}",
       Unit::Async, Fidelity::Exact, decode_bulk_load, 90, "9.7.9.25.5.1"},
      {"cp.async.bulk.shared::cluster.shared::cta" FA4_EMU_SIGNAL, Unit::Async, Fidelity::Exact,
       decode_bulk_peer, 90, "9.7.9.25.5.1"},
      {"cp.async.bulk.global.shared::cta.bulk_group{.L2::cache_hint}", Unit::Async, Fidelity::Exact,
       decode_bulk_store, 90, "9.7.9.25.5.1"},
      {"cp.reduce.async.bulk.global.shared::cta.bulk_group{.L2::cache_hint}"
       ".{and,or,xor}.{b32,b64}",
       Unit::Async, Fidelity::Exact, decode_bulk_store, 90, "9.7.9.25.5.2"},
      {"cp.reduce.async.bulk.global.shared::cta.bulk_group{.L2::cache_hint}"
       ".add.{u32,s32,u64,f32,f64}",
       Unit::Async, Fidelity::Exact, decode_bulk_store, 90, "9.7.9.25.5.2"},
      {"cp.reduce.async.bulk.global.shared::cta.bulk_group{.L2::cache_hint}"
       ".add.noftz.{f16,bf16}",
       Unit::Async, Fidelity::Exact, decode_bulk_store, 90, "9.7.9.25.5.2"},
      {"cp.reduce.async.bulk.global.shared::cta.bulk_group{.L2::cache_hint}.{inc,dec}.u32",
       Unit::Async, Fidelity::Exact, decode_bulk_store, 90, "9.7.9.25.5.2"},
      {"cp.reduce.async.bulk.global.shared::cta.bulk_group{.L2::cache_hint}"
       ".{min,max}.{u32,s32,u64,s64,f16,bf16}",
       Unit::Async, Fidelity::Exact, decode_bulk_store, 90, "9.7.9.25.5.2"},
      {"cp.reduce.async.bulk.shared::cluster.shared::cta" FA4_EMU_SIGNAL ".{and,or,xor}.b32",
       Unit::Async, Fidelity::Exact, decode_bulk_peer, 90, "9.7.9.25.5.2"},
      {"cp.reduce.async.bulk.shared::cluster.shared::cta" FA4_EMU_SIGNAL ".add.{u32,s32,u64}",
       Unit::Async, Fidelity::Exact, decode_bulk_peer, 90, "9.7.9.25.5.2"},
      {"cp.reduce.async.bulk.shared::cluster.shared::cta" FA4_EMU_SIGNAL ".{inc,dec}.u32",
       Unit::Async, Fidelity::Exact, decode_bulk_peer, 90, "9.7.9.25.5.2"},
      {"cp.reduce.async.bulk.shared::cluster.shared::cta" FA4_EMU_SIGNAL ".{min,max}.{u32,s32}",
       Unit::Async, Fidelity::Exact, decode_bulk_peer, 90, "9.7.9.25.5.2"},
      {"cp.async.bulk.prefetch.L2.global{.L2::cache_hint}", Unit::Async, Fidelity::Exact,
       decode_bulk_prefetch, 90, "9.7.9.25.5.3"},
      {"cp.async.bulk.commit_group", Unit::Async, Fidelity::Exact, decode_bulk_commit, 90,
       "9.7.9.25.6"},
      {"cp.async.bulk.wait_group{.read}", Unit::Async, Fidelity::Exact, decode_bulk_wait, 90,
       "9.7.9.25.6"},
  };
  return kForms;
}

}  // namespace fa4::emu::isa
