// SPDX-License-Identifier: Apache-2.0
#include "emurun/machine.h"

#include <cstdio>
#include <memory>
#include <set>

#include "emurun/base.h"

namespace fa4::emurun {
namespace {

fa4emu_machine* create() {
  fa4emu_options options;
  fa4emu_options_init(&options);
  options.arch = settings().arch;
  options.policy = settings().policy.c_str();
  options.numerics = settings().numerics.c_str();
  options.seed = settings().seed;
  options.threads = settings().threads;
  fa4emu_machine* machine = nullptr;
  if (fa4emu_create(&options, &machine) != FA4EMU_OK) {
    fail(kUnknown, "{}", fa4emu_last_error());
  }
  return machine;
}

// Never destroyed: programs call us until their last destructor has run.
fa4emu_machine* machine() {
  static fa4emu_machine* const only = create();
  return only;
}

// Of a call that fails only by a mistake of ours.
void must(fa4emu_status status) {
  if (status != FA4EMU_OK) fail(kUnknown, "{}", fa4emu_last_error());
}

struct ReportEnd {
  void operator()(fa4emu_report* report) const { fa4emu_report_destroy(report); }
};
using Report = std::unique_ptr<fa4emu_report, ReportEnd>;

std::string words_of(const fa4emu_launch_config& launch, uint64_t number) {
  const auto extents = [](const uint32_t* of) {
    return fmt::format("({}, {}, {})", of[0], of[1], of[2]);
  };
  return fmt::format("{}, grid {}, block {}, launch {}", launch.entry, extents(launch.grid),
                     extents(launch.block), number);
}

// A report that is like one of an earlier launch is counted and not printed again.
void print_items(const Report& report, const fa4emu_summary& summary, const std::string& where) {
  static auto* const printed = new std::set<std::string>;
  for (size_t i = 0; i < summary.num_items; ++i) {
    fa4emu_item item = {};
    item.struct_size = sizeof(item);
    must(fa4emu_report_item(report.get(), i, &item));
    if (!printed->insert(item.text).second) continue;
    fmt::print(stderr, "{}\n  in    {}\n  code  {}, {}{}\n", item.text, where, item.code,
               item.level == FA4EMU_LEVEL_ERROR ? "an error" : "a warning",
               item.count == 1 ? "" : fmt::format(", {} times", item.count));
  }
}

void append_report(const char* text, const std::string& where) {
  if (settings().report.empty()) return;
  std::FILE* const file = std::fopen(settings().report.c_str(), "a");
  if (file == nullptr) {
    say(fmt::format("--report {} cannot be written", settings().report));
    return;
  }
  fmt::print(file, "{}\n{}\n", where, text);
  std::fclose(file);
}

}  // namespace

void machine_add_memory(const std::string& name, const void* base, uint64_t bytes, bool written) {
  const fa4emu_memory memory = {.struct_size = sizeof(memory),
                                .name = name.c_str(),
                                .base = base,
                                .bytes = bytes,
                                .writable = 1,
                                .uninitialised = written ? 0 : 1};
  if (fa4emu_add_memory_range(machine(), &memory) == FA4EMU_OK) return;
  fail(kInvalidValue, "{}", fa4emu_last_error());
}

void machine_mark_written(const void* base, uint64_t bytes) {
  if (bytes != 0) must(fa4emu_mark_initialised(machine(), base, bytes));
}

void machine_remove_memory(const void* base) { must(fa4emu_remove_memory(machine(), base)); }

uint64_t machine_load(const std::string& ptx, const std::string& owner) {
  uint64_t module = 0;
  if (fa4emu_load(machine(), ptx.data(), ptx.size(), &module) == FA4EMU_OK) return module;
  count_errors(1);
  fail(kInvalidPtx, "{}: {}", owner, fa4emu_last_error());
}

std::vector<std::string> machine_entries(uint64_t module) {
  std::vector<std::string> names;
  for (size_t i = 0;; ++i) {
    const char* name = nullptr;
    must(fa4emu_entry_name(machine(), module, i, &name));
    if (name == nullptr) return names;
    names.emplace_back(name);
  }
}

fa4emu_entry machine_entry_facts(uint64_t module, const std::string& entry) {
  fa4emu_entry facts = {};
  facts.struct_size = sizeof(facts);
  if (fa4emu_entry_facts(machine(), module, entry.c_str(), &facts) == FA4EMU_OK) return facts;
  count_errors(1);
  fail(kInvalidPtx, "{}: {}", entry, fa4emu_last_error());
}

std::vector<Parameter> machine_parameters(uint64_t module, const std::string& entry) {
  std::vector<Parameter> parameters;
  for (;;) {
    Parameter one;
    must(fa4emu_entry_param(machine(), module, entry.c_str(), parameters.size(), &one.offset,
                            &one.bytes));
    if (one.bytes == 0) return parameters;
    parameters.push_back(one);
  }
}

bool machine_variable(uint64_t module, const std::string& name, VariablePlace* place) {
  return fa4emu_variable(machine(), module, name.c_str(), &place->address, &place->bytes) ==
         FA4EMU_OK;
}

void machine_launch(const fa4emu_launch_config& launch) {
  static uint64_t number = 0;
  const std::string where = words_of(launch, ++number);
  count_launch();
  fa4emu_report* made = nullptr;
  if (fa4emu_launch(machine(), &launch, &made) != FA4EMU_OK) {
    count_errors(1);
    fail(kLaunchFailure, "{}: {}", where, fa4emu_last_error());
  }
  const Report report(made);
  fa4emu_summary summary = {};
  summary.struct_size = sizeof(summary);
  must(fa4emu_report_summary(report.get(), &summary));
  std::fwrite(summary.output, 1, summary.output_bytes, stdout);
  print_items(report, summary, where);
  append_report(summary.text, where);
  count_errors(summary.num_errors);
  if (summary.finished == 0) throw Failure{kLaunchFailure};
}

}  // namespace fa4::emurun
