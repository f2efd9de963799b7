// SPDX-License-Identifier: Apache-2.0
// What the machine has to say about a program. A report has a stable code (docs/emulator/reports.md lists them), and equal
// ones are counted, not repeated.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <mutex>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

namespace fa4::emu {

enum class Level : uint8_t { Error, Warning };

struct Report {
  Level level = Level::Error;
  std::string code;  // "smem.bounds"
  std::string
      text;  // first line: "out of bounds: ..."; further lines: both sites, the likely story
  uint64_t count = 1;
};

class Reports {
 public:
  static constexpr size_t kMostDistinct = 100;

  // `key` names the sites: reports of one code and key are one.
  void add(Level level, std::string_view code, std::string_view key, std::string text);
  std::vector<Report> all() const;
  uint64_t num_errors() const;
  uint64_t num_lost() const;  // distinct reports beyond kMostDistinct

 private:
  mutable std::mutex mutex_;
  std::map<std::string, size_t> index_;
  std::vector<Report> reports_;
  uint64_t num_lost_ = 0;
};

// What ends a run: a deadlock, a trap, an unknown form, the step limit. The report has been made.
class Stop : public std::runtime_error {
  using std::runtime_error::runtime_error;
};

}  // namespace fa4::emu
