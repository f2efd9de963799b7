// SPDX-License-Identifier: Apache-2.0
#include "emu/run/unwritten.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <set>

#include "emu/run/machine.h"
#include "emu/run/watched.h"

namespace fa4::emu {
namespace {

// A set of registers: rows, then predicates.
class RegisterSet {
 public:
  explicit RegisterSet(size_t size) : words_((size + 63) / 64, 0) {}
  bool has(size_t at) const { return (words_[at / 64] >> at % 64 & 1) != 0; }
  void add(size_t at) { words_[at / 64] |= uint64_t{1} << at % 64; }
  void remove(size_t at) { words_[at / 64] &= ~(uint64_t{1} << at % 64); }
  bool empty() const {
    return std::all_of(words_.begin(), words_.end(), [](uint64_t word) { return word == 0; });
  }
  // Whether it has grown.
  bool add_all(const RegisterSet& other) {
    bool grown = false;
    for (size_t i = 0; i < words_.size(); ++i) {
      const uint64_t joined = words_[i] | other.words_[i];
      grown = grown || joined != words_[i];
      words_[i] = joined;
    }
    return grown;
  }

 private:
  std::vector<uint64_t> words_;
};

constexpr std::string_view kValueOpcodes[] = {
    "abs",  "add",   "addc", "clz",  "copysign", "cos",   "cvt",   "div", "dp2a",
    "dp4a", "ex2",   "fma",  "lg2",  "mad",      "mad24", "madc",  "max", "min",
    "mul",  "mul24", "neg",  "popc", "rcp",      "rem",   "rsqrt", "sad", "set",
    "setp", "sin",   "sqrt", "sub",  "subc",     "tanh",  "testp"};
constexpr std::string_view kBitOpcodes[] = {
    "and",   "bfe",  "bfi",   "bfind", "brev",  "cnot",     "cvta", "fns",  "lop3",
    "match", "not",  "or",    "prmt",  "redux", "selp",     "shf",  "shfl", "shl",
    "shr",   "slct", "szext", "vote",  "xor",   "isspacep", "mapa"};
constexpr std::string_view kUseOpcodes[] = {"atom", "bar", "barrier",  "brx",  "call",
                                            "cp",   "ld",  "ldmatrix", "ldu",  "mbarrier",
                                            "mma",  "red", "stmatrix", "wgmma"};

template <size_t N>
bool is_among(const std::string_view (&words)[N], std::string_view word) {
  return std::find(std::begin(words), std::end(words), word) != std::end(words);
}

Watch::Kind kind_of(const ptx::Instruction& text) {
  if (text.opcode == "mov") return Watch::Kind::Copy;
  if (is_among(kValueOpcodes, text.opcode)) return Watch::Kind::Value;
  if (is_among(kBitOpcodes, text.opcode)) return Watch::Kind::Bits;
  if (is_among(kUseOpcodes, text.opcode)) return Watch::Kind::Use;
  if (text.opcode == "st") {
    for (const std::string_view word : text.modifiers) {
      if (word == "local" || word.starts_with("param")) return Watch::Kind::Keep;
    }
    return Watch::Kind::Store;
  }
  return Watch::Kind::Write;
}

bool passes_on(Watch::Kind kind) {
  return kind == Watch::Kind::Copy || kind == Watch::Kind::Value || kind == Watch::Kind::Bits;
}

class Unwritten {
 public:
  Unwritten(const std::vector<FlowStep>& steps, Program* program)
      : program_(*program),
        graph_(graph_of(steps)),
        size_(program->num_rows + program->num_predicates) {}

  void run() {
    RegisterSet begin(size_);  // read, perhaps, before they are written
    for (const uint32_t first : entries()) begin.add_all(live_at(first));
    if (begin.empty()) return;
    spread(begin);
    for (uint32_t pc = 0; pc < program_.code.size(); ++pc) watch(pc);
  }

 private:
  size_t index_of(const RegisterUse& use, size_t part) const {
    return use.is_predicate ? program_.num_rows + use.first : use.first + part;
  }
  bool is_guarded(uint32_t pc) const { return program_.code[pc].guard != kNoGuard; }

  std::vector<uint32_t> entries() const {
    std::vector<uint32_t> firsts = {0};
    for (const Callee& callee : program_.calls.callees) firsts.push_back(callee.first);
    return firsts;
  }

  // What a block reads before it writes it, and what is wanted behind it and not written in it.
  RegisterSet before(const FlowBlock& block, RegisterSet live) const {
    for (uint32_t pc = block.last + 1; pc-- > block.first;) {
      for (const RegisterUse& use : program_.uses_of(pc)) {
        if (!use.is_written || is_guarded(pc)) continue;
        for (size_t part = 0; part < use.count; ++part) live.remove(index_of(use, part));
      }
      for (const RegisterUse& use : program_.uses_of(pc)) {
        if (use.is_written) continue;
        for (size_t part = 0; part < use.count; ++part) live.add(index_of(use, part));
      }
    }
    return live;
  }

  const RegisterSet& live_at(uint32_t first) {
    if (live_.empty()) {
      const size_t end = graph_.blocks.size() - 1;
      live_.assign(end + 1, RegisterSet(size_));
      for (bool changed = true; changed;) {
        changed = false;
        for (size_t at = end; at-- > 0;) {
          RegisterSet behind(size_);
          for (const uint32_t next : graph_.blocks[at].next) behind.add_all(live_[next]);
          changed = live_[at].add_all(before(graph_.blocks[at], std::move(behind))) || changed;
        }
      }
    }
    return live_[graph_.block_at[first]];
  }

  // One instruction: what may be unwritten before it becomes what may be behind it.
  void pass(uint32_t pc, RegisterSet* open) {
    bool from_open = false;
    for (const RegisterUse& use : program_.uses_of(pc)) {
      if (use.is_written) continue;
      for (size_t part = 0; part < use.count; ++part) {
        from_open = from_open || open->has(index_of(use, part));
      }
    }
    if (from_open) readers_.insert(pc);
    const bool taints = from_open && passes_on(kind_of(*program_.lines[program_.code[pc].line]));
    for (const RegisterUse& use : program_.uses_of(pc)) {
      if (!use.is_written) continue;
      for (size_t part = 0; part < use.count; ++part) {
        if (taints) {
          open->add(index_of(use, part));
          tracked_.insert(index_of(use, part));
        } else if (!is_guarded(pc)) {
          open->remove(index_of(use, part));
        }
      }
    }
  }

  void spread(const RegisterSet& begin) {
    std::vector<RegisterSet> open(graph_.blocks.size(), RegisterSet(size_));
    for (size_t at = 0; at < size_; ++at) {
      if (begin.has(at)) tracked_.insert(at);
    }
    for (const uint32_t first : entries()) open[graph_.block_at[first]].add_all(live_at(first));
    for (bool changed = true; changed;) {
      changed = false;
      for (size_t at = 0; at + 1 < graph_.blocks.size(); ++at) {
        RegisterSet now = open[at];
        for (uint32_t pc = graph_.blocks[at].first; pc <= graph_.blocks[at].last; ++pc)
          pass(pc, &now);
        for (const uint32_t next : graph_.blocks[at].next)
          changed = open[next].add_all(now) || changed;
      }
    }
  }

  // The predicates beside a register: a new pair, when it is first asked about.
  WatchedPart part_of(const RegisterUse& use, size_t part) {
    const size_t index = index_of(use, part);
    WatchedPart made;
    made.bits =
        static_cast<uint8_t>(std::min<uint32_t>(32, use.bits - 32 * static_cast<uint32_t>(part)));
    if (!tracked_.contains(index)) return made;
    const auto [at, is_new] = beside_.try_emplace(index, uint16_t{0});
    if (is_new) {
      at->second = static_cast<uint16_t>(program_.num_predicates);
      program_.num_predicates += use.is_predicate ? 1 : 2;
      if (program_.num_predicates > kGuardNegated) {
        throw MachineError("the kernel has more registers that may be unwritten than are served");
      }
      note_owner(use, part, at->second);
    }
    made.low = at->second;
    made.high = static_cast<uint16_t>(at->second + (use.is_predicate ? 0 : 1));
    return made;
  }

  void note_owner(const RegisterUse& use, size_t part, uint16_t first) {
    for (Callee& callee : program_.calls.callees) {
      const size_t at = use.first + part;
      const bool owns = use.is_predicate ? at >= callee.first_predicate && at < callee.end_predicate
                                         : at >= callee.first_row && at < callee.end_row;
      if (!owns) continue;
      callee.unwritten.push_back(first);
      if (!use.is_predicate) callee.unwritten.push_back(static_cast<uint16_t>(first + 1));
    }
  }

  // Up to three places where a register is written.
  std::string writes_of(const RegisterUse& use) const {
    std::string places;
    size_t found = 0;
    for (uint32_t pc = 0; pc < program_.code.size(); ++pc) {
      for (const RegisterUse& other : program_.uses_of(pc)) {
        if (!other.is_written || other.is_predicate != use.is_predicate || other.first != use.first)
          continue;
        if (++found <= 3) places += "\n        " + program_.site(program_.code[pc]);
      }
    }
    if (found > 3) places += fmt::format("\n        and {} more", found - 3);
    return places;
  }

  void watch(uint32_t pc) {
    Instr& instr = program_.code[pc];
    bool writes_tracked = false;
    for (const RegisterUse& use : program_.uses_of(pc)) {
      for (size_t part = 0; use.is_written && part < use.count; ++part) {
        writes_tracked = writes_tracked || tracked_.contains(index_of(use, part));
      }
    }
    const bool reads = readers_.contains(pc);
    if (!writes_tracked && !reads) return;
    Watch watch;
    watch.exec = instr.exec;
    watch.kind = kind_of(*program_.lines[instr.line]);
    // What cannot be read unwritten here need not be asked about.
    if (!reads) watch.kind = Watch::Kind::Write;
    for (const RegisterUse& use : program_.uses_of(pc)) {
      std::vector<WatchedPart> parts;
      for (size_t part = 0; part < use.count; ++part) parts.push_back(part_of(use, part));
      if (use.is_written) {
        watch.writes.insert(watch.writes.end(), parts.begin(), parts.end());
      } else if (reads) {
        watch.reads.push_back({std::move(parts), use.is_address, std::string(use.name), ""});
        WatchedRead& read = watch.reads.back();
        if (std::any_of(read.parts.begin(), read.parts.end(),
                        [](const WatchedPart& part) { return part.low != 0; })) {
          read.writes = writes_of(use);
        }
      }
    }
    if (reads && is_guarded(pc)) {
      watch.reads_guard = true;
      watch.guard = instr.guard;
      instr.guard = kNoGuard;
    }
    if (program_.watched.at.empty()) program_.watched.at.assign(program_.code.size(), 0);
    program_.watched.watches.push_back(std::move(watch));
    program_.watched.at[pc] = static_cast<uint32_t>(program_.watched.watches.size());
    instr.exec = execute_watched;
  }

  Program& program_;
  const FlowGraph graph_;
  const size_t size_;
  std::vector<RegisterSet> live_;
  std::set<uint32_t> readers_;         // instructions
  std::set<size_t> tracked_;           // registers that may be unwritten where they are read
  std::map<size_t, uint16_t> beside_;  // their predicates
};

}  // namespace

void watch_unwritten(const std::vector<FlowStep>& steps, Program* program) {
  if (!program->code.empty()) Unwritten(steps, program).run();
}

}  // namespace fa4::emu
