// SPDX-License-Identifier: Apache-2.0
// A status and its sentence, as they travel inside the library; api/ hands them to the caller.
#pragma once

#include <fmt/format.h>

#include <string>
#include <utility>

#include "fa4/fa4.h"

namespace fa4 {

struct [[nodiscard]] Status {
  fa4_status code = FA4_OK;
  std::string message;

  bool ok() const { return code == FA4_OK; }
};

template <class... Args>
Status invalid_argument(fmt::format_string<Args...> format, Args&&... args) {
  return {FA4_ERROR_INVALID_ARGUMENT, fmt::format(format, std::forward<Args>(args)...)};
}

template <class... Args>
Status unsupported(fmt::format_string<Args...> format, Args&&... args) {
  return {FA4_ERROR_UNSUPPORTED, fmt::format(format, std::forward<Args>(args)...)};
}

#define FA4_RETURN_IF_ERROR(expression)                                                  \
  do {                                                                                   \
    if (::fa4::Status fa4_status_ = (expression); !fa4_status_.ok()) return fa4_status_; \
  } while (false)

}  // namespace fa4
