// SPDX-License-Identifier: Apache-2.0
// Runs emurun in a folder of the test's own.
#pragma once

#include <string>

#include "gtest/gtest.h"
#include "support/scratch.h"

namespace fa4::emurun {

using test::Answer;
using test::read_text;

class EmurunTest : public testing::Test {
 protected:
  std::string path(const std::string& name) const { return folder_ / name; }

  Answer shell(const std::string& words) const { return test::shell(folder_, words); }

  Answer emurun(const std::string& words) const { return shell("'" FA4_EMURUN "' " + words); }

  // The program of tests/emurun/program.
  Answer program(const std::string& mode, const std::string& options = "") const {
    return emurun(options + " '" FA4_EMURUN_PROGRAM "' " + mode);
  }

 private:
  test::Scratch folder_;
};

inline bool holds(const std::string& text, const std::string& words) {
  return text.find(words) != std::string::npos;
}

}  // namespace fa4::emurun
