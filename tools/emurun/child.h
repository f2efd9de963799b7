// SPDX-License-Identifier: Apache-2.0
// The program: started with the stand-in in its way, waited for.
#pragma once

#include <string>

#include "arguments.h"

namespace fa4::emurun {

// What the program's launches came to. src/emurun/base.cc counts in the same page.
struct Counted {
  uint64_t launches = 0, errors = 0;
};

// Returns the exit status as waitpid gives it.
int run_program(const Arguments& arguments, Counted* counted);

}  // namespace fa4::emurun
