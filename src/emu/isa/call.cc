// SPDX-License-Identifier: Apache-2.0
// Chapter 9.7.12, calls and returns; 9.7.17, the stack. What a frame is says machine/calls.h.
#include <fmt/format.h>

#include <algorithm>

#include "emu/isa/decoder.h"
#include "emu/isa/lanes.h"
#include "emu/isa/runtime.h"
#include "emu/isa/table.h"
#include "emu/machine/cta.h"
#include "emu/machine/warp_report.h"

namespace fa4::emu::isa {
namespace {

constexpr std::array<uint32_t, kLanes> kEntryBase{};

const std::array<uint32_t, kLanes>& base_of(const Split& split) {
  return split.frame == nullptr ? kEntryBase : split.frame->base;
}

void copy_slots(Warp& warp, LaneMask lanes, const std::vector<FrameSlot>& from,
                const std::array<uint32_t, kLanes>& from_base, const std::vector<FrameSlot>& to,
                const std::array<uint32_t, kLanes>& to_base) {
  const size_t size = warp.cta->local_bytes;
  for (size_t i = 0; i < from.size(); ++i) {
    for_each_lane(lanes, [&](int lane) {
      const auto l = static_cast<size_t>(lane);
      std::copy_n(
          warp.local.begin() +
              static_cast<std::ptrdiff_t>(l * size + from_base[l] + from[i].offset),
          from[i].bytes,
          warp.local.begin() + static_cast<std::ptrdiff_t>(l * size + to_base[l] + to[i].offset));
    });
  }
}

bool same_sizes(const std::vector<FrameSlot>& a, const std::vector<FrameSlot>& b) {
  return std::equal(a.begin(), a.end(), b.begin(), b.end(),
                    [](const FrameSlot& x, const FrameSlot& y) { return x.bytes == y.bytes; });
}

// The function that a lane calls, and the lanes that call the same one.
uint32_t callee_of(Warp& warp, const CallSite& site, LaneMask* lanes) {
  *lanes = warp.active;
  if (site.callee != CallSite::kIndirect) return site.callee;
  const auto address = load64<uint64_t>(warp, site.pointer, std::countr_zero(warp.active));
  *lanes = 0;
  for_each_lane(warp.active, [&](int lane) {
    if (load64<uint64_t>(warp, site.pointer, lane) == address) *lanes |= LaneMask{1} << lane;
  });
  const auto found = warp.cta->calls->by_address.find(address);
  if (found == warp.cta->calls->by_address.end()) {
    report(warp, Level::Error, "call.target",
           fmt::format("out of bounds: lane {} calls {:#x}, which is no function",
                       std::countr_zero(warp.active), address));
    throw Stop("a call of no function");
  }
  return found->second;
}

[[noreturn]] void overflow_stack(Warp& warp, int lane, uint64_t end) {
  report(warp, Level::Error, "stack.overflow",
         fmt::format("out of bounds: the stack of lane {} would end at byte {} of {}", lane, end,
                     warp.cta->local_bytes));
  throw Stop("stack overflow");
}

// Moves the stack of each lane behind a new frame; its begin is where the stack ended.
void push_frame(Warp& warp, const CallTable& calls, const Callee& callee, LaneMask lanes,
                Frame* frame) {
  Row& stack = warp.rows[calls.stack_row];
  for_each_lane(lanes, [&](int lane) {
    frame->base[static_cast<size_t>(lane)] = stack.lane[lane];
    const uint64_t end = uint64_t{stack.lane[lane]} + callee.frame_bytes;
    if (end > warp.cta->local_bytes) overflow_stack(warp, lane, end);
    stack.lane[lane] = static_cast<uint32_t>(end);
  });
  if (callee.recursive) {
    frame->rows.assign(warp.rows + callee.first_row, warp.rows + callee.end_row);
    for (const FrameAddress& address : callee.addresses)
      frame->rows.push_back(warp.rows[address.row]);
    frame->predicates.assign(warp.predicates + callee.first_predicate,
                             warp.predicates + callee.end_predicate);
    for (const uint16_t index : callee.unwritten)
      frame->predicates.push_back(warp.predicates[index]);
  }
  for (const FrameAddress& address : callee.addresses) {
    for_each_lane(lanes, [&](int lane) {
      warp.rows[address.row].lane[lane] = frame->base[static_cast<size_t>(lane)] + address.offset;
      if (address.wide) warp.rows[address.row + 1].lane[lane] = 0;
    });
  }
  for (const uint16_t index : callee.unwritten) warp.predicates[index] |= lanes;
}

void pop_frame(Warp& warp, const CallTable& calls, const Callee& callee, LaneMask lanes,
               const Frame& frame) {
  for_each_lane(lanes, [&](int lane) {
    warp.rows[calls.stack_row].lane[lane] = frame.base[static_cast<size_t>(lane)];
  });
  if (!callee.recursive) return;
  const auto give_back = [&](Row& to, const Row& from) {
    for_each_lane(lanes, [&](int lane) { to.lane[lane] = from.lane[lane]; });
  };
  size_t at = 0;
  for (size_t row = callee.first_row; row < callee.end_row; ++row)
    give_back(warp.rows[row], frame.rows[at++]);
  for (const FrameAddress& address : callee.addresses)
    give_back(warp.rows[address.row], frame.rows[at++]);
  at = 0;
  const auto give_back_predicate = [&](size_t index) {
    warp.predicates[index] = (warp.predicates[index] & ~lanes) | (frame.predicates[at++] & lanes);
  };
  for (size_t i = callee.first_predicate; i < callee.end_predicate; ++i) give_back_predicate(i);
  for (const uint16_t index : callee.unwritten) give_back_predicate(index);
}

// Lanes of the running split go on alone; the others, which do not take part, are a split of their own.
void part_from(Warp& warp, LaneMask others, uint32_t pc) {
  if (others == 0) return;
  Split split = warp.splits[warp.split];
  split.mask = others;
  split.pc = pc;
  warp.splits[warp.split].mask &= ~others;
  warp.splits.push_back(std::move(split));
}

// Lanes that an indirect call sends to different functions call one after the other. All meet behind the call.
Outcome call_function(Warp& warp, const Instr& i) {
  const CallTable& calls = *warp.cta->calls;
  const CallSite& site = calls.sites[i.extra];
  LaneMask lanes = 0;
  const uint32_t index = callee_of(warp, site, &lanes);
  const Callee& callee = calls.callees[index];
  if (!same_sizes(site.arguments, callee.arguments) || !same_sizes(site.results, callee.results)) {
    report(warp, Level::Error, "call.signature",
           fmt::format("misuse of a call: its parameters are not those of {}", callee.name));
    throw Stop("a call with other parameters");
  }
  Split& split = warp.splits[warp.split];
  const uint32_t pc = split.pc, depth = split.depth();
  if (split.joins.empty() || split.joins.back().pc != pc + 1 || split.joins.back().depth != depth) {
    split.joins.push_back({pc + 1, ++warp.num_divergences, depth});
  }
  auto frame = std::make_shared<Frame>();
  frame->caller = split.frame;
  frame->depth = depth + 1;
  frame->callee = index;
  frame->site = i.extra;
  frame->return_pc = pc + 1;
  frame->num_joins = split.joins.size();
  push_frame(warp, calls, callee, lanes, frame.get());
  copy_slots(warp, lanes, site.arguments, base_of(split), callee.arguments, frame->base);
  const LaneMask passing = split.mask & ~warp.active;
  part_from(warp, passing, pc + 1);
  part_from(warp, warp.active & ~lanes, pc);
  Split& calling = warp.splits[warp.split];
  calling.pc = callee.first;
  calling.frame = std::move(frame);
  return Outcome::Branch;
}

Outcome call_runtime(Warp& warp, const Instr& i) {
  call_builtin(warp, warp.cta->calls->sites[i.extra], base_of(warp.splits[warp.split]).data());
  return Outcome::Next;
}

Instr decode_call(Decoder& decoder, const Words&, const ptx::Instruction& text) {
  const uint32_t made = decoder.call(text);
  Instr instr{.exec = (made & kRuntimeCall) != 0 ? call_runtime : call_function};
  instr.extra = made & ~kRuntimeCall;
  return instr;
}

// In the entry, a return is an exit.
Outcome return_lanes(Warp& warp, const Instr&) {
  if (warp.splits[warp.split].frame == nullptr) {
    Split& split = warp.splits[warp.split];
    split.mask &= ~warp.active;
    warp.exited |= warp.active;
    ++split.pc;
    return Outcome::Branch;
  }
  const CallTable& calls = *warp.cta->calls;
  const LaneMask lanes = warp.active;
  part_from(warp, warp.splits[warp.split].mask & ~lanes, warp.splits[warp.split].pc + 1);
  Split& split = warp.splits[warp.split];
  const std::shared_ptr<const Frame> frame = std::move(split.frame);
  const Callee& callee = calls.callees[frame->callee];
  split.frame = frame->caller;
  split.pc = frame->return_pc;
  split.joins.resize(frame->num_joins);
  copy_slots(warp, lanes, callee.results, frame->base, calls.sites[frame->site].results,
             base_of(split));
  pop_frame(warp, calls, callee, lanes, *frame);
  return Outcome::Branch;
}

Instr decode_return(Decoder& decoder, const Words&, const ptx::Instruction& text) {
  decoder.require_operands(text, 0, 0);
  return {.exec = return_lanes};
}

// b: bytes, as wide as the address; c: the row where the stack ends; the list: alignment, whether they are wide.
Outcome allocate_on_stack(Warp& warp, const Instr& i) {
  const uint32_t* list = warp.lists + i.extra;
  for_each_lane(warp.active, [&](int lane) {
    uint32_t& end = warp.rows[i.c].lane[lane];
    const uint64_t bytes =
        list[1] != 0 ? load64<uint64_t>(warp, i.b, lane) : warp.rows[i.b].lane[lane];
    const uint64_t begin = (uint64_t{end} + list[0] - 1) / list[0] * list[0];
    if (bytes > warp.cta->local_bytes || begin + bytes > warp.cta->local_bytes) {
      overflow_stack(warp, lane, begin + bytes);
    }
    end = static_cast<uint32_t>(begin + bytes);
    warp.rows[i.dst].lane[lane] = static_cast<uint32_t>(begin);
    if (list[1] != 0) warp.rows[i.dst + 1].lane[lane] = 0;
  });
  return Outcome::Next;
}

Instr decode_alloca(Decoder& decoder, const Words& words, const ptx::Instruction& text) {
  decoder.require_operands(text, 2, 3);
  const Type type = words.type();
  const int64_t alignment = text.operands.size() == 3 ? decoder.number(text.operands[2]) : 8;
  if (alignment < 1 || alignment > 4096 || (alignment & (alignment - 1)) != 0) {
    decoder.refuse("an alignment must be a power of two, at most 4096");
  }
  Instr instr{.exec = allocate_on_stack};
  instr.b = decoder.row_in(text.operands[1], type);
  instr.dst = decoder.row_out(text.operands[0], type);
  instr.c = decoder.stack_row();
  instr.extra = decoder.list({static_cast<uint32_t>(alignment), bits_of(type) == 64 ? 1u : 0u});
  return instr;
}

Outcome save_stack(Warp& warp, const Instr& i) {
  for_active(warp, [&](int lane) {
    warp.rows[i.dst].lane[lane] = warp.rows[i.a].lane[lane];
    if (i.extra == 64) warp.rows[i.dst + 1].lane[lane] = 0;
  });
  return Outcome::Next;
}

Instr decode_stack_save(Decoder& decoder, const Words& words, const ptx::Instruction& text) {
  decoder.require_operands(text, 1, 1);
  Instr instr{.exec = save_stack};
  instr.dst = decoder.row_out(text.operands[0], words.type());
  instr.a = decoder.stack_row();
  instr.extra = bits_of(words.type());
  return instr;
}

Instr decode_stack_restore(Decoder& decoder, const Words& words, const ptx::Instruction& text) {
  decoder.require_operands(text, 1, 1);
  Instr instr{.exec = save_stack};
  instr.a = decoder.row_in(text.operands[0], words.type());
  instr.dst = decoder.stack_row();
  return instr;
}

}  // namespace

std::span<const Form> call_forms() {
  static constexpr Form kForms[] = {
      {"call{.uni}", Unit::Control, Fidelity::Exact, decode_call, 0, "9.7.12.5"},
      {"ret{.uni}", Unit::Control, Fidelity::Exact, decode_return, 0, "9.7.12.6"},
      {"alloca.{u32,u64}", Unit::Other, Fidelity::Manual, decode_alloca, 52, "9.7.17.3"},
      {"stacksave.{u32,u64}", Unit::Other, Fidelity::Manual, decode_stack_save, 52, "9.7.17.1"},
      {"stackrestore.{u32,u64}", Unit::Other, Fidelity::Manual, decode_stack_restore, 52,
       "9.7.17.2"},
  };
  return kForms;
}

}  // namespace fa4::emu::isa
