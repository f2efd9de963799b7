// SPDX-License-Identifier: Apache-2.0
// For the programs that emurun runs, which know of no test framework.
#pragma once

#include <cstdio>
#include <cstdlib>

#define CHECK(condition)                                                \
  do {                                                                  \
    if (!(condition)) {                                                 \
      std::printf("line %d: %s does not hold\n", __LINE__, #condition); \
      std::exit(1);                                                     \
    }                                                                   \
  } while (false)
