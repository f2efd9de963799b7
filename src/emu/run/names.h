// SPDX-License-Identifier: Apache-2.0
// The names that reports use: sites of the text, variables in shared memory, and what the launch's labels say.
#pragma once

#include <string>

#include "emu/run/machine.h"
#include "emu/run/program.h"

namespace fa4::emu {

class LaunchNames final : public Describer {
 public:
  LaunchNames(const Program& program, const KernelLaunch& launch);

  std::string site(const Instr& instr) const override { return program_.site(instr); }
  // "full[1]", "full+0x8" by the symbols of the text; "" where nothing has a name.
  std::string shared_name(uint32_t offset) const override;
  // "S[1]", "S+8": 8 columns behind the first.
  std::string tensor_name(uint32_t column) const override;
  std::string role(uint32_t warp) const override;  // "" for a warp without a role

 private:
  const Program& program_;
  const LaunchLabels& labels_;
};

}  // namespace fa4::emu
