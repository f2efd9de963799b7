// SPDX-License-Identifier: Apache-2.0
// fa4 dump: what a problem's GPU kernels are made of.
#include <sys/wait.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <filesystem>

#include "cases.h"
#include "files.h"
#include "json.h"
#include "verbs.h"

namespace fa4::cli {
namespace {

namespace fs = std::filesystem;

std::string artifact(const Plan& plan, size_t kernel, const char* kind) {
  const void* data = nullptr;
  size_t size = 0;
  check(fa4_plan_artifact(plan.get(), kernel, kind, &data, &size));
  return {static_cast<const char*>(data), size};
}

void write(const std::string& path, const std::string& bytes) {
  OutputFile file(path);
  file.write(bytes);
  file.commit();
  fmt::print("  {} ({} bytes)\n", path, bytes.size());
}

// A program of PATH, or "".
std::string find_program(const std::string& name) {
  const char* variable = std::getenv("PATH");
  const std::string path = variable == nullptr ? "" : variable;
  for (size_t begin = 0; begin < path.size();) {
    const size_t end = std::min(path.find(':', begin), path.size());
    const std::string candidate = path.substr(begin, end - begin) + "/" + name;
    if (access(candidate.c_str(), X_OK) == 0) return candidate;
    begin = end + 1;
  }
  return "";
}

// Runs a program without a shell, its output into a file.
bool run_into(const std::vector<std::string>& command, const std::string& output) {
  const pid_t child = fork();
  if (child < 0) return false;
  if (child == 0) {
    if (std::freopen(output.c_str(), "w", stdout) == nullptr) _exit(127);
    std::vector<char*> words;
    for (const std::string& word : command) words.push_back(const_cast<char*>(word.c_str()));
    words.push_back(nullptr);
    execv(words[0], words.data());
    _exit(127);
  }
  int status = 0;
  return waitpid(child, &status, 0) == child && WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

void disassemble(const std::string& stem) {
  const std::string nvdisasm = find_program("nvdisasm"), cuobjdump = find_program("cuobjdump");
  const std::string cubin = stem + ".cubin", sass = stem + ".sass";
  if (nvdisasm.empty() && cuobjdump.empty()) {
    fmt::print("  no SASS: neither nvdisasm nor cuobjdump is in PATH\n");
    return;
  }
  const bool done = nvdisasm.empty() ? run_into({cuobjdump, "-sass", cubin}, sass)
                                     : run_into({nvdisasm, "-g", cubin}, sass);
  fmt::print("  {}{}\n", sass, done ? "" : ": the disassembler failed");
}

}  // namespace

Exit dump(const DumpArguments& arguments) {
  if (arguments.single.shared.shape.empty()) bad_input("dump needs --shape B,H,Hk,Sq,Sk,D[,Dv]");
  const bool backward = parse_passes(arguments.single.pass, false) == Passes::Backward;
  Options options;
  const Inputs inputs = make_case_inputs_without_data(arguments.single, &options);
  const BoundProblem problem(inputs, options);
  const Plan plan(problem, backward ? FA4_PASS_BACKWARD : FA4_PASS_FORWARD);
  const Json facts = Json::parse(fa4_plan_describe(plan.get()));
  const Json kernels = facts.value("kernels", Json::array());
  if (kernels.empty()) {
    fail(Exit::Refused,
         "the plan is for {}/{}, which compiles no kernels; name a device with --device",
         plan.backend(), plan.kernel());
  }
  std::error_code error;
  fs::create_directories(arguments.folder, error);
  if (error) bad_input("-o {} cannot be made: {}", arguments.folder, error.message());
  for (size_t i = 0; i < kernels.size(); ++i) {
    const std::string entry = kernels[i].value("entry", "");
    const std::string stem = arguments.folder + "/" + entry;
    fmt::print("{} for {}\n", entry, facts.value("device", ""));
    write(stem + ".cu", artifact(plan, i, "source"));
    write(stem + ".ptx", artifact(plan, i, "ptx"));
    write(stem + ".cubin", artifact(plan, i, "cubin"));
    write(stem + ".log", artifact(plan, i, "log"));
    disassemble(stem);
  }
  return Exit::Right;
}

}  // namespace fa4::cli
