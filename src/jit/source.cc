// SPDX-License-Identifier: Apache-2.0
#include "jit/source.h"

#include <fmt/format.h>

#include "jit/sha256.h"

namespace fa4::jit {

std::string generated_source(const plan::KernelSpec& spec) {
  const std::string cluster =
      spec.cluster > 1 ? fmt::format("__cluster_dims__({}, 1, 1) ", spec.cluster) : "";
  return fmt::format(
      "#include \"{}{}\"\n"
      "constexpr auto kConfig = {};\n"
      "extern \"C\" __global__ void {}__launch_bounds__({}, {})\n"
      "{}(const __grid_constant__ {} params) {{\n"
      "  {}<kConfig>(params);\n"
      "}}\n",
      kVirtualRoot, spec.header, spec.config, cluster, spec.threads, spec.min_blocks, spec.entry,
      spec.params, spec.function);
}

std::vector<const char*> compiler_flags(bool fmad) {
  // constexpr functions serve the host too; ptxas tells of registers and spills in the log.
  std::vector<const char*> flags = {"--std=c++20", "--device-as-default-execution-space",
                                    "--generate-line-info", "--ptxas-options=-v"};
  if (!fmad) flags.push_back("--fmad=false");
  return flags;
}

Status make_unit(const Bundle& bundle, const plan::KernelSpec& spec, const std::string& arch,
                 bool fmad, Unit* unit) {
  *unit = {};
  unit->entry = spec.entry;
  unit->arch = arch;
  unit->flags = compiler_flags(fmad);
  unit->source = generated_source(spec);
  FA4_RETURN_IF_ERROR(bundle.closure_of(spec.header, &unit->header_names, &unit->header_texts));
  Sha256 sum;
  sum.add("fa4 kernel 1").add(arch).add(unit->source);
  for (const char* flag : unit->flags) sum.add(flag);
  for (size_t i = 0; i < unit->header_names.size(); ++i) {
    sum.add(unit->header_names[i]).add(unit->header_texts[i]);
  }
  unit->key = sum.hex();
  return {};
}

}  // namespace fa4::jit
