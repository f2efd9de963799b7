// SPDX-License-Identifier: Apache-2.0
// A kernel, lowered: what the scheduler runs. One Instr for each instruction of the text, in its order.
#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "emu/isa/instr.h"
#include "emu/machine/cta.h"
#include "emu/ptx/module.h"

namespace fa4::emu {

// A symbol with an address.
struct Symbol {
  Space space = Space::Global;
  uint64_t address = 0;  // global: of the host; shared: offset; param, local: offset
  uint64_t bytes = 0;
};

// What a special register holds; its value is put into its row when a warp begins.
enum class Special : uint8_t {
  Tid,
  Ntid,
  Ctaid,
  Nctaid,
  LaneId,
  WarpId,
  NumWarps,
  LanemaskEq,
  LanemaskLe,
  LanemaskLt,
  LanemaskGe,
  LanemaskGt,
  SmId,
  NumSms,
  GridId,
  DynamicSmemSize,
  TotalSmemSize,
  ClusterId,
  NumClusters,
  ClusterCtaid,
  ClusterNctaid,
  ClusterCtarank,
  ClusterNctarank,
  IsExplicitCluster,
};

struct SpecialRow {
  uint16_t row;
  Special what;
  uint8_t component;  // of x, y, z
  bool wide;
};

struct ConstantRow {
  uint16_t row;
  uint32_t value;
  bool shared_address;  // the rank of the CTA is added
};

struct Program : Describer {
  std::string entry;
  std::vector<Instr> code;
  std::vector<uint32_t> lists;
  std::vector<const ptx::Instruction*> lines;  // by Instr::line
  const ptx::Module* module = nullptr;         // that they belong to
  std::vector<ConstantRow> constants;
  std::vector<SpecialRow> specials;
  uint32_t num_rows = 0;
  uint32_t num_predicates = 0;
  uint32_t local_bytes = 0;
  uint32_t dynamic_shared_base = kReservedShared;  // behind the static variables
  uint32_t param_bytes = 0;
  std::array<uint32_t, 3> max_threads{};
  std::array<uint32_t, 3> required_threads{};
  std::array<uint32_t, 3> required_cluster{};  // .reqnctapercluster; 0: not said
  uint32_t max_cluster = 0;                    // .maxclusterrank; 0: not said
  bool explicit_cluster = false;               // .explicitcluster: launched with clusters only
  bool blocks_are_clusters = false;            // .blocksareclusters
  bool global_atomics = false;                 // its CTAs run in order, on one thread of the host

  std::string site(const Instr& instr) const override;
};

// The symbols of a module that all of its kernels see.
struct ModuleSymbols {
  std::map<std::string_view, Symbol> globals;
  std::vector<const ptx::Variable*> shared;  // in the order of their declaration
};

uint64_t bytes_of(const ptx::Variable& variable);  // of a variable; 0 for one without extent
uint32_t alignment_of(const ptx::Variable& variable);

struct LoweringOptions {
  uint32_t arch = 80;
  bool exact = true;
};

// Throws MachineError with the line of the text: an unknown form, an unknown name, a register of the wrong width.
Program lower(const ptx::Module& module, const ptx::Function& function,
              const ModuleSymbols& symbols, const LoweringOptions& options);

}  // namespace fa4::emu
