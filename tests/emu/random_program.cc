// SPDX-License-Identifier: Apache-2.0
#include "emu/random_program.h"

#include <cstring>

namespace fa4::emu::test {
namespace {

using Kind = RandomStatement::Kind;

constexpr char kKinds[] = "rfhdp";
constexpr uint32_t kFirstValues[kRegistersOfKind] = {0x9e3779b9, 7, 0x01000193,
                                                     0xfffffff1, 3, 0x7f4a7c15};

std::string name_of_register(char kind, uint32_t index) {
  const char* prefix = kind == 'r'   ? "%r"
                       : kind == 'f' ? "%f"
                       : kind == 'h' ? "%h"
                       : kind == 'd' ? "%d"
                                     : "%p";
  return prefix + std::to_string(index);
}

std::string guard_of(const RandomStatement& one) {
  if (one.guard < 0) return "";
  return std::string("@") + (one.negated ? "!" : "") +
         name_of_register('p', static_cast<uint32_t>(one.guard)) + " ";
}

std::string print(const std::vector<RandomStatement>& statements);

std::string print(const RandomStatement& one) {
  const std::string label = std::to_string(one.label);
  const auto r = [&](size_t at) { return name_of_register('r', one.operands[at]); };
  switch (one.kind) {
    case Kind::Row: {
      const RandomRow& row = random_rows()[one.row];
      std::string text = guard_of(one) + row.syntax;
      for (size_t at = 0; row.kinds[at] != 0; ++at) {
        text += at == 0 ? " " : ", ";
        text += row.kinds[at] == 'i' ? std::to_string(one.operands[at])
                                     : name_of_register(row.kinds[at], one.operands[at]);
      }
      return text + ";\n";
    }
    case Kind::If:
      return "@!" + name_of_register('p', one.operands[0]) + " bra ELSE" + label + ";\n" +
             print(one.body) + "bra END" + label + ";\nELSE" + label + ":\n" +
             print(one.otherwise) + "END" + label + ":\n";
    case Kind::Loop:
      return "and.b32 %c" + label + ", " + r(0) + ", 3;\nLOOP" + label + ":\nsetp.eq.u32 %q" +
             label + ", %c" + label + ", 0;\n@%q" + label + " bra END" + label + ";\n" +
             print(one.body) + "add.s32 %c" + label + ", %c" + label + ", -1;\nbra LOOP" + label +
             ";\nEND" + label + ":\n";
    case Kind::Repeat:
      return "mov.u32 %c" + label + ", " + std::to_string(one.mode) + ";\nLOOP" + label + ":\n" +
             print(one.body) + "add.s32 %c" + label + ", %c" + label + ", -1;\nsetp.ne.u32 %q" +
             label + ", %c" + label + ", 0;\n@%q" + label + " bra LOOP" + label + ";\n";
    case Kind::Shuffle: {
      static constexpr const char* kModes[] = {"idx", "bfly", "up", "down"};
      return std::string("shfl.sync.") + kModes[one.mode] + ".b32 " + r(0) + "|" +
             name_of_register('p', one.operands[2]) + ", " + r(1) + ", " +
             std::to_string(one.operands[3]) + ", " + (one.mode == 2 ? "0" : "31") + ", -1;\n";
    }
    case Kind::Vote:
      return std::string(one.mode == 0 ? "vote.sync.ballot.b32 " : "vote.sync.any.pred ") +
             (one.mode == 0 ? r(0) : name_of_register('p', one.operands[0])) + ", " +
             name_of_register('p', one.operands[1]) + ", -1;\n";
    case Kind::Exchange:
      return "st.shared.u32 [%own], " + r(1) + ";\nbar.sync 0;\nxor.b32 %other, %own, " +
             std::to_string(4 * one.operands[3]) + ";\nld.shared.u32 " + r(0) +
             ", [%other];\nbar.sync 0;\n";
  }
  return "";
}

std::string print(const std::vector<RandomStatement>& statements) {
  std::string text;
  for (const RandomStatement& one : statements) text += print(one);
  return text;
}

constexpr size_t kNoRow = ~size_t{0};
size_t wrong_row = kNoRow;

void run_row(const RandomStatement& one, LaneState& lane) {
  if (one.guard >= 0 && (lane.p[static_cast<size_t>(one.guard)] != 0) == one.negated) return;
  const RandomRow& row = random_rows()[one.row];
  uint64_t in[3] = {};
  for (size_t at = 1; row.kinds[at] != 0; ++at) {
    in[at - 1] = row.kinds[at] == 'i' ? one.operands[at] : lane.of(row.kinds[at])[one.operands[at]];
  }
  const uint64_t seldom = row.kinds[1] == 'p' ? 1 : 3;
  const uint64_t wrong = one.row == wrong_row && (in[0] & 7) == seldom ? 1 : 0;
  lane.of(row.kinds[0])[one.operands[0]] = row.value(in) ^ wrong;
}

// What no other lane takes part in.
void run_alone(const RandomStatement& one, LaneState& lane) {
  const auto run_all = [&](const std::vector<RandomStatement>& statements) {
    for (const RandomStatement& inner : statements) run_alone(inner, lane);
  };
  if (one.kind == Kind::Row) {
    run_row(one, lane);
  } else if (one.kind == Kind::If) {
    run_all(lane.p[one.operands[0]] != 0 ? one.body : one.otherwise);
  } else {
    for (uint64_t left = lane.r[one.operands[0]] & 3; left != 0; --left) run_all(one.body);
  }
}

void shuffle(const RandomStatement& one, std::vector<LaneState>& lanes) {
  const std::vector<LaneState> before = lanes;
  for (int at = 0; at < kRandomThreads; ++at) {
    const int warp = at / 32 * 32, lane = at % 32, amount = static_cast<int>(one.operands[3] & 31);
    int source = one.mode == 0   ? amount
                 : one.mode == 1 ? lane ^ amount
                 : one.mode == 2 ? lane - amount
                                 : lane + amount;
    const bool inside = source >= 0 && source < 32;
    if (!inside) source = lane;
    auto& state = lanes[static_cast<size_t>(at)];
    state.r[one.operands[0]] = before[static_cast<size_t>(warp + source)].r[one.operands[1]];
    state.p[one.operands[2]] = inside ? 1 : 0;
  }
}

void vote(const RandomStatement& one, std::vector<LaneState>& lanes) {
  for (size_t warp = 0; warp < lanes.size(); warp += 32) {
    uint64_t ballot = 0;
    for (size_t lane = 0; lane < 32; ++lane)
      ballot |= lanes[warp + lane].p[one.operands[1]] << lane;
    for (size_t lane = 0; lane < 32; ++lane) {
      if (one.mode == 0) {
        lanes[warp + lane].r[one.operands[0]] = ballot;
      } else {
        lanes[warp + lane].p[one.operands[0]] = ballot != 0 ? 1 : 0;
      }
    }
  }
}

void run_together(const std::vector<RandomStatement>& statements, std::vector<LaneState>& lanes) {
  for (const RandomStatement& one : statements) {
    switch (one.kind) {
      case Kind::Row:
      case Kind::If:
      case Kind::Loop:
        for (LaneState& lane : lanes) run_alone(one, lane);
        break;
      case Kind::Repeat:
        for (uint32_t round = 0; round < one.mode; ++round) run_together(one.body, lanes);
        break;
      case Kind::Shuffle:
        shuffle(one, lanes);
        break;
      case Kind::Vote:
        vote(one, lanes);
        break;
      case Kind::Exchange: {
        const std::vector<LaneState> before = lanes;
        for (size_t at = 0; at < lanes.size(); ++at) {
          lanes[at].r[one.operands[0]] = before[at ^ one.operands[3]].r[one.operands[1]];
        }
        break;
      }
    }
  }
}

}  // namespace

RandomProgram::RandomProgram(uint64_t seed) : random_(seed) {
  for (int i = 0; i < 4; ++i) {
    for (RandomStatement& one : block(0, true)) statements_.push_back(std::move(one));
  }
}

std::vector<RandomStatement> RandomProgram::block(int depth, bool together) {
  std::vector<RandomStatement> statements;
  const uint32_t count = 2 + below(8);
  for (uint32_t i = 0; i < count; ++i) statements.push_back(statement(depth, together));
  return statements;
}

// `together`: all lanes are here, so that they may work with one another.
RandomStatement RandomProgram::statement(int depth, bool together) {
  RandomStatement one;
  one.label = num_labels_++;
  for (uint32_t& operand : one.operands) operand = below(kRegistersOfKind);
  const uint32_t choice = below(20);
  if (choice < 3 && depth < 4) {
    one.kind = choice == 0 ? Kind::Loop : Kind::If;
    one.body = block(depth + 1, false);
    if (one.kind == Kind::If && below(3) != 0) one.otherwise = block(depth + 1, false);
  } else if (choice == 3 && together && depth < 3) {
    one.kind = Kind::Repeat;
    one.mode = 1 + below(3);
    one.body = block(depth + 1, true);
  } else if (choice < 6 && together) {
    one.kind = choice == 4 ? Kind::Shuffle : below(2) == 0 ? Kind::Vote : Kind::Exchange;
    one.mode = one.kind == Kind::Shuffle ? below(4) : below(2);
    one.operands[3] = below(one.kind == Kind::Exchange ? 64 : 32);
  } else {
    const std::span<const RandomRow> rows = random_rows();
    one.row = below(static_cast<uint32_t>(rows.size()));
    for (size_t at = 1; rows[one.row].kinds[at] != 0; ++at) {
      if (rows[one.row].kinds[at] == 'i') one.operands[at] = below(40);
    }
    if (below(8) == 0) one.guard = static_cast<int>(below(kRegistersOfKind));
    one.negated = below(2) == 0;
  }
  return one;
}

std::string RandomProgram::text() const {
  std::string text = R"(.version 9.0
.target sm_80
.address_size 64
.visible .entry kernel(.param .u64 words)
{
  .reg .pred %p<6>, %q<LABELS>;
  .reg .b16 %h<6>;
  .reg .b32 %r<6>, %c<LABELS>, %tid, %own, %other, %word;
  .reg .f32 %f<6>;
  .reg .b64 %d<6>, %base, %offset;
  .shared .align 4 .b8 tile[256];
  mov.u32 %tid, %tid.x;
  shl.b32 %own, %tid, 2;
  mov.u32 %other, tile;
  add.s32 %own, %own, %other;
)";
  for (size_t at = text.find("LABELS"); at != std::string::npos; at = text.find("LABELS")) {
    text.replace(at, 6, std::to_string(num_labels_));
  }
  for (uint32_t i = 0; i < kRegistersOfKind; ++i) {
    const std::string r = name_of_register('r', i);
    text += "mad.lo.u32 " + r + ", %tid, " + std::to_string(kFirstValues[i]) + ", " +
            std::to_string(i) + ";\n";
    text += "cvt.rn.f32.s32 " + name_of_register('f', i) + ", " + r + ";\n";
    text += "cvt.u16.u32 " + name_of_register('h', i) + ", " + r + ";\n";
    text += "mul.wide.u32 " + name_of_register('d', i) + ", " + r + ", " + r + ";\n";
    text += "setp.lt.s32 " + name_of_register('p', i) + ", " + r + ", 100;\n";
  }
  text += print(statements_);
  text += "ld.param.u64 %base, [words];\nmul.wide.u32 %offset, %tid, " +
          std::to_string(4 * words_per_thread()) + ";\nadd.s64 %base, %base, %offset;\n";
  size_t at = 0;
  const auto store = [&](const std::string& type, const std::string& what, size_t bytes) {
    text += "st.global." + type + " [%base+" + std::to_string(at) + "], " + what + ";\n";
    at += bytes;
  };
  for (const char* kind = kKinds; *kind != 0; ++kind) {
    for (uint32_t i = 0; i < kRegistersOfKind; ++i) {
      const std::string name = name_of_register(*kind, i);
      if (*kind == 'p') text += "selp.u32 %word, 1, 0, " + name + ";\n";
      if (*kind == 'h') text += "cvt.u32.u16 %word, " + name + ";\n";
      if (*kind == 'd') {
        text += "cvt.u32.u64 %word, " + name + ";\n";
        store("u32", "%word", 4);
        text += "shr.u64 %offset, " + name + ", 32;\ncvt.u32.u64 %word, %offset;\n";
      }
      store(*kind == 'f' ? "f32" : "u32", *kind == 'r' || *kind == 'f' ? name : "%word", 4);
    }
  }
  return text + "ret;\n}\n";
}

std::vector<LaneState> RandomProgram::run() const {
  std::vector<LaneState> lanes(kRandomThreads);
  for (size_t thread = 0; thread < lanes.size(); ++thread) {
    for (size_t i = 0; i < kRegistersOfKind; ++i) {
      const auto value = static_cast<uint32_t>(thread * kFirstValues[i] + i);
      const auto number = static_cast<float>(static_cast<int32_t>(value));
      uint32_t bits = 0;
      std::memcpy(&bits, &number, 4);
      lanes[thread].r[i] = value;
      lanes[thread].f[i] = bits;
      lanes[thread].h[i] = value & 0xffff;
      lanes[thread].d[i] = uint64_t{value} * value;
      lanes[thread].p[i] = static_cast<int32_t>(value) < 100 ? 1 : 0;
    }
  }
  run_together(statements_, lanes);
  return lanes;
}

WrongRow::WrongRow(size_t row) { wrong_row = row; }
WrongRow::~WrongRow() { wrong_row = kNoRow; }

size_t RandomProgram::words_per_thread() { return 6 * kRegistersOfKind; }

std::vector<uint32_t> RandomProgram::words_of(LaneState state) {
  std::vector<uint32_t> words;
  for (const char* kind = kKinds; *kind != 0; ++kind) {
    for (const uint64_t value : state.of(*kind)) {
      words.push_back(static_cast<uint32_t>(value));
      if (*kind == 'd') words.push_back(static_cast<uint32_t>(value >> 32));
    }
  }
  return words;
}

}  // namespace fa4::emu::test
