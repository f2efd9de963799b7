// SPDX-License-Identifier: Apache-2.0
// How a verb ends early: a sentence and an exit code, thrown and caught in main.cc.
#pragma once

#include <fmt/format.h>

#include <stdexcept>
#include <string>
#include <utility>

#include "fa4/fa4.h"

namespace fa4::cli {

enum class Exit { Right = 0, CheckFailed = 1, BadInput = 2, Refused = 3, Internal = 4 };

class Failure : public std::runtime_error {
 public:
  Failure(Exit exit, const std::string& sentence) : std::runtime_error(sentence), exit_(exit) {}
  Exit exit() const { return exit_; }

 private:
  Exit exit_;
};

template <class... Args>
[[noreturn]] void fail(Exit exit, fmt::format_string<Args...> format, Args&&... args) {
  throw Failure(exit, fmt::format(format, std::forward<Args>(args)...));
}

template <class... Args>
[[noreturn]] void bad_input(fmt::format_string<Args...> format, Args&&... args) {
  throw Failure(Exit::BadInput, fmt::format(format, std::forward<Args>(args)...));
}

// A library status other than FA4_OK becomes a Failure with the library's sentence.
inline void check(fa4_status status) {
  if (status == FA4_OK) return;
  const Exit exit = status == FA4_ERROR_INVALID_ARGUMENT ? Exit::BadInput
                    : status == FA4_ERROR_UNSUPPORTED    ? Exit::Refused
                                                         : Exit::Internal;
  throw Failure(exit, fa4_last_error());
}

// Text from a file as it may be printed: control characters and quotes escaped, long text cut.
std::string printable(const std::string& text);

}  // namespace fa4::cli
