// SPDX-License-Identifier: Apache-2.0
// fa4_pack_create: the kernels of problems for architectures, compiled into one file.
#include <set>
#include <thread>

#include "api/error.h"
#include "api/plan.h"
#include "api/structs.h"
#include "gpu/backend.h"

namespace fa4::api {
namespace {

Status check_options(const fa4_pack_options& options) {
  if (options.path == nullptr || *options.path == '\0') {
    return invalid_argument("options.path is empty; it must name the file to write");
  }
  if (options.num_problems == 0 || options.problems == nullptr || options.passes == nullptr) {
    return invalid_argument("options names no problems; there must be at least one, with its pass");
  }
  if (options.num_archs == 0 || options.archs == nullptr) {
    return invalid_argument("options names no architectures; there must be at least one");
  }
  if (options.num_threads < 0 || options.num_threads > 1024) {
    return invalid_argument("options.num_threads is {}; it must lie between 0 and 1024",
                            options.num_threads);
  }
  if (options.reserved != 0) {
    return invalid_argument("options.reserved is {}; it must be 0", options.reserved);
  }
  return {};
}

// Each kernel once: many problems share theirs.
Status find_wanted(const fa4_pack_options& options, std::vector<jit::Wanted>* wanted) {
  std::set<std::string> seen;
  for (size_t i = 0; i < options.num_problems; ++i) {
    Pass pass = Pass::Forward;
    FA4_RETURN_IF_ERROR(read_pass(options.passes[i], &pass));
    CheckedProblem checked;
    FA4_RETURN_IF_ERROR(check_problem(options.problems[i], pass, Use::Plan, &checked));
    for (size_t a = 0; a < options.num_archs; ++a) {
      if (options.archs[a] == nullptr) return invalid_argument("options.archs[{}] is null", a);
      std::vector<jit::Wanted> kernels;
      FA4_RETURN_IF_ERROR(gpu::backend().wanted_kernels(
          checked.problem, pass, checked.request.kernel, options.archs[a], &kernels));
      for (jit::Wanted& kernel : kernels) {
        const std::string name = kernel.arch + jit::generated_source(kernel.spec);
        if (seen.insert(name).second) wanted->push_back(std::move(kernel));
      }
    }
  }
  return {};
}

Status create_pack(const fa4_pack_options* source) {
  fa4_pack_options options;
  FA4_RETURN_IF_ERROR(read_struct(source, "options", &options));
  FA4_RETURN_IF_ERROR(check_options(options));
  std::vector<jit::Wanted> wanted;
  FA4_RETURN_IF_ERROR(find_wanted(options, &wanted));
  jit::Progress progress;
  if (options.progress != nullptr) {
    progress = [&](size_t done, size_t total, const jit::Wanted& kernel,
                   const jit::Compiled& result) {
      const std::string text =
          fmt::format("{} for {}: {}", kernel.spec.entry, kernel.arch,
                      result.status.ok() ? result.image->origin : std::string("failed"));
      options.progress(options.context, done, total, text.c_str());
    };
  }
  const unsigned threads = options.num_threads > 0 ? static_cast<unsigned>(options.num_threads)
                                                   : std::thread::hardware_concurrency();
  std::vector<jit::PackedKernel> packed;
  for (const jit::Compiled& result : jit::compiler().compile_all(wanted, threads, progress)) {
    FA4_RETURN_IF_ERROR(result.status);
    packed.push_back({result.key, result.image});
  }
  return jit::write_pack(options.path, packed);
}

}  // namespace
}  // namespace fa4::api

extern "C" fa4_status fa4_pack_create(const fa4_pack_options* options) {
  return fa4::api::guarded([&] { return fa4::api::create_pack(options); });
}
