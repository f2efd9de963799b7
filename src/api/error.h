// SPDX-License-Identifier: Apache-2.0
// The border to C: a status becomes a code and a sentence of this thread, and no exception gets out.
#pragma once

#include <exception>
#include <new>
#include <string_view>

#include "core/status.h"

namespace fa4::api {

// Keeps the sentence for fa4_last_error; one of more than 4 kB is cut.
void set_last_error(std::string_view sentence) noexcept;

// Runs the body of a public function, which returns a Status.
template <class Body>
fa4_status guarded(Body&& body) noexcept {
  try {
    const Status status = body();
    if (!status.ok()) set_last_error(status.message);
    return status.code;
  } catch (const std::bad_alloc&) {
    set_last_error("out of host memory");
    return FA4_ERROR_OUT_OF_MEMORY;
  } catch (const std::exception& exception) {
    set_last_error(exception.what());
    return FA4_ERROR_INTERNAL;
  } catch (...) {
    set_last_error("an exception without a sentence");
    return FA4_ERROR_INTERNAL;
  }
}

}  // namespace fa4::api
