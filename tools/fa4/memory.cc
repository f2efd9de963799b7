// SPDX-License-Identifier: Apache-2.0
#include "memory.h"

#include <fstream>
#include <string>

namespace fa4::cli {
namespace {

double status_mb(const std::string& key) {
  std::ifstream status("/proc/self/status");
  for (std::string line; std::getline(status, line);) {
    if (line.rfind(key, 0) == 0) return std::stod(line.substr(key.size())) / 1024;
  }
  return 0;
}

}  // namespace

double resident_mb() { return status_mb("VmRSS:"); }
double peak_mb() { return status_mb("VmHWM:"); }

void reset_peak() { std::ofstream("/proc/self/clear_refs") << "5\n"; }

}  // namespace fa4::cli
