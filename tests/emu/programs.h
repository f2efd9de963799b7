// SPDX-License-Identifier: Apache-2.0
// Small PTX programs for the tests of the machine: a body is wrapped into an entry with one parameter, the address of
// 32-bit words that the program may read and write.
#pragma once

#include <gtest/gtest.h>

#include <cstring>
#include <string>
#include <vector>

#include "emu/run/machine.h"

namespace fa4::emu::test {

// Registers of every kind are declared; %rd1 holds the address of the words, %r1 the thread, %rd2 the address of the
// thread's word.
inline std::string program(const std::string& body, const std::string& outside = "") {
  return R"(.version 9.0
.target sm_80
.address_size 64
)" + outside +
         R"(
.visible .entry kernel(.param .u64 words)
{
  .reg .pred %p<16>;
  .reg .b16 %rs<32>;
  .reg .b32 %r<64>;
  .reg .f32 %f<32>;
  .reg .b64 %rd<32>;
  ld.param.u64 %rd1, [words];
  cvta.to.global.u64 %rd1, %rd1;
  mov.u32 %r1, %tid.x;
  mul.wide.u32 %rd3, %r1, 4;
  add.s64 %rd2, %rd1, %rd3;
)" + body +
         R"(
  ret;
}
)";
}

// Each warp appends the number of its first thread to a list, `rounds` times, without a lock: word 0 counts, and the list behind it
// is the order of the warps.
inline std::string order_program(uint32_t rounds) {
  return program(R"(
  mov.u32 %r20, 0;
LOOP:
  and.b32 %r2, %r1, 31;
  setp.ne.u32 %p1, %r2, 0;
  @%p1 bra NEXT;
  atom.global.add.u32 %r3, [%rd1], 1;
  mul.wide.u32 %rd4, %r3, 4;
  add.s64 %rd4, %rd4, %rd1;
  st.volatile.global.u32 [%rd4+4], %r1;
NEXT:
  bar.warp.sync -1;
  add.s32 %r20, %r20, 1;
  setp.lt.u32 %p2, %r20, )" +
                 std::to_string(rounds) + R"(;
  @%p2 bra LOOP;
)");
}

struct Words {
  std::vector<uint32_t> values;
  RunReport report;

  // The codes of the reports, in their order.
  std::vector<std::string> codes() const {
    std::vector<std::string> codes;
    for (const Report& one : report.reports) codes.push_back(one.code);
    return codes;
  }
  bool reported(const std::string& code) const {
    for (const Report& one : report.reports) {
      if (one.code == code) return true;
    }
    return false;
  }
  std::string texts() const {
    std::string texts;
    for (const Report& one : report.reports) texts += one.code + ": " + one.text + "\n";
    return texts;
  }
};

// Whether a report of a code has all these parts in its text.
inline testing::AssertionResult says(const Words& words, const std::string& code,
                                     const std::vector<std::string>& parts) {
  for (const Report& report : words.report.reports) {
    if (report.code != code) continue;
    for (const std::string& part : parts) {
      if (report.text.find(part) == std::string::npos) {
        return testing::AssertionFailure() << report.text << "\nwithout: " << part;
      }
    }
    return testing::AssertionSuccess();
  }
  return testing::AssertionFailure() << "no " << code << " among\n" << words.texts();
}

struct Shape {
  uint32_t threads = 32;
  uint32_t blocks = 1;
  uint32_t cluster = 1;
  uint32_t dynamic_shared_bytes = 0;
  LaunchLabels labels = {};
};

inline Words run(const std::string& text, std::vector<uint32_t> values, const Shape& shape = {},
                 const MachineOptions& options = {}) {
  Machine machine(options);
  const ModuleId module = machine.load(text);
  Words words;
  words.values = std::move(values);
  const auto address = reinterpret_cast<uint64_t>(words.values.data());
  machine.memory().add({"words", address, words.values.size() * 4, true});
  KernelLaunch launch;
  launch.module = module;
  launch.entry = "kernel";
  launch.grid = {shape.blocks, 1, 1};
  launch.block = {shape.threads, 1, 1};
  launch.cluster = {shape.cluster, 1, 1};
  launch.dynamic_shared_bytes = shape.dynamic_shared_bytes;
  launch.labels = shape.labels;
  launch.params.resize(8);
  std::memcpy(launch.params.data(), &address, 8);
  words.report = machine.launch(launch);
  return words;
}

// On words of 0.
inline Words run(const std::string& text, const Shape& shape, const MachineOptions& options,
                 size_t num_words) {
  return run(text, std::vector<uint32_t>(num_words, 0), shape, options);
}

inline constexpr Policy kAllPolicies[] = {Policy::Eager, Policy::Lazy, Policy::Reverse,
                                          Policy::Torn, Policy::Random};

}  // namespace fa4::emu::test
