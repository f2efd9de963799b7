// SPDX-License-Identifier: Apache-2.0
// The command line of emurun.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace fa4::emurun {

struct Arguments {
  std::string policy = "eager", numerics = "exact", ptx, report;
  uint64_t seed = 0;
  uint32_t arch = 90, threads = 0;
  std::vector<char*> program;  // and its arguments, then a null
};

// Exit codes of emurun itself; 86 says that the machine has reported errors, every other one is the program's.
constexpr int kExitUsage = 2, kExitReported = 86, kExitNotStarted = 127;

// Ends the process with a sentence, or with the usage, when the command line is wrong or asks for it.
Arguments read_arguments(int count, char** words);

// Ends the process with a sentence.
[[noreturn]] void refuse(int code, const std::string& sentence);

}  // namespace fa4::emurun
