// SPDX-License-Identifier: Apache-2.0
// emurun: a CUDA program on the PTX machine.
#include <fmt/format.h>
#include <sys/wait.h>

#include <csignal>
#include <cstdio>

#include "child.h"

int main(int count, char** words) {
  using namespace fa4::emurun;  // NOLINT
  const Arguments arguments = read_arguments(count, words);
  Counted counted;
  const int status = run_program(arguments, &counted);
  if (WIFSIGNALED(status)) {
    fmt::print(stderr, "emurun: {} was ended by signal {}\n", arguments.program[0],
               WTERMSIG(status));
  }
  if (counted.errors != 0) {
    fmt::print(stderr, "emurun: {} {} in {} {}\n", counted.errors,
               counted.errors == 1 ? "error" : "errors", counted.launches,
               counted.launches == 1 ? "launch" : "launches");
    return kExitReported;
  }
  return WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
}
