// SPDX-License-Identifier: Apache-2.0
// What every file of this room uses: status codes, the border to C, sentences on stderr, and what `emurun` has set.
#pragma once

#include <fmt/format.h>

#include <cstdint>
#include <mutex>
#include <new>
#include <string>
#include <type_traits>
#include <utility>

// A function that programs call by its CUDA name.
#define FA4_CUDA extern "C" __attribute__((visibility("default")))
// The same function under the name that -default-stream per-thread asks for: all streams are one here.
#define FA4_CUDA_ALSO(name, other) FA4_CUDA __typeof__(name) other __attribute__((alias(#name)))

namespace fa4::emurun {

// cudaError_t and CUresult: one numbering, so that one value serves both.
enum Status : int {
  kSuccess = 0,
  kInvalidValue = 1,
  kOutOfMemory = 2,
  kInvalidConfiguration = 9,
  kInvalidSymbol = 13,
  kInvalidDirection = 21,
  kInvalidDeviceFunction = 98,
  kInvalidDevice = 101,
  kInvalidImage = 200,
  kNoImageForDevice = 209,
  kUnsupportedLimit = 215,
  kPeerAccessUnsupported = 217,
  kInvalidPtx = 218,
  kFileNotFound = 301,
  kInvalidHandle = 400,
  kNotFound = 500,
  kNotReady = 600,
  kAlreadyRegistered = 712,
  kNotRegistered = 713,
  kLaunchFailure = 719,
  kNotSupported = 801,
  kCaptureUnmatched = 903,
  kInvalidClusterSize = 912,
  kUnknown = 999,
};

struct Failure {
  Status status;
};

// "emurun: SENTENCE" on stderr; the same sentence is said once.
void say(const std::string& sentence);

template <class... Args>
[[noreturn]] void fail(Status status, fmt::format_string<Args...> format, Args&&... args) {
  say(fmt::format(format, std::forward<Args>(args)...));
  throw Failure{status};
}

// One call at a time, whatever the number of the program's threads: a machine is used by one.
std::recursive_mutex& call_lock();

Status& last_error();  // of this thread, as cudaGetLastError gives it

// The body of a driver function, which is handed its own name for its sentences.
template <class Body>
Status driver_call(const char* self, Body&& body) noexcept {
  try {
    const std::lock_guard<std::recursive_mutex> lock(call_lock());
    if constexpr (std::is_same_v<decltype(body(self)), Status>) {
      return body(self);
    } else {
      body(self);
      return kSuccess;
    }
  } catch (const Failure& failure) {
    return failure.status;
  } catch (const std::bad_alloc&) {
    return kOutOfMemory;
  } catch (const std::exception& error) {
    say(error.what());
    return kUnknown;
  }
}

// The body of a runtime function.
template <class Body>
Status runtime_call(const char* self, Body&& body) noexcept {
  const Status status = driver_call(self, std::forward<Body>(body));
  if (status != kSuccess) last_error() = status;
  return status;
}

template <class T>
T& checked(T* pointer, const char* function, const char* argument) {
  if (pointer == nullptr) fail(kInvalidValue, "{}: {} is null", function, argument);
  return *pointer;
}

// What the command line of emurun says, handed over in the environment.
struct Settings {
  std::string policy = "eager", numerics = "exact";
  uint64_t seed = 0;
  uint32_t arch = 90;
  uint32_t threads = 0;
  std::string ptx;     // a file or a folder; empty: none
  std::string report;  // a file to which every launch's report is appended; empty: none
};
const Settings& settings();

// What the command reads when the program has ended.
void count_launch();
void count_errors(uint64_t errors);

}  // namespace fa4::emurun
