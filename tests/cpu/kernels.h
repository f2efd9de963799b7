// SPDX-License-Identifier: Apache-2.0
// The kernels of backend cpu on this machine, for parameterised tests.
#pragma once

#include <gtest/gtest.h>

#include <iostream>
#include <string>
#include <vector>

#include "core/dtype.h"
#include "cpu/backend.h"

namespace fa4::test {

struct KernelAndDtype {
  std::string kernel;
  Dtype dtype;
};

inline void PrintTo(const KernelAndDtype& p, std::ostream* stream) {
  *stream << p.kernel << " " << fa4::name_of(p.dtype);
}

inline std::string kernel_name(const testing::TestParamInfo<KernelAndDtype>& info) {
  return info.param.kernel + "_" + fa4::name_of(info.param.dtype);
}

// Every kernel that runs here with every type that it serves. Names the kernels that do not run.
inline std::vector<KernelAndDtype> kernels_here() {
  std::vector<KernelAndDtype> all;
  for (const KernelInfo& info : cpu::backend().kernels()) {
    if (!info.runs_here.ok()) {
      std::cerr << "skipped: " << info.runs_here.message << "\n";
      continue;
    }
    for (const Dtype dtype : {Dtype::Float32, Dtype::BFloat16, Dtype::Float16}) {
      Problem problem;
      problem.q.dtype = dtype;
      if (cpu::backend().supports(problem, Pass::Forward, info.name).ok()) {
        all.push_back({info.name, dtype});
      }
    }
  }
  return all;
}

}  // namespace fa4::test
