// SPDX-License-Identifier: Apache-2.0
#include "emu/run/machine.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>

#include "emu/isa/table.h"
#include "emu/ptx/parser.h"
#include "emu/run/functions.h"
#include "emu/run/launch.h"
#include "emu/run/names.h"
#include "emu/run/program.h"
#include "emu/run/schedule.h"
#include "emu/run/scheduler.h"
#include "emu/run/trace.h"

namespace fa4::emu {

// Memory of a module's variables, each at its alignment.
struct VariableStorage {
  std::unique_ptr<std::byte[]> bytes;
  std::byte* begin = nullptr;
};

struct LoadedModule {
  ptx::Module tree;
  ModuleSymbols symbols;
  std::vector<VariableStorage> storage;
  std::map<std::string, Program, std::less<>> programs;  // lowered when they are first launched

  const ptx::Function* find(std::string_view name) const {
    for (const ptx::ModuleItem& item : tree.items) {
      const auto* function = std::get_if<ptx::Function>(&item);
      if (function != nullptr && function->entry && function->body && function->name == name) {
        return function;
      }
    }
    return nullptr;
  }
};

namespace {

VariableStorage storage_of(uint64_t bytes, uint64_t alignment) {
  VariableStorage storage;
  const uint64_t room = std::max<uint64_t>(alignment, 16);
  storage.bytes = std::make_unique<std::byte[]>(bytes + room);
  const auto address = reinterpret_cast<uintptr_t>(storage.bytes.get());
  storage.begin = storage.bytes.get() + (room - address % room) % room;
  return storage;
}

// A value of an element: a number as its type writes it, or the address of a symbol.
void write_initializers(const ptx::Variable& variable, const ModuleSymbols& symbols,
                        std::byte* to) {
  ptx::Variable one = variable;  // its element
  one.extents.clear();
  one.vector = 1;
  const uint64_t size = bytes_of(one);
  const uint64_t elements = bytes_of(variable) / size;
  for (size_t i = 0; i < variable.values.size(); ++i) {
    const ptx::Initializer& value = variable.values[i];
    if (i >= elements) {
      throw MachineError(fmt::format("line {}: {} has more initial values than elements",
                                     variable.place.line, variable.name));
    }
    uint64_t bits = value.bits;
    if (!value.symbol.empty()) {
      const auto symbol = symbols.globals.find(value.symbol);
      const auto function = symbols.functions.find(value.symbol);
      if (symbol == symbols.globals.end() && function == symbols.functions.end()) {
        throw MachineError(
            fmt::format("line {}: {} is initialised with {}, which is no function, and no "
                        "variable in global or constant memory",
                        variable.place.line, variable.name, value.symbol));
      }
      bits = (symbol != symbols.globals.end() ? symbol->second.address : function->second) +
             static_cast<uint64_t>(value.offset);
    }
    std::memcpy(to + i * size, &bits, size);
  }
}

}  // namespace

struct Machine::State {
  MachineOptions options;
  GlobalMemory memory;
  Heap heap;
  std::unique_ptr<ScheduleWriter> writer;
  std::unique_ptr<ScheduleReader> reader;
  std::unique_ptr<TraceWriter> tracer;
  std::vector<std::unique_ptr<LoadedModule>> modules;

  LoadedModule& module(ModuleId id) {
    if (id >= modules.size()) throw MachineError(fmt::format("there is no module {}", id));
    return *modules[id];
  }

  const Program& program(ModuleId id, std::string_view name) {
    LoadedModule& loaded = module(id);
    const auto found = loaded.programs.find(name);
    if (found != loaded.programs.end()) return found->second;
    const ptx::Function* function = loaded.find(name);
    if (function == nullptr) {
      throw MachineError(fmt::format("there is no entry {} in the module", name));
    }
    return loaded.programs
        .emplace(name, lower(loaded.tree, *function, loaded.symbols,
                             {options.arch, options.numerics == Numerics::Exact, options.checks}))
        .first->second;
  }
};

Machine::Machine(const MachineOptions& options) : state_(std::make_unique<State>()) {
  state_->options = options;
}

Machine::~Machine() = default;

const MachineOptions& Machine::options() const { return state_->options; }

GlobalMemory& Machine::memory() { return state_->memory; }

void Machine::write_schedule(const std::string& path) {
  state_->writer = std::make_unique<ScheduleWriter>(path);
}

void Machine::follow_schedule(const std::string& path) {
  state_->reader = std::make_unique<ScheduleReader>(path);
}

void Machine::write_trace(const std::string& path) {
  state_->tracer = std::make_unique<TraceWriter>(path);
}

ModuleId Machine::load(std::string text) {
  auto loaded = std::make_unique<LoadedModule>();
  try {
    loaded->tree = ptx::parse(std::move(text));
  } catch (const ptx::SyntaxError& error) {
    throw MachineError(error.what());
  }
  loaded->symbols.functions = function_addresses(loaded->tree);
  std::vector<std::pair<const ptx::Variable*, std::byte*>> initialized;
  for (const ptx::ModuleItem& item : loaded->tree.items) {
    const auto* variable = std::get_if<ptx::Variable>(&item);
    if (variable == nullptr) continue;
    if (variable->space == "shared") {
      loaded->symbols.shared.push_back(variable);
      continue;
    }
    if (variable->space != "global" && variable->space != "const") {
      throw MachineError(
          fmt::format("line {}: a variable in space .{} outside functions is not served",
                      variable->place.line, variable->space));
    }
    const uint64_t bytes = bytes_of(*variable);
    VariableStorage storage = storage_of(bytes, alignment_of(*variable));
    std::memset(storage.begin, 0, bytes);
    const auto address = reinterpret_cast<uint64_t>(storage.begin);
    loaded->symbols.globals[variable->name] = {Space::Global, address, bytes};
    state_->memory.add({std::string(variable->name), address, bytes, variable->space == "global"});
    initialized.emplace_back(variable, storage.begin);
    loaded->storage.push_back(std::move(storage));
  }
  for (const auto& [variable, at] : initialized) write_initializers(*variable, loaded->symbols, at);
  state_->modules.push_back(std::move(loaded));
  return state_->modules.size() - 1;
}

std::vector<std::string> Machine::entries(ModuleId module) const {
  std::vector<std::string> names;
  for (const ptx::ModuleItem& item : state_->module(module).tree.items) {
    const auto* function = std::get_if<ptx::Function>(&item);
    if (function != nullptr && function->entry && function->body)
      names.emplace_back(function->name);
  }
  return names;
}

EntryFacts Machine::entry(ModuleId module, std::string_view name) const {
  const Program& program = state_->program(module, name);
  return {.param_bytes = program.param_bytes,
          .static_shared_bytes = program.dynamic_shared_base - kReservedShared,
          .max_threads = program.max_threads,
          .threads = program.required_threads,
          .parameters = program.parameters};
}

GlobalRange Machine::variable(ModuleId module, std::string_view name) const {
  const auto& globals = state_->module(module).symbols.globals;
  const auto found = globals.find(name);
  if (found == globals.end()) {
    throw MachineError(fmt::format("there is no variable {} in the module", name));
  }
  return {std::string(name), found->second.address, found->second.bytes, true};
}

RunReport Machine::launch(const KernelLaunch& given) {
  const Program& program = state_->program(given.module, given.entry);
  KernelLaunch launch = given;
  complete_launch(&launch, program);
  check_launch(launch, program, state_->options);
  if (program.uses_heap) state_->heap.open(&state_->memory);
  Reports reports;
  Output output;
  LaunchState shared;
  shared.output = &output;
  shared.heap = &state_->heap;
  shared.program = &program;
  shared.launch = &launch;
  MachineOptions options = state_->options;
  if (state_->reader != nullptr) {
    shared.followed = &state_->reader->next(launch);
    options.policy = shared.followed->policy;
    options.seed = shared.followed->seed;
  }
  shared.starved =
      shared.followed != nullptr ? shared.followed->starved : starved_warps(launch, options);
  LaunchSchedule written(launch, options.policy, options.seed);
  written.starved = shared.starved;
  if (state_->writer != nullptr) shared.written = &written;
  shared.options = &options;
  shared.memory = &state_->memory;
  shared.reports = &reports;
  const LaunchNames names(program, launch);
  shared.names = &names;
  shared.trace = state_->tracer.get();

  const std::vector<uint64_t> counts = run_clusters(shared);

  RunReport report;
  report.finished = !shared.stopped;
  report.output = output.all();
  report.repeat = fmt::format("--policy {}", policy_text(options));
  if (options.policy == Policy::Torn || options.policy == Policy::Random) {
    report.repeat += fmt::format(" --seed {}", options.seed);
  }
  if (shared.followed != nullptr) {
    report.repeat = fmt::format("--policy log --schedule {}", state_->reader->path());
  }
  if (state_->writer != nullptr) state_->writer->add(written);
  if (state_->tracer != nullptr) state_->tracer->end_launch(launch, options);
  report.reports = reports.all();
  report.num_errors = reports.num_errors();
  report.num_lost = reports.num_lost();
  for (size_t form = 0; form < counts.size(); ++form) {
    if (counts[form] == 0) continue;
    const isa::Form& row = isa::form_at(static_cast<uint16_t>(form));
    report.warp_instructions += counts[form];
    report.units[name_of(row.unit)] += counts[form];
    report.forms.push_back({row.syntax,
                            row.bound[0] == '\0'
                                ? std::string(name_of(row.fidelity))
                                : fmt::format("{}: {}", name_of(row.fidelity), row.bound),
                            counts[form]});
  }
  return report;
}

}  // namespace fa4::emu
