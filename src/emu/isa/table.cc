// SPDX-License-Identifier: Apache-2.0
#include "emu/isa/table.h"

#include <algorithm>
#include <cstdlib>
#include <map>

namespace fa4::emu::isa {

#if defined(FA4_EMU_HAS_V3)
namespace v3_cpu {
std::span<const Form> integer_forms();
std::span<const Form> carry_forms();
std::span<const Form> logic_forms();
std::span<const Form> float_forms();
std::span<const Form> half_forms();
std::span<const Form> special_forms();
std::span<const Form> convert_forms();
std::span<const Form> convert_pair_forms();
std::span<const Form> move_forms();
std::span<const Form> shuffle_forms();
std::span<const Form> warp_forms();
}  // namespace v3_cpu
#endif

namespace {

// The chapters that are compiled twice, as this processor runs them (Note [Compiled twice]).
std::vector<std::span<const Form>> computing_chapters() {
#if defined(FA4_EMU_HAS_V3)
  if (runs_v3()) {
    return {v3_cpu::integer_forms(), v3_cpu::carry_forms(),        v3_cpu::logic_forms(),
            v3_cpu::float_forms(),   v3_cpu::half_forms(),         v3_cpu::special_forms(),
            v3_cpu::convert_forms(), v3_cpu::convert_pair_forms(), v3_cpu::move_forms(),
            v3_cpu::shuffle_forms(), v3_cpu::warp_forms()};
  }
#endif
  return {integer_forms(), carry_forms(),   logic_forms(),   float_forms(),
          half_forms(),    special_forms(), convert_forms(), convert_pair_forms(),
          move_forms(),    shuffle_forms(), warp_forms()};
}

// One place of a syntax: what may stand there.
struct Piece {
  std::vector<std::string_view> words;
  bool optional = false;
};

struct Syntax {
  std::string_view opcode;
  std::vector<Piece> pieces;
};

// `.x`, `{.x}`, `.{x,y}` or `{.{x,y}}`; a word ends where another piece begins.
Syntax syntax_of(std::string_view text) {
  Syntax syntax;
  const size_t end = std::min(text.find_first_of(".{"), text.size());
  syntax.opcode = text.substr(0, end);
  text.remove_prefix(end);
  while (!text.empty()) {
    Piece piece;
    piece.optional = text.front() == '{';
    text.remove_prefix(piece.optional ? 2 : 1);  // "{." or "."
    const bool choice = text.front() == '{';
    if (choice) text.remove_prefix(1);
    for (;;) {
      const size_t stop = std::min(text.find_first_of(choice ? ",}" : ".{}"), text.size());
      piece.words.push_back(text.substr(0, stop));
      text.remove_prefix(stop);
      if (!choice || text.front() == '}') break;
      text.remove_prefix(1);  // ","
    }
    if (choice) text.remove_prefix(1);
    if (piece.optional) text.remove_prefix(1);
    syntax.pieces.push_back(std::move(piece));
  }
  return syntax;
}

struct TableRow {
  const Form* form;
  Syntax syntax;
};

struct Table {
  std::vector<TableRow> rows;
  std::map<std::string_view, std::vector<uint16_t>> by_opcode;

  Table() {
    std::vector<std::span<const Form>> chapters = computing_chapters();
    chapters.insert(chapters.end(),
                    {memory_forms(),         atomic_forms(),       control_forms(),
                     barrier_forms(),        matrix_forms(),       async_forms(),
                     mbarrier_forms(),       cluster_forms(),      fence_forms(),
                     store_async_forms(),    call_forms(),         bulk_forms(),
                     tensor_copy_forms(),    tensor_map_forms(),   wgmma_forms(),
                     tcgen05_memory_forms(), tcgen05_move_forms(), tcgen05_copy_forms(),
                     convert_small_forms(),  mixed_forms(),        redux_float_forms(),
                     launch_control_forms(), tcgen05_mma_forms(),  tcgen05_commit_forms()});
    for (const std::span<const Form> chapter : chapters) {
      for (const Form& form : chapter) {
        by_opcode[syntax_of(form.syntax).opcode].push_back(static_cast<uint16_t>(rows.size()));
        rows.push_back({&form, syntax_of(form.syntax)});
      }
    }
  }
};

const Table& table() {
  static const Table instance;
  return instance;
}

// Whether the words from `word` on match the pieces from `piece` on; `reached` is the furthest word that did.
bool matches(const std::vector<Piece>& pieces, size_t piece,
             const std::vector<std::string_view>& words, size_t word, size_t* reached) {
  *reached = std::max(*reached, word);
  if (piece == pieces.size()) return word == words.size();
  const std::vector<std::string_view>& allowed = pieces[piece].words;
  if (word < words.size() &&
      std::find(allowed.begin(), allowed.end(), words[word]) != allowed.end() &&
      matches(pieces, piece + 1, words, word + 1, reached)) {
    return true;
  }
  return pieces[piece].optional && matches(pieces, piece + 1, words, word, reached);
}

}  // namespace

bool runs_v3() {
#if defined(FA4_EMU_HAS_V3)
  static const bool runs = [] {
    const char* named = std::getenv("FA4_EMU_CPU");
    if (named != nullptr && std::string_view(named) == "any") return false;
    return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") &&
           __builtin_cpu_supports("f16c") && __builtin_cpu_supports("bmi2");
  }();
  return runs;
#else
  return false;
#endif
}

const char* name_of(Unit unit) {
  switch (unit) {
    case Unit::Alu:
      return "alu";
    case Unit::Fma:
      return "fma";
    case Unit::Mufu:
      return "mufu";
    case Unit::Convert:
      return "convert";
    case Unit::Move:
      return "move";
    case Unit::Control:
      return "control";
    case Unit::Memory:
      return "memory";
    case Unit::Shared:
      return "shared";
    case Unit::Barrier:
      return "barrier";
    case Unit::Matrix:
      return "matrix";
    case Unit::Async:
      return "async";
    case Unit::Other:
      break;
  }
  return "other";
}

const char* name_of(Fidelity fidelity) {
  switch (fidelity) {
    case Fidelity::Exact:
      return "exact";
    case Fidelity::Manual:
      return "by the manual";
    case Fidelity::Approximate:
      break;
  }
  return "approximate";
}

const Form& form_at(uint16_t index) { return *table().rows.at(index).form; }

uint16_t num_forms() { return static_cast<uint16_t>(table().rows.size()); }

int find_form(const ptx::Instruction& text, std::string* near_miss) {
  const auto rows = table().by_opcode.find(text.opcode);
  if (rows == table().by_opcode.end()) return -1;
  size_t furthest = 0;
  for (const uint16_t index : rows->second) {
    const TableRow& row = table().rows[index];
    size_t reached = 0;
    if (matches(row.syntax.pieces, 0, text.modifiers, 0, &reached)) return index;
    if (near_miss != nullptr && (near_miss->empty() || reached > furthest)) {
      furthest = reached;
      *near_miss = row.form->syntax;
    }
  }
  return -1;
}

}  // namespace fa4::emu::isa
