// SPDX-License-Identifier: Apache-2.0
// The functions of libcudart 12.8 and 13.0 and of libcuda 13.0 that are not served: a program that calls one is told so and gets
// an error code, and one that has them bound when it starts can start. tests/emurun holds the lists against the libraries'.
#include "emurun/not_served.h"

#include <set>

#include "emurun/base.h"

namespace fa4::emurun {
namespace {

Status without(const char* name) {
  return runtime_call(
      name, [](const char* self) { fail(kNotSupported, "{} is called, and is not served", self); });
}

#define FA4_NAME(name) #name,
constexpr const char* kNames[] = {
#include "emurun/not_served_driver.inc"
#include "emurun/not_served_runtime.inc"
};
#undef FA4_NAME

}  // namespace

bool is_not_served(const std::string& name) {
  static const auto* const names = new std::set<std::string>(std::begin(kNames), std::end(kNames));
  return names->count(name) != 0;
}

}  // namespace fa4::emurun

#define FA4_NAME(name) \
  FA4_CUDA fa4::emurun::Status name() { return fa4::emurun::without(#name); }
#include "emurun/not_served_driver.inc"
#include "emurun/not_served_runtime.inc"
