// SPDX-License-Identifier: Apache-2.0
#include "child.h"

#include <fmt/format.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstdlib>
#include <cstring>
#include <filesystem>

namespace fa4::emurun {
namespace {

namespace fs = std::filesystem;

// Where the stand-in lies: beside this program's libraries, in the build and where it is installed.
fs::path stand_ins() {
  std::error_code error;
  const fs::path bin = fs::read_symlink("/proc/self/exe", error).parent_path();
  for (const fs::path& lib : {bin / FA4_BIN_TO_LIB, bin / "../lib"}) {
    const fs::path folder = (lib / "emurun").lexically_normal();
    if (fs::exists(folder / "libcudart.so.13", error)) return folder;
  }
  refuse(kExitNotStarted,
         fmt::format("the stand-in for the CUDA runtime, lib/emurun/libcudart.so.13, "
                     "is not beside {}",
                     bin.string()));
}

void put_before(const char* name, const std::string& value, char separator) {
  const char* old = std::getenv(name);
  const bool empty = old == nullptr || *old == '\0';
  setenv(name, (empty ? value : value + separator + old).c_str(), 1);
}

// The preloaded libraries have the sonames that a program needs or opens, whatever its RPATH says; the folder is for those
// that are opened by another name.
void set_environment(const Arguments& arguments, int tally) {
  const fs::path folder = stand_ins();
  std::string preload;
  for (const char* name : {"libcudart.so.13", "libcudart.so.12", "libcuda.so.1"}) {
    preload += (preload.empty() ? "" : ":") + (folder / name).string();
  }
  put_before("LD_PRELOAD", preload, ':');
  put_before("LD_LIBRARY_PATH", folder.string(), ':');
  setenv("FA4_EMURUN_POLICY", arguments.policy.c_str(), 1);
  setenv("FA4_EMURUN_NUMERICS", arguments.numerics.c_str(), 1);
  setenv("FA4_EMURUN_SEED", std::to_string(arguments.seed).c_str(), 1);
  setenv("FA4_EMURUN_ARCH", std::to_string(arguments.arch).c_str(), 1);
  setenv("FA4_EMURUN_THREADS", std::to_string(arguments.threads).c_str(), 1);
  setenv("FA4_EMURUN_PTX", arguments.ptx.c_str(), 1);
  setenv("FA4_EMURUN_REPORT", arguments.report.c_str(), 1);
  setenv("FA4_EMURUN_TALLY_FD", std::to_string(tally).c_str(), 1);
}

}  // namespace

int run_program(const Arguments& arguments, Counted* counted) {
  const int tally = memfd_create("emurun", 0);
  if (tally < 0 || ftruncate(tally, sizeof(Counted)) != 0) {
    refuse(kExitNotStarted,
           fmt::format("no page can be shared with the program: {}", std::strerror(errno)));
  }
  const pid_t child = fork();
  if (child < 0) refuse(kExitNotStarted, fmt::format("fork: {}", std::strerror(errno)));
  if (child == 0) {
    prctl(PR_SET_PDEATHSIG, SIGKILL);  // it does not outlive an emurun that is ended by a signal
    set_environment(arguments, tally);
    execvp(arguments.program[0], arguments.program.data());
    refuse(kExitNotStarted,
           fmt::format("{} cannot be started: {}", arguments.program[0], std::strerror(errno)));
  }
  for (const int signal : {SIGINT, SIGQUIT})
    std::signal(signal, SIG_IGN);  // the program's to answer
  int status = 0;
  while (waitpid(child, &status, 0) < 0 && errno == EINTR) {
  }
  if (pread(tally, counted, sizeof(*counted), 0) != static_cast<ssize_t>(sizeof(*counted))) {
    *counted = {};
  }
  return status;
}

}  // namespace fa4::emurun
