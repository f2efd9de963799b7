// SPDX-License-Identifier: Apache-2.0
// Which context a call works in: that of the stream; without a stream the caller's, if it is of the device;
// else the device's primary context. The caller's context is current again afterwards.
#pragma once

#include "device/driver.h"

namespace fa4::device {

class ContextScope {
 public:
  explicit ContextScope(const Driver& driver) : driver_(driver) {}
  ~ContextScope() {
    void* popped;
    if (pushed_) driver_.pop_context(&popped);
  }
  ContextScope(const ContextScope&) = delete;
  ContextScope& operator=(const ContextScope&) = delete;

  Status enter(int device, void* primary, void* stream) {
    if (is_handle(stream)) return enter_context_of(stream, device);
    if (is_current_on(device)) return {};
    return push(primary);
  }

 private:
  // Null and the legacy and per-thread default streams (1, 2) belong to whichever context is current.
  static bool is_handle(void* stream) { return reinterpret_cast<uintptr_t>(stream) > 2; }

  bool is_current_on(int device) const {
    void* context = nullptr;
    int current = -1;
    return driver_.current_context(&context) == 0 && context != nullptr &&
           driver_.context_device(&current) == 0 && current == device;
  }

  Status enter_context_of(void* stream, int device) {
    void *context = nullptr, *current = nullptr;
    FA4_RETURN_IF_ERROR(driver_.check(driver_.stream_context(stream, &context),
                                      "stream is no stream of the CUDA driver"));
    driver_.current_context(&current);
    if (context != current) FA4_RETURN_IF_ERROR(push(context));
    int of_stream = -1;
    FA4_RETURN_IF_ERROR(
        driver_.check(driver_.context_device(&of_stream), "the stream's device is unknown"));
    if (of_stream == device) return {};
    return invalid_argument("stream belongs to CUDA device {}, but the tensors are on device {}",
                            of_stream, device);
  }

  Status push(void* context) {
    FA4_RETURN_IF_ERROR(
        driver_.check(driver_.push_context(context), "the device's context cannot be entered"));
    pushed_ = true;
    return {};
  }

  const Driver& driver_;
  bool pushed_ = false;
};

}  // namespace fa4::device
