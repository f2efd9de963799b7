// SPDX-License-Identifier: Apache-2.0
#include "emu/run/functions.h"

#include <algorithm>
#include <functional>
#include <set>

namespace fa4::emu {
namespace {

// Of recursive functions and alloca, whose depth nobody knows: for each lane.
constexpr uint64_t kOpenStackBytes = 32 << 10;

// Each instruction of a body.
void for_each_instruction(const ptx::Block& block,
                          const std::function<void(const ptx::Instruction&)>& visit) {
  for (const ptx::Statement& statement : block.statements) {
    if (const auto* instruction = std::get_if<ptx::Instruction>(&statement)) {
      visit(*instruction);
    } else if (const auto* inner = std::get_if<std::unique_ptr<ptx::Block>>(&statement)) {
      for_each_instruction(**inner, visit);
    }
  }
}

std::string_view trimmed(std::string_view text) {
  constexpr std::string_view kBlank = " \t\r\n;";
  const size_t begin = text.find_first_not_of(kBlank);
  if (begin == std::string_view::npos) return {};
  return text.substr(begin, text.find_last_not_of(kBlank) + 1 - begin);
}

// All names of functions with a body; an alias stands for the body of another.
std::map<std::string_view, const ptx::Function*> bodies_of(const ptx::Module& module) {
  std::map<std::string_view, const ptx::Function*> bodies;
  for (const ptx::ModuleItem& item : module.items) {
    const auto* function = std::get_if<ptx::Function>(&item);
    if (function != nullptr && !function->entry && function->body)
      bodies[function->name] = function;
  }
  for (const ptx::ModuleItem& item : module.items) {
    const auto* directive = std::get_if<ptx::Directive>(&item);
    if (directive == nullptr || !directive->text.starts_with(".alias")) continue;
    const std::string_view names = directive->text.substr(6);
    const size_t comma = names.find(',');
    const auto found = bodies.find(trimmed(names.substr(comma + 1)));
    if (found != bodies.end()) bodies[trimmed(names.substr(0, comma))] = found->second;
  }
  return bodies;
}

void collect_names(const ptx::Operand& operand, std::set<std::string_view>* names) {
  if (!operand.name.empty()) names->insert(operand.name);
  for (const ptx::Operand& part : operand.parts) collect_names(part, names);
}

class Reach {
 public:
  Reach(const ptx::Module& module, FunctionSet* set) : bodies_(bodies_of(module)), set_(set) {
    for (const ptx::ModuleItem& item : module.items) {
      const auto* variable = std::get_if<ptx::Variable>(&item);
      if (variable == nullptr) continue;
      for (const ptx::Initializer& value : variable->values) named_.insert(value.symbol);
    }
  }

  void run(const ptx::Function& entry) {
    set_->calls.emplace_back();  // the entry's, moved to the end later
    visit(entry, 0);
    for (size_t at = 0; at < set_->bodies.size(); ++at) visit(*set_->bodies[at], at + 1);
    // An indirect call may reach whatever has its address taken.
    for (bool grows = !indirect_.empty(); grows;) {
      const size_t before = set_->bodies.size();
      std::vector<uint32_t> taken;
      for (const std::string_view name : named_) {
        const auto body = bodies_.find(name);
        if (body != bodies_.end()) taken.push_back(add(name, body->second));
      }
      for (const size_t from : indirect_) set_->calls[from] = merged(direct_[from], taken);
      for (size_t at = before; at < set_->bodies.size(); ++at) visit(*set_->bodies[at], at + 1);
      grows = set_->bodies.size() != before;
    }
    std::rotate(set_->calls.begin(), set_->calls.begin() + 1, set_->calls.end());
  }

 private:
  static std::vector<uint32_t> merged(std::vector<uint32_t> a, const std::vector<uint32_t>& b) {
    a.insert(a.end(), b.begin(), b.end());
    std::sort(a.begin(), a.end());
    a.erase(std::unique(a.begin(), a.end()), a.end());
    return a;
  }

  uint32_t add(std::string_view name, const ptx::Function* body) {
    const auto known = std::find(set_->bodies.begin(), set_->bodies.end(), body);
    const auto at = static_cast<uint32_t>(known - set_->bodies.begin());
    if (known == set_->bodies.end()) {
      set_->bodies.push_back(body);
      set_->calls.emplace_back();
    }
    set_->index[name] = at;
    return at;
  }

  // `from` is 0 for the entry, else 1 + the index of a body.
  void visit(const ptx::Function& function, size_t from) {
    for_each_instruction(*function.body, [&](const ptx::Instruction& text) {
      if (text.opcode == "alloca") set_->moves_stack = true;
      const std::optional<CallText> call = call_text(text);
      if (!call) {
        for (const ptx::Operand& operand : text.operands) collect_names(operand, &named_);
        return;
      }
      set_->calls_any = true;
      const auto body = bodies_.find(call->target->name);
      if (body != bodies_.end()) {
        const uint32_t callee = add(call->target->name, body->second);
        direct_[from].push_back(callee);
        set_->calls[from].push_back(callee);
        return;
      }
      const std::optional<Builtin> builtin = builtin_named(call->target->name);
      if (builtin) {
        set_->uses_heap =
            set_->uses_heap || *builtin == Builtin::Malloc || *builtin == Builtin::Free;
      } else {
        indirect_.insert(from);
      }
    });
  }

  std::map<std::string_view, const ptx::Function*> bodies_;
  FunctionSet* set_;
  std::set<std::string_view> named_;
  std::set<size_t> indirect_;
  std::map<size_t, std::vector<uint32_t>> direct_;
};

// Whether a body reaches itself.
bool reaches_itself(const FunctionSet& set, uint32_t body) {
  std::vector<uint32_t> open = set.calls[body];
  std::vector<bool> seen(set.bodies.size(), false);
  while (!open.empty()) {
    const uint32_t at = open.back();
    open.pop_back();
    if (at == body) return true;
    if (seen[at]) continue;
    seen[at] = true;
    open.insert(open.end(), set.calls[at].begin(), set.calls[at].end());
  }
  return false;
}

}  // namespace

std::optional<CallText> call_text(const ptx::Instruction& text) {
  if (text.opcode != "call" || text.operands.empty()) return std::nullopt;
  CallText call;
  size_t at = 0;
  if (text.operands[0].kind == ptx::Operand::Kind::List) call.results = &text.operands[at++];
  if (at == text.operands.size() || text.operands[at].kind != ptx::Operand::Kind::Name) {
    return std::nullopt;
  }
  call.target = &text.operands[at++];
  if (at < text.operands.size() && text.operands[at].kind == ptx::Operand::Kind::List) {
    call.arguments = &text.operands[at++];
  }
  return call;
}

std::optional<Builtin> builtin_named(std::string_view name) {
  if (name == "vprintf") return Builtin::Printf;
  if (name == "__assertfail") return Builtin::AssertFail;
  if (name == "malloc") return Builtin::Malloc;
  if (name == "free") return Builtin::Free;
  return std::nullopt;
}

std::map<std::string_view, uint64_t> function_addresses(const ptx::Module& module) {
  std::map<const ptx::Function*, uint64_t> places;
  std::map<std::string_view, uint64_t> addresses;
  for (const auto& [name, body] : bodies_of(module)) {
    addresses[name] =
        places.try_emplace(body, kCodeWindow | (places.size() + 1) << 4).first->second;
  }
  return addresses;
}

FunctionSet functions_of(const ptx::Module& module, const ptx::Function& entry) {
  FunctionSet set;
  set.addresses = function_addresses(module);
  Reach(module, &set).run(entry);
  for (uint32_t at = 0; at < set.bodies.size(); ++at)
    set.recursive.push_back(reaches_itself(set, at));
  return set;
}

uint64_t stack_bytes(const FunctionSet& functions, const std::vector<Callee>& callees) {
  const bool recursive = std::find(functions.recursive.begin(), functions.recursive.end(), true) !=
                         functions.recursive.end();
  uint64_t open = recursive || functions.moves_stack ? kOpenStackBytes : 0;
  // The longest chain of calls; of functions that call themselves each counts once more in the open part.
  std::vector<uint64_t> most(callees.size() + 1, 0);
  for (size_t round = 0; round <= callees.size(); ++round) {
    for (size_t from = 0; from <= callees.size(); ++from) {
      for (const uint32_t to : functions.calls[from]) {
        if (to < functions.recursive.size() && functions.recursive[to]) continue;
        most[from] = std::max(most[from], most[to] + callees[to].frame_bytes);
      }
    }
  }
  for (const Callee& callee : callees) open += callee.recursive ? callee.frame_bytes : 0;
  return *std::max_element(most.begin(), most.end()) + open;
}

}  // namespace fa4::emu
