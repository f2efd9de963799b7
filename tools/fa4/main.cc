// SPDX-License-Identifier: Apache-2.0
// The fa4 command: attention from the command line, on the public API.
#include <csignal>
#include <cstdio>
#include <exception>
#include <new>
#include <system_error>

#include "command_line.h"

namespace {

using fa4::cli::Exit;

int report(Exit exit, const char* sentence) {
  std::fflush(stdout);
  std::fprintf(stderr, "fa4: %s\n",
               sentence);  // fmt::print would throw where that cannot be written
  return static_cast<int>(exit);
}

}  // namespace

int main(int argc, char** argv) {
  std::signal(SIGXFSZ, SIG_IGN);  // a file size limit is then an error of write(), like a full disk
  try {
    fa4::cli::Action action;
    int exit = fa4::cli::parse_command_line(argc, argv, &action);
    if (action) exit = static_cast<int>(action());
    if (std::fflush(stdout) != 0 || std::ferror(stdout)) {
      return report(Exit::BadInput, "standard output cannot be written");
    }
    return exit;
  } catch (const fa4::cli::Failure& failure) {
    return report(failure.exit(), failure.what());
  } catch (const std::system_error& error) {  // of a stream that cannot be written
    return report(Exit::BadInput, error.what());
  } catch (const std::bad_alloc&) {
    return report(Exit::Internal, "there is not enough memory");
  } catch (const std::exception& error) {
    return report(Exit::Internal, error.what());
  }
}
