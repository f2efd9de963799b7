// SPDX-License-Identifier: Apache-2.0
#include "emu/mutants.h"

#include <fmt/format.h>

#include <algorithm>
#include <functional>
#include <string_view>

namespace fa4::emu::test {
namespace {

constexpr std::string_view kBlanks = " \t";

// One instruction as a compiler writes it, alone on a line: @guard opcode operands;
struct MutantLine {
  std::string guard, opcode;
  std::vector<std::string> operands;  // at the commas that no bracket holds

  bool is(std::string_view prefix) const { return opcode.starts_with(prefix); }
  bool says(std::string_view word) const { return opcode.find(word) != std::string::npos; }
  std::string text(const std::vector<std::string>& changed) const {
    return fmt::format("{}{} {};", guard, opcode, fmt::join(changed, ", "));
  }
  std::string with(size_t operand, const std::string& value) const {
    std::vector<std::string> changed = operands;
    changed[operand] = value;
    return text(changed);
  }
};

std::string trimmed(std::string_view text) {
  const size_t first = text.find_first_not_of(kBlanks);
  if (first == std::string_view::npos) return "";
  return std::string(text.substr(first, text.find_last_not_of(kBlanks) - first + 1));
}

// No instruction: an empty opcode.
MutantLine parsed(std::string_view text) {
  MutantLine line;
  std::string rest = trimmed(text);
  if (rest.empty() || rest.back() != ';' || rest.starts_with("//") || rest.front() == '.')
    return {};
  rest.pop_back();
  if (rest.front() == '@') {
    const size_t end = rest.find_first_of(kBlanks);
    if (end == std::string::npos) return {};
    line.guard = rest.substr(0, end) + " ";
    rest = trimmed(std::string_view(rest).substr(end));
  }
  const size_t end = std::min(rest.find_first_of(kBlanks), rest.size());
  line.opcode = rest.substr(0, end);
  int depth = 0;
  std::string operand;
  for (const char c : rest.substr(end)) {
    depth += (c == '[' || c == '{') - (c == ']' || c == '}');
    if (c == ',' && depth == 0) {
      line.operands.push_back(trimmed(operand));
      operand.clear();
    } else {
      operand += c;
    }
  }
  if (!trimmed(operand).empty()) line.operands.push_back(trimmed(operand));
  return line;
}

bool is_number(const std::string& text) {
  return !text.empty() &&
         std::all_of(text.begin(), text.end(), [](char c) { return c >= '0' && c <= '9'; });
}

// The same with a register or a number that `operation` ("add", "xor") changes by `by`.
std::string computed(const MutantLine& line, size_t operand, const char* operation, int by) {
  return fmt::format("{{ .reg .b32 mutant; {}.{} mutant, {}, {}; {} }}", operation,
                     operation == std::string_view("xor") ? "b32" : "s32", line.operands[operand],
                     by, line.with(operand, "mutant"));
}

// "[%r5]" or "[%r5+16]" eight bytes further: the next mbarrier.
std::string next_barrier(const std::string& address) {
  const size_t plus = address.find('+'), close = address.find(']');
  if (close == std::string::npos) return address;
  if (plus == std::string::npos) return address.substr(0, close) + "+8]";
  return fmt::format("{}+{}]", address.substr(0, plus), std::stol(address.substr(plus + 1)) + 8);
}

// Those whose removal is a mistake by itself.
bool is_synchronising(const MutantLine& line) {
  static constexpr std::string_view kPrefixes[] = {"cp.async.wait_group",
                                                   "cp.async.wait_all",
                                                   "cp.async.commit_group",
                                                   "cp.async.bulk.wait_group",
                                                   "cp.async.bulk.commit",
                                                   "wgmma.wait_group",
                                                   "wgmma.commit_group",
                                                   "wgmma.fence",
                                                   "bar.sync",
                                                   "barrier.sync",
                                                   "bar.warp.sync",
                                                   "bar.arrive",
                                                   "barrier.cluster",
                                                   "tcgen05.wait",
                                                   "tcgen05.commit",
                                                   "tcgen05.fence",
                                                   "tcgen05.relinquish",
                                                   "tcgen05.dealloc",
                                                   "fence.",
                                                   "membar",
                                                   "mbarrier.init",
                                                   "mbarrier.arrive",
                                                   "mbarrier.expect_tx",
                                                   "mbarrier.complete_tx"};
  return std::any_of(std::begin(kPrefixes), std::end(kPrefixes),
                     [&](std::string_view prefix) { return line.is(prefix); });
}

}  // namespace

std::vector<Mutant> mutants_of(const std::string& ptx) {
  std::vector<Mutant> all;
  size_t number = 0;
  for (size_t begin = 0; begin < ptx.size();) {
    const size_t end = std::min(ptx.find('\n', begin), ptx.size());
    const std::string text = trimmed(std::string_view(ptx).substr(begin, end - begin));
    begin = end + 1;
    ++number;
    const MutantLine line = parsed(text);
    if (line.opcode.empty()) continue;
    const size_t count = line.operands.size();
    const auto add = [&](const char* kind, const std::string& replacement) {
      all.push_back({number, kind, text, replacement});
    };
    if (is_synchronising(line)) add("deleted", "");
    if (line.says("wait_group") && count == 1 && is_number(line.operands[0])) {
      add("waits for one group less",
          line.with(0, std::to_string(std::stoi(line.operands[0]) + 1)));
    }
    // Of all threads there is but one barrier: by another number it is the same.
    if ((line.is("bar.sync") || line.is("barrier.sync") || line.is("bar.arrive")) && count == 2) {
      add("another barrier", is_number(line.operands[0])
                                 ? line.with(0, std::to_string(std::stoi(line.operands[0]) + 1))
                                 : computed(line, 0, "add", 1));
    }
    if (line.is("mbarrier.init") && count == 2) {
      add("one arrival more", computed(line, 1, "add", 1));
      add("one arrival less", computed(line, 1, "add", -1));
    }
    if (line.is("mbarrier.arrive") && count >= 2) {
      add("twice", text + " " + text);
      add("another barrier", line.with(1, next_barrier(line.operands[1])));
    }
    if (line.is("mbarrier.arrive.expect_tx") && count == 3) {
      add("16 bytes more", computed(line, 2, "add", 16));
      add("16 bytes less", computed(line, 2, "add", -16));
    }
    if (line.says(".parity") && count >= 3) {
      add("no wait", fmt::format("setp.eq.u32 {}, 0, 0;", line.operands[0]));
      add("the other parity", computed(line, 2, "xor", 1));
      add("another barrier", line.with(1, next_barrier(line.operands[1])));
    }
    if (line.is("tcgen05.commit") && count >= 1) {
      add("another barrier", line.with(0, next_barrier(line.operands[0])));
    }
    if (line.says("mbarrier::complete_tx") && count >= 2) {  // a copy, or a claim of a cluster
      const size_t barrier = line.is("clusterlaunchcontrol") ? 1 : 2;
      add("another barrier", line.with(barrier, next_barrier(line.operands[barrier])));
    }
  }
  return all;
}

std::string text_of(const std::string& ptx, const Mutant& mutant) {
  size_t begin = 0;
  for (size_t line = 1; line < mutant.line; ++line) begin = ptx.find('\n', begin) + 1;
  const size_t end = std::min(ptx.find('\n', begin), ptx.size());
  return ptx.substr(0, begin) + mutant.replacement + ptx.substr(end);
}

}  // namespace fa4::emu::test
