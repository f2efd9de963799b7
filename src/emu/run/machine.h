// SPDX-License-Identifier: Apache-2.0
// The PTX machine: modules are loaded into it, their kernels are launched on it. It knows PTX and nothing of
// attention.
//
//   Machine machine({.arch = 90, .policy = Policy::Lazy, .seed = 7});
//   const ModuleId module = machine.load(ptx);
//   machine.memory().add({"x", address, bytes});
//   RunReport report = machine.launch({.module = module, .entry = "kernel", .grid = {4, 1, 1}, ...});
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "emu/machine/memory.h"
#include "emu/machine/report.h"

namespace fa4::emu {

// In which order things happen that no synchronisation orders (docs/emulator/orders.md).
enum class Policy : uint8_t { Eager, Lazy, Reverse, Torn, Random, Starve };
const char* name_of(Policy policy);
std::string policy_names();  // "eager, lazy, reverse, torn, random or starve:ROLE"

enum class Numerics : uint8_t { Exact, Fast };

struct MachineOptions {
  uint32_t arch = 80;  // compute capability: 80, 86, 89, 90, 100, 103, 120
  Policy policy = Policy::Eager;
  std::string starved{};  // by Policy::Starve: a role of the launch's labels, or warps: "12", "4-7"
  uint64_t seed = 0;
  Numerics numerics = Numerics::Exact;
  bool checks = true;      // races, uninitialised reads
  bool elect_any = false;  // a seed chooses the lane of elect.sync; else the lowest
  uint32_t threads = 0;    // of the host; 0: as many as there are processors
  uint32_t resident =
      4;  // clusters that run beside one another where they may wait for one another
  uint64_t most_instructions = uint64_t{1} << 40;  // of a launch, all warps together
};

// "lazy", "starve:Mma": policy and starved. False: it is no policy.
bool read_policy(std::string_view text, MachineOptions* options);
std::string policy_text(const MachineOptions& options);

using ModuleId = size_t;

// What the kernel calls its warps and its shared memory, for reports.
struct LaunchLabels {
  struct Warps {
    uint32_t first, last;  // of a CTA
    std::string name;      // "Load"
  };
  struct Shared {
    std::string name;  // "full"
    uint32_t offset, bytes,
        count;  // from the start of the dynamic shared memory; of one element; elements
  };
  struct Tensor {
    std::string name;                 // "S"
    uint32_t column, columns, count;  // of tensor memory, the first; of one element; elements
  };
  std::vector<Warps> warps;
  std::vector<Shared> shared;
  std::vector<Tensor> tensor;
};

struct KernelLaunch {
  ModuleId module = 0;
  std::string entry;
  std::array<uint32_t, 3> grid = {1, 1, 1};
  std::array<uint32_t, 3> block = {1, 1, 1};
  std::array<uint32_t, 3> cluster = {1, 1, 1};  // all 1: what the kernel says, if it does
  bool non_portable_cluster = false;            // up to 16 CTAs, not 8
  uint32_t dynamic_shared_bytes = 0;
  LaunchLabels labels;
  std::vector<std::byte> params;  // as the entry lays them out, each at its alignment
};

// Where a parameter lies among all of an entry's.
struct ParameterFacts {
  uint32_t offset = 0;
  uint32_t bytes = 0;
};

// What an entry asks for.
struct EntryFacts {
  uint32_t param_bytes = 0;
  uint32_t static_shared_bytes = 0;
  std::array<uint32_t, 3> max_threads = {0, 0, 0};  // .maxntid; 0: not said
  std::array<uint32_t, 3> threads = {0, 0, 0};      // .reqntid; 0: not said
  std::vector<ParameterFacts> parameters;           // in their order
};

struct FormCount {
  std::string form;      // the row's syntax
  std::string fidelity;  // "exact", "by the manual", "approximate: 1 ulp of the H200"
  uint64_t warps = 0;    // warp instructions
};

struct RunReport {
  bool finished = false;  // false: stopped by a deadlock, a trap, the step limit
  std::vector<Report> reports;
  uint64_t num_errors = 0;  // with repetitions
  uint64_t num_lost = 0;    // distinct reports beyond the most that are kept
  uint64_t warp_instructions = 0;
  std::vector<FormCount> forms;
  std::map<std::string, uint64_t> units;  // warp instructions by unit
  std::string output;                     // of printf
  std::string repeat;                     // the options that run it so again: "--policy lazy"
};

// A bad module, entry or launch: one sentence.
class MachineError : public std::runtime_error {
  using std::runtime_error::runtime_error;
};

class Machine {
 public:
  explicit Machine(const MachineOptions& options);
  ~Machine();

  const MachineOptions& options() const;
  GlobalMemory& memory();

  ModuleId load(std::string ptx);  // throws MachineError, with the line of the text
  EntryFacts entry(ModuleId module, std::string_view name) const;
  std::vector<std::string> entries(ModuleId module) const;
  // What launches choose from now on is written to a file; taken from one, launch by launch in their order. Throws
  // MachineError: the file is none, or cannot be written.
  void write_schedule(const std::string& path);
  void follow_schedule(const std::string& path);
  // What launches from now on do is written to a file of trace events. Throws MachineError: it cannot be written.
  void write_trace(const std::string& path);

  // The address and size of a variable of a module, as cuModuleGetGlobal gives it.
  GlobalRange variable(ModuleId module, std::string_view name) const;

  RunReport launch(const KernelLaunch& launch);

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace fa4::emu
