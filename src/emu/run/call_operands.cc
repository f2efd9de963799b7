// SPDX-License-Identifier: Apache-2.0
// What calls and branches by an index name.
#include <fmt/format.h>

#include "emu/run/functions.h"
#include "emu/run/operands.h"

namespace fa4::emu {

std::vector<uint32_t> Operands::targets(const ptx::Operand& list) {
  const ptx::Targets* targets = scopes_->find_targets(scope_, list.name);
  if (targets == nullptr || targets->directive != "branchtargets") {
    refuse(fmt::format("\"{}\" is no list of branch targets", list.name));
  }
  std::vector<uint32_t> places;
  for (const std::string_view name : targets->names) {
    const std::optional<uint32_t> found = scopes_->find_label(scope_, name);
    if (!found) refuse(fmt::format("there is no label {}", name));
    places.push_back(*found);
  }
  return places;
}

std::vector<FrameSlot> Operands::slots_of(const ptx::Operand* list) {
  std::vector<FrameSlot> slots;
  if (list == nullptr) return slots;
  for (const ptx::Operand& part : list->parts) {
    const Symbol* symbol =
        part.kind == ptx::Operand::Kind::Name ? scopes_->find_symbol(scope_, part.name) : nullptr;
    if (symbol == nullptr || symbol->space != Space::Local) {
      refuse("what a call gives and takes must be variables in .param; registers are not served");
    }
    slots.push_back({static_cast<uint32_t>(symbol->address), static_cast<uint32_t>(symbol->bytes)});
  }
  return slots;
}

uint32_t Operands::call(const ptx::Instruction& text) {
  const std::optional<CallText> call = call_text(text);
  if (!call) refuse("a call names a function, its results before it and its arguments behind it");
  CallSite site;
  site.results = slots_of(call->results);
  site.arguments = slots_of(call->arguments);
  const std::string_view target = call->target->name;
  const auto function = functions_.index.find(target);
  const std::optional<Builtin> builtin = builtin_named(target);
  if (function != functions_.index.end()) {
    site.callee = function->second;
  } else if (builtin) {
    site.builtin = *builtin;
    const size_t arguments = *builtin == Builtin::AssertFail ? 5
                             : *builtin == Builtin::Printf   ? 2
                                                             : 1;
    if (site.arguments.size() != arguments) {
      refuse(
          fmt::format("{} takes {} arguments, not {}", target, arguments, site.arguments.size()));
    }
    for (const FrameSlot& slot : site.arguments) {
      if (slot.bytes > 8) refuse(fmt::format("an argument of {} has {} bytes", target, slot.bytes));
    }
  } else if (scopes_->find_register(scope_, target)) {
    site.pointer = row_in(*call->target, isa::Type::B64);
  } else {
    refuse(fmt::format("there is no function {} with a body in the module", target));
  }
  program_->calls.sites.push_back(std::move(site));
  return static_cast<uint32_t>(program_->calls.sites.size() - 1) |
         (builtin && function == functions_.index.end() ? isa::kRuntimeCall : 0);
}

uint16_t Operands::stack_row() {
  if (program_->calls.stack_row == 0) program_->calls.stack_row = take_rows(2);
  return program_->calls.stack_row;
}

}  // namespace fa4::emu
