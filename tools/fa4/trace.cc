// SPDX-License-Identifier: Apache-2.0
// fa4 trace: who did what when, in one forward on the PTX machine.
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <filesystem>

#include "checked.h"
#include "files.h"
#include "options.h"
#include "trace_svg.h"
#include "verbs.h"

namespace fa4::cli {
namespace {

constexpr int64_t kMostTraceBytes = int64_t{1} << 32;

// A file of the process's own, gone at the end.
class TemporaryFile {
 public:
  TemporaryFile() {
    std::string pattern = (std::filesystem::temp_directory_path() / "fa4-trace-XXXXXX").string();
    const int descriptor = ::mkstemp(pattern.data());
    if (descriptor < 0) fail(Exit::Internal, "no temporary file can be made: {}", pattern);
    path_ = pattern;
    ::close(descriptor);
  }
  ~TemporaryFile() { std::remove(path_.c_str()); }
  TemporaryFile(const TemporaryFile&) = delete;
  TemporaryFile& operator=(const TemporaryFile&) = delete;
  const std::string& path() const { return path_; }

 private:
  std::string path_;
};

void write_whole(const std::string& path, const std::string& text) {
  OutputFile file(path);
  file.write(text);
  file.commit();
  fmt::print("written:   {}\n", path);
}

}  // namespace

Exit trace(const TraceArguments& arguments) {
  SharedOptions shared = arguments.shared;
  if (!is_emulated(shared.backend)) {
    bad_input("--backend is {}; only the PTX machine is traced, as emulated:sm_100a",
              printable(shared.backend));
  }
  if (shared.shape.empty()) bad_input("trace needs --shape B,H,Hk,Sq,Sk,D[,Dv]");
  if (arguments.json.empty() && arguments.svg.empty()) bad_input("trace needs --json or --svg");
  // Under eager an operation is made where it is issued, and so is never seen under way.
  if (shared.policy.empty()) shared.policy = "lazy";
  use_machine_options(shared);
  const TemporaryFile events;
  ::setenv("FA4_EMU_TRACE", events.path().c_str(), 1);

  const DenseShape shape = parse_shape(shared.shape);
  const ElementType type = parse_dtype(shared.dtype.empty() ? "bf16" : shared.dtype);
  const Options options = to_options(shared);
  const Inputs inputs = make_dense_inputs(shape, type, false, arguments.seed);
  const BoundProblem problem(inputs, options);
  const Plan plan(problem, FA4_PASS_FORWARD);
  Results results = make_forward_results(inputs);
  results.lse_limit = plan.lse_limit();
  run_forward(plan, problem, results);
  ::unsetenv("FA4_EMU_TRACE");

  const std::string name = case_name(shape, type, options);
  fmt::print("case:      {}\nbackend:   {}\nkernel:    {}\npolicy:    {}\n", name, plan.backend(),
             plan.kernel(), shared.policy);
  const std::string text = read_text_file(events.path(), kMostTraceBytes);
  if (!arguments.json.empty()) write_whole(arguments.json, text);
  if (!arguments.svg.empty()) {
    write_whole(arguments.svg,
                draw_trace(Json::parse(text), fmt::format("{} on {}", name, plan.backend())));
  }
  if (!arguments.check) return Exit::Right;
  std::vector<Sample> samples;
  add_checked_samples(inputs, results, options, &samples);
  fmt::print("\nerror against double precision\n");
  return print_verdicts(samples, type) ? Exit::Right : Exit::CheckFailed;
}

}  // namespace fa4::cli
