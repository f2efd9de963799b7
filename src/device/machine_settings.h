// SPDX-License-Identifier: Apache-2.0
// How the PTX machine works, from the environment: docs/options.md.
#pragma once

#include <cstdint>
#include <string>

#include "core/status.h"

namespace fa4::device {

struct MachineSettings {
  std::string policy = "eager";    // FA4_EMU_POLICY
  std::string numerics = "exact";  // FA4_EMU_NUMERICS
  uint64_t seed = 0;               // FA4_EMU_SEED
  uint32_t threads = 0;            // FA4_EMU_THREADS
  std::string schedule;            // FA4_EMU_SCHEDULE: of the policy log
  std::string schedule_log;        // FA4_EMU_SCHEDULE_LOG: a file; empty: none
  std::string trace;               // FA4_EMU_TRACE: a file; empty: none
  std::string report;              // FA4_EMU_REPORT: a file that reports are added to; empty: none

  bool operator==(const MachineSettings&) const = default;
};

// What the machine itself checks (the names of policies) is left to it.
Status machine_settings(MachineSettings* settings);

}  // namespace fa4::device
