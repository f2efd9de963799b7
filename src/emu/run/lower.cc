// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>

#include <algorithm>

#include "emu/isa/table.h"
#include "emu/ptx/parser.h"
#include "emu/run/flow.h"
#include "emu/run/functions.h"
#include "emu/run/in_flight.h"
#include "emu/run/machine.h"
#include "emu/run/operands.h"
#include "emu/run/program.h"
#include "emu/run/unwritten.h"

namespace fa4::emu {
namespace {

[[noreturn]] void lower_failed(const ptx::Place& place, const std::string& sentence) {
  throw MachineError(fmt::format("line {}: {}", place.line, sentence));
}

constexpr uint64_t kMostParamBytes = 32764;  // PTX ISA 9.0, 4.4

// Instructions of the text in their order, each with the scope that its names are looked up in.
struct LowerItem {
  const ptx::Instruction* text;
  uint32_t scope;
};

// Where no statement of the text stands: behind the last of a body.
const ptx::Instruction& implicit_return() {
  static const ptx::Instruction instruction = [] {
    ptx::Instruction made;
    made.opcode = "ret";
    return made;
  }();
  return instruction;
}

class Flattening {
 public:
  Flattening(Scopes* scopes, std::vector<LowerItem>* items) : scopes_(scopes), items_(items) {}

  void block(const ptx::Block& block, uint32_t scope) {
    for (const ptx::Statement& statement : block.statements) {
      if (const auto* instruction = std::get_if<ptx::Instruction>(&statement)) {
        items_->push_back({instruction, scope});
      } else if (const auto* label = std::get_if<ptx::Label>(&statement)) {
        scopes_->add_label(scope, label->name, static_cast<uint32_t>(items_->size()));
      } else if (const auto* variable = std::get_if<ptx::Variable>(&statement)) {
        scopes_->add_variable(scope, *variable);
      } else if (const auto* inner = std::get_if<std::unique_ptr<ptx::Block>>(&statement)) {
        this->block(**inner, scopes_->open(scope));
      } else if (const auto* targets = std::get_if<ptx::Targets>(&statement)) {
        scopes_->add_targets(scope, *targets);
      }
    }
  }

  // The body of a function that is called, and the frame that its parameters and local variables lie in.
  Callee function(const ptx::Function& function, bool recursive) {
    Callee callee;
    callee.name = function.name;
    callee.recursive = recursive;
    callee.first = static_cast<uint32_t>(items_->size());
    callee.first_row = static_cast<uint16_t>(scopes_->num_rows());
    callee.first_predicate = static_cast<uint16_t>(scopes_->num_predicates());
    scopes_->begin_frame();
    const uint32_t scope = scopes_->open(0);
    const auto place = [&](const std::vector<ptx::Variable>& variables) {
      std::vector<FrameSlot> slots;
      for (const ptx::Variable& variable : variables) {
        if (variable.space != "param") {
          lower_failed(variable.place,
                       fmt::format("parameters of {} in registers are not served", function.name));
        }
        scopes_->add_variable(scope, variable);
        const Symbol* symbol = scopes_->find_symbol(scope, variable.name);
        slots.push_back(
            {static_cast<uint32_t>(symbol->address), static_cast<uint32_t>(symbol->bytes)});
      }
      return slots;
    };
    callee.results = place(function.returns);
    callee.arguments = place(function.parameters);
    block(*function.body, scope);
    items_->push_back({&implicit_return(), scope});
    callee.end_row = static_cast<uint16_t>(scopes_->num_rows());
    callee.end_predicate = static_cast<uint16_t>(scopes_->num_predicates());
    callee.frame_bytes = std::max(kLeastFrameBytes, (scopes_->local_bytes() + 15) / 16 * 16);
    return callee;
  }

 private:
  Scopes* scopes_;
  std::vector<LowerItem>* items_;
};

FlowStep flow_of(const ptx::Instruction& text, const Scopes& scopes, uint32_t scope) {
  FlowStep step;
  const bool guarded = !text.guard.empty();
  if (text.opcode == "bra" && text.operands.size() == 1) {
    const std::optional<uint32_t> target = scopes.find_label(scope, text.operands[0].name);
    if (!target)
      lower_failed(text.place, fmt::format("there is no label {}", text.operands[0].name));
    step.target = *target;
    step.falls_through = guarded;
  } else if (text.opcode == "brx" && text.operands.size() == 2) {
    const ptx::Targets* targets = scopes.find_targets(scope, text.operands[1].name);
    for (const std::string_view name :
         targets != nullptr ? targets->names : std::vector<std::string_view>()) {
      const std::optional<uint32_t> target = scopes.find_label(scope, name);
      if (!target) lower_failed(text.place, fmt::format("there is no label {}", name));
      if (step.target < 0) step.target = *target;
      step.more_targets.push_back(*target);
    }
    step.falls_through = guarded;
  } else if (const std::optional<CallText> call = call_text(text);
             call && call->target->name == "__assertfail") {
    step.ends = true;
    step.falls_through = guarded;
  } else if (text.opcode == "exit" || text.opcode == "ret" || text.opcode == "trap") {
    step.ends = true;
    step.falls_through = guarded;
  }
  return step;
}

bool has_global_atomics(const ptx::Instruction& text) {
  const auto has = [&](std::string_view word) {
    return std::find(text.modifiers.begin(), text.modifiers.end(), word) != text.modifiers.end();
  };
  if (text.opcode == "cp") return has("reduce") && has("global");
  if (text.opcode != "atom" && text.opcode != "red") return false;
  return std::find_if(text.modifiers.begin(), text.modifiers.end(), [](std::string_view word) {
           return word.substr(0, 6) == "shared";
         }) == text.modifiers.end();
}

// Whether an instruction may wait for other CTAs: a strong load of global memory, or an atomic whose result is used.
bool may_wait_on_memory(const ptx::Instruction& text) {
  if (text.opcode == "atom") return has_global_atomics(text);
  if (text.opcode == "clusterlaunchcontrol") return true;  // takes what would run beside it
  if (text.opcode != "ld") return false;
  bool strong = false;
  for (const std::string_view word : text.modifiers) {
    strong = strong || word == "volatile" || word == "relaxed" || word == "acquire";
    if (word.substr(0, 6) == "shared" || word == "local") return false;
  }
  return strong;
}

void name_shared(const ptx::Variable& variable, uint64_t at, Program* program) {
  ptx::Variable element = variable;
  element.extents.clear();
  program->shared_variables.push_back({std::string(variable.name), static_cast<uint32_t>(at),
                                       static_cast<uint32_t>(bytes_of(variable)),
                                       static_cast<uint32_t>(bytes_of(element))});
}

// Static shared variables that the kernel names, in the order of their declaration, then the dynamic ones.
void place_shared(const ModuleSymbols& symbols, const std::vector<LowerItem>& items, Scopes* scopes,
                  Program* program) {
  std::vector<std::string_view> named;
  const auto collect = [&](const auto& self, const ptx::Operand& operand) -> void {
    if (!operand.name.empty()) named.push_back(operand.name);
    for (const ptx::Operand& part : operand.parts) self(self, part);
  };
  for (const LowerItem& item : items) {
    for (const ptx::Operand& operand : item.text->operands) collect(collect, operand);
  }
  std::sort(named.begin(), named.end());
  const auto is_named = [&](const ptx::Variable* variable) {
    return std::binary_search(named.begin(), named.end(), variable->name);
  };
  const auto rounded = [](uint64_t at, uint64_t alignment) {
    return (at + alignment - 1) / alignment * alignment;
  };
  uint64_t at = scopes->shared_end();
  for (const ptx::Variable* variable : symbols.shared) {
    if (bytes_of(*variable) == 0 || !is_named(variable)) continue;
    at = rounded(at, alignment_of(*variable));
    scopes->add_symbol(0, variable->name, {Space::Shared, at, bytes_of(*variable)});
    name_shared(*variable, at, program);
    at += bytes_of(*variable);
  }
  uint64_t alignment = 16;
  for (const ptx::Variable* variable : symbols.shared) {
    if (bytes_of(*variable) == 0)
      alignment = std::max<uint64_t>(alignment, alignment_of(*variable));
  }
  at = rounded(at, alignment);
  if (at > kOffsetMask) {
    throw MachineError(fmt::format("the shared variables of {} take {} bytes; no GPU has so much",
                                   program->entry, at - kReservedShared));
  }
  program->dynamic_shared_base = static_cast<uint32_t>(at);
  for (const ptx::Variable* variable : symbols.shared) {
    if (bytes_of(*variable) == 0) scopes->add_symbol(0, variable->name, {Space::Shared, at, 0});
  }
}

void read_directives(const ptx::Function& function, Program* program) {
  for (const ptx::PerformanceDirective& directive : function.directives) {
    if (directive.name == "explicitcluster") program->explicit_cluster = true;
    if (directive.name == "maxnreg") program->max_registers = directive.values.at(0);
    if (directive.name == "minnctapersm") program->least_ctas = directive.values.at(0);
    if (directive.name == "blocksareclusters") program->blocks_are_clusters = true;
    if (directive.name == "maxclusterrank") program->max_cluster = directive.values.at(0);
    std::array<uint32_t, 3>* threads = directive.name == "maxntid"   ? &program->max_threads
                                       : directive.name == "reqntid" ? &program->required_threads
                                       : directive.name == "reqnctapercluster"
                                           ? &program->required_cluster
                                           : nullptr;
    if (threads == nullptr) continue;
    *threads = {1, 1, 1};
    for (size_t i = 0; i < std::min<size_t>(3, directive.values.size()); ++i) {
      (*threads)[i] = directive.values[i];
    }
  }
}

}  // namespace

std::string Program::site(const Instr& instr) const {
  const ptx::Instruction& text = *lines.at(instr.line);
  std::string site = fmt::format("line {}: {}", text.place.line, ptx::print(text));
  if (text.source.line != 0) {
    const auto place = [&](uint32_t file, uint32_t line) {
      const std::string_view name = file < module->files.size() ? module->files[file] : "";
      return fmt::format("{}:{}", name.substr(name.find_last_of('/') + 1), line);
    };
    site += fmt::format(" ({}", place(text.source.file, text.source.line));
    if (text.source.caller_line != 0) {
      site +=
          fmt::format(", called at {}", place(text.source.caller_file, text.source.caller_line));
    }
    site += ")";
  }
  return site;
}

Program lower(const ptx::Module& module, const ptx::Function& function,
              const ModuleSymbols& symbols, const LoweringOptions& options) {
  Program program;
  program.entry = function.name;
  program.module = &module;
  read_directives(function, &program);
  Scopes scopes;
  for (const auto& [name, symbol] : symbols.globals) scopes.add_symbol(0, name, symbol);
  for (const ptx::Variable& parameter : function.parameters) {
    const uint32_t alignment = alignment_of(parameter);
    program.param_bytes = (program.param_bytes + alignment - 1) / alignment * alignment;
    if (program.param_bytes + bytes_of(parameter) > kMostParamBytes) {
      throw MachineError(fmt::format("the parameters of {} take more than {} bytes", program.entry,
                                     kMostParamBytes));
    }
    scopes.add_symbol(0, parameter.name, {Space::Param, program.param_bytes, bytes_of(parameter)});
    program.parameters.push_back({program.param_bytes, static_cast<uint32_t>(bytes_of(parameter))});
    program.param_bytes += static_cast<uint32_t>(bytes_of(parameter));
  }
  const FunctionSet functions = functions_of(module, function);
  for (const auto& [name, address] : functions.addresses) {
    scopes.add_symbol(0, name, {Space::Global, address, 0});
  }
  std::vector<LowerItem> items;
  Flattening flattening(&scopes, &items);
  const uint32_t entry_scope = scopes.open(0);
  flattening.block(*function.body, entry_scope);
  uint64_t local_bytes = (scopes.local_bytes() + 15) / 16 * 16;
  const auto entry_bytes = static_cast<uint32_t>(local_bytes);
  if (!functions.bodies.empty()) items.push_back({&implicit_return(), entry_scope});
  for (size_t at = 0; at < functions.bodies.size(); ++at) {
    const ptx::Function& body = *functions.bodies[at];
    program.calls.callees.push_back(flattening.function(body, functions.recursive[at]));
    program.calls.by_address[functions.addresses.at(body.name)] = static_cast<uint32_t>(at);
  }
  local_bytes += stack_bytes(functions, program.calls.callees);
  if (local_bytes > 512 << 10) {
    throw MachineError(
        fmt::format("a thread of {} takes {} bytes of local memory; it has at most "
                    "512 KiB",
                    program.entry, local_bytes));
  }
  program.local_bytes = static_cast<uint32_t>(local_bytes);
  program.uses_heap = functions.uses_heap;
  program.global_atomics = functions.uses_heap;  // whose addresses depend on the order
  place_shared(symbols, items, &scopes, &program);
  for (const auto& [variable, at] : scopes.shared()) name_shared(*variable, at, &program);

  std::vector<FlowStep> steps;
  for (const LowerItem& item : items) steps.push_back(flow_of(*item.text, scopes, item.scope));
  const std::vector<uint32_t> joins = joins_of(steps);

  Operands operands(options, functions, &scopes, &program);
  size_t num_begun = 0;
  for (size_t at = 0; at < items.size(); ++at) {
    if (num_begun < program.calls.callees.size() && program.calls.callees[num_begun].first == at) {
      operands.begin_function(static_cast<uint32_t>(num_begun++));
    }
    const ptx::Instruction& text = *items[at].text;
    std::string near_miss;
    const int form = isa::find_form(text, &near_miss);
    if (form < 0) {
      lower_failed(text.place,
                   fmt::format("unknown form: {}{}", ptx::print(text),
                               near_miss.empty() ? "" : fmt::format("; nearest is {}", near_miss)));
    }
    const isa::Form& row = isa::form_at(static_cast<uint16_t>(form));
    if (row.least_arch > options.arch) {
      lower_failed(text.place, fmt::format("{} needs sm_{}; this machine is sm_{}",
                                           ptx::print(text), row.least_arch, options.arch));
    }
    if (row.most_arch != 0 && options.arch > row.most_arch) {
      lower_failed(text.place,
                   fmt::format("{} is of sm_{} to sm_{}; this machine is sm_{}", ptx::print(text),
                               row.least_arch, row.most_arch, options.arch));
    }
    operands.begin(&text, items[at].scope, joins[at]);
    Instr instr = row.decode(operands, isa::Words(text.modifiers), text);
    instr.form = static_cast<uint16_t>(form);
    instr.line = static_cast<uint32_t>(program.lines.size());
    if (!text.guard.empty()) {
      instr.guard = operands.guard();
      if (text.guard_negated) instr.guard |= kGuardNegated;
    }
    program.lines.push_back(&text);
    program.code.push_back(instr);
    program.global_atomics = program.global_atomics || has_global_atomics(text);
    program.waits_on_memory = program.waits_on_memory || may_wait_on_memory(text);
  }
  if (functions.moves_stack || !functions.bodies.empty()) {
    program.constants.push_back({operands.stack_row(), entry_bytes, false});
  }
  operands.finish();
  if (options.checks) watch_unwritten(steps, &program);
  mark_in_flight_registers(&program);
  return program;
}

}  // namespace fa4::emu
