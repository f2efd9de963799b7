// SPDX-License-Identifier: Apache-2.0
// fa4 emu: any kernel's PTX on the PTX machine.
#include "fa4/emu.hpp"

#include <algorithm>
#include <cstdio>

#include "files.h"
#include "launch_spec.h"
#include "safetensors.h"
#include "verbs.h"

namespace fa4::cli {
namespace {

constexpr int64_t kMostPtxBytes = int64_t{1} << 30;

void check_machine(const MachineLibrary& library, fa4emu_status status) {
  if (status == FA4EMU_OK) return;
  const bool refused = status == FA4EMU_ERROR_INVALID_ARGUMENT || status == FA4EMU_ERROR_REFUSED;
  fail(refused ? Exit::BadInput : Exit::Internal, "{}", library.last_error());
}

uint32_t parse_arch(const std::string& arch) {
  static constexpr std::pair<const char*, uint32_t> kArchs[] = {
      {"sm_80", 80},   {"sm_86", 86},    {"sm_89", 89},   {"sm_90", 90},    {"sm_90a", 90},
      {"sm_100", 100}, {"sm_100a", 100}, {"sm_103", 103}, {"sm_103a", 103}, {"sm_120", 120}};
  for (const auto& [name, number] : kArchs) {
    if (arch == name) return number;
  }
  bad_input("--arch is {}; it must be sm_80, sm_86, sm_89, sm_90a, sm_100a, sm_103a or sm_120",
            printable(arch));
}

MachineLibrary::Machine make_machine(const MachineLibrary& library, const EmuArguments& arguments) {
  fa4emu_options options;
  fa4emu_options_init(&options);
  options.arch = parse_arch(arguments.arch);
  const bool follows = arguments.policy == "log";
  if (follows != !arguments.schedule.empty()) {
    bad_input(
        "--policy log and --schedule go together: the policy that a schedule was written with is in it");
  }
  options.policy = follows ? nullptr : arguments.policy.c_str();
  options.numerics = arguments.numerics.c_str();
  options.seed = arguments.seed;
  options.threads = arguments.threads;
  options.max_instructions = arguments.max_instructions;
  fa4emu_machine* machine = nullptr;
  check_machine(library, library.create(&options, &machine));
  MachineLibrary::Machine made(machine, {&library});
  if (follows) check_machine(library, library.follow_schedule(machine, arguments.schedule.c_str()));
  if (!arguments.schedule_log.empty()) {
    check_machine(library, library.write_schedule(machine, arguments.schedule_log.c_str()));
  }
  if (!arguments.trace.empty()) {
    check_machine(library, library.write_trace(machine, arguments.trace.c_str()));
  }
  return made;
}

void encode_tensor_maps(const MachineLibrary& library, LaunchSpec& spec, std::byte* params) {
  for (const SpecParam& param : spec.params) {
    if (!param.tensor_map) continue;
    const SpecTensorMap& map = *param.tensor_map;
    fa4emu_tensor_map given = {};
    given.struct_size = sizeof(given);
    given.data_type = map.data_type;
    given.rank = static_cast<uint32_t>(map.sizes.size());
    given.address = spec.find(param.buffer)->tensor.storage().data() + param.byte_offset;
    given.sizes = map.sizes.data();
    given.strides = map.strides.data();
    given.box = map.box.data();
    given.element_strides = map.element_strides.empty() ? nullptr : map.element_strides.data();
    given.swizzle = map.swizzle;
    given.fill = map.fill;
    check_machine(library, library.encode_tensor_map(&given, params + param.offset));
  }
}

MachineLibrary::Report launch(const MachineLibrary& library, fa4emu_machine* machine,
                              const std::string& ptx, LaunchSpec& spec) {
  fa4emu_launch_config config = {};
  config.struct_size = sizeof(config);
  check_machine(library, library.load(machine, ptx.data(), ptx.size(), &config.module));
  fa4emu_entry facts = {};
  facts.struct_size = sizeof(facts);
  check_machine(library, library.entry_facts(machine, config.module, spec.entry.c_str(), &facts));
  std::vector<std::byte> params = param_bytes_of(spec, facts.param_bytes);
  encode_tensor_maps(library, spec, params.data());
  for (SpecBuffer& buffer : spec.buffers) {
    const std::span<std::byte> bytes = buffer.tensor.storage();
    if (buffer.tensor.num_bytes() == 0) continue;
    check_machine(library, library.add_memory(machine, buffer.name.c_str(), bytes.data(),
                                              static_cast<uint64_t>(buffer.tensor.num_bytes()),
                                              buffer.writable));
  }
  config.entry = spec.entry.c_str();
  std::copy(spec.grid.begin(), spec.grid.end(), config.grid);
  std::copy(spec.block.begin(), spec.block.end(), config.block);
  std::copy(spec.cluster.begin(), spec.cluster.end(), config.cluster);
  config.dynamic_shared_bytes = spec.dynamic_shared_bytes;
  const fa4emu_labels labels = spec.labels.given();
  config.labels = &labels;
  config.params = params.data();
  config.param_bytes = params.size();
  fa4emu_report* report = nullptr;
  check_machine(library, library.launch(machine, &config, &report));
  return {report, {&library}};
}

void write_outputs(OutputFile& file, LaunchSpec& spec) {
  std::vector<TensorToWrite> tensors;
  for (const std::string& name : spec.outputs) tensors.push_back({name, &spec.find(name)->tensor});
  write_safetensors(file, std::move(tensors));
  file.commit();
}

}  // namespace

Exit emu(const EmuArguments& arguments) {
  std::string why;
  const MachineLibrary* library =
      MachineLibrary::open(reinterpret_cast<const void*>(&fa4_version), &why);
  if (library == nullptr) fail(Exit::Refused, "{}", why);
  LaunchSpec spec = read_launch_spec(arguments.launch);
  if (!arguments.output.empty() && spec.outputs.empty()) {
    bad_input("-o is {}, but outputs of {} names no buffer", arguments.output, arguments.launch);
  }
  const std::string ptx = read_text_file(arguments.ptx, kMostPtxBytes);
  const MachineLibrary::Machine machine = make_machine(*library, arguments);
  std::optional<OutputFile> output;
  if (!arguments.output.empty()) output.emplace(arguments.output);  // unwritable: known before
  const MachineLibrary::Report report = launch(*library, machine.get(), ptx, spec);
  fa4emu_summary summary = {};
  summary.struct_size = sizeof(summary);
  check_machine(*library, library->report_summary(report.get(), &summary));
  std::fwrite(summary.output, 1, summary.output_bytes, stdout);
  fmt::print("{}", summary.text);
  if (output) {
    write_outputs(*output, spec);
    fmt::print("output: {}\n", arguments.output);
  }
  return summary.finished && summary.num_errors == 0 ? Exit::Right : Exit::CheckFailed;
}

}  // namespace fa4::cli
