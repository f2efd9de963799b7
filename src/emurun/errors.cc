// SPDX-License-Identifier: Apache-2.0
#include "emurun/errors.h"

namespace fa4::emurun {
namespace {

constexpr ErrorText kErrors[] = {
    {0, "cudaSuccess", "CUDA_SUCCESS", "no error"},
    {1, "cudaErrorInvalidValue", "CUDA_ERROR_INVALID_VALUE", "invalid argument"},
    {2, "cudaErrorMemoryAllocation", "CUDA_ERROR_OUT_OF_MEMORY", "out of memory"},
    {3, "cudaErrorInitializationError", "CUDA_ERROR_NOT_INITIALIZED", "initialization error"},
    {9, "cudaErrorInvalidConfiguration", nullptr, "invalid configuration argument"},
    {12, "cudaErrorInvalidPitchValue", nullptr, "invalid pitch argument"},
    {13, "cudaErrorInvalidSymbol", nullptr, "invalid device symbol"},
    {21, "cudaErrorInvalidMemcpyDirection", nullptr, "invalid copy direction for memcpy"},
    {52, "cudaErrorMissingConfiguration", nullptr, "a launch without its configuration"},
    {98, "cudaErrorInvalidDeviceFunction", nullptr, "invalid device function"},
    {100, "cudaErrorNoDevice", "CUDA_ERROR_NO_DEVICE", "no device"},
    {101, "cudaErrorInvalidDevice", "CUDA_ERROR_INVALID_DEVICE", "invalid device ordinal"},
    {200, "cudaErrorInvalidKernelImage", "CUDA_ERROR_INVALID_IMAGE", "invalid kernel image"},
    {201, "cudaErrorDeviceUninitialized", "CUDA_ERROR_INVALID_CONTEXT", "invalid context"},
    {209, "cudaErrorNoKernelImageForDevice", "CUDA_ERROR_NO_BINARY_FOR_GPU",
     "no kernel image for this device"},
    {215, "cudaErrorUnsupportedLimit", "CUDA_ERROR_UNSUPPORTED_LIMIT", "unsupported limit"},
    {217, "cudaErrorPeerAccessUnsupported", "CUDA_ERROR_PEER_ACCESS_UNSUPPORTED",
     "no access between these devices"},
    {218, "cudaErrorInvalidPtx", "CUDA_ERROR_INVALID_PTX", "the PTX was refused"},
    {301, "cudaErrorFileNotFound", "CUDA_ERROR_FILE_NOT_FOUND", "file not found"},
    {400, "cudaErrorInvalidResourceHandle", "CUDA_ERROR_INVALID_HANDLE", "invalid handle"},
    {500, "cudaErrorSymbolNotFound", "CUDA_ERROR_NOT_FOUND", "a name was not found"},
    {600, "cudaErrorNotReady", "CUDA_ERROR_NOT_READY", "not ready"},
    {712, "cudaErrorHostMemoryAlreadyRegistered", "CUDA_ERROR_HOST_MEMORY_ALREADY_REGISTERED",
     "host memory is registered already"},
    {713, "cudaErrorHostMemoryNotRegistered", "CUDA_ERROR_HOST_MEMORY_NOT_REGISTERED",
     "host memory is not registered"},
    {719, "cudaErrorLaunchFailure", "CUDA_ERROR_LAUNCH_FAILED",
     "the PTX machine refused or stopped the launch"},
    {801, "cudaErrorNotSupported", "CUDA_ERROR_NOT_SUPPORTED", "not served by the PTX machine"},
    {903, "cudaErrorStreamCaptureUnmatched", "CUDA_ERROR_STREAM_CAPTURE_UNMATCHED",
     "a capture that did not begin in this stream"},
    {912, "cudaErrorInvalidClusterSize", "CUDA_ERROR_INVALID_CLUSTER_SIZE", "invalid cluster size"},
    {999, "cudaErrorUnknown", "CUDA_ERROR_UNKNOWN", "unknown error"},
};

}  // namespace

const ErrorText* error_text(int code) {
  for (const ErrorText& text : kErrors) {
    if (text.code == code) return &text;
  }
  return nullptr;
}

}  // namespace fa4::emurun

using namespace fa4::emurun;  // NOLINT

FA4_CUDA Status cudaGetLastError() { return std::exchange(last_error(), kSuccess); }
FA4_CUDA Status cudaPeekAtLastError() { return last_error(); }

FA4_CUDA const char* cudaGetErrorName(int code) {
  const ErrorText* text = error_text(code);
  return text == nullptr ? "unrecognized error code" : text->runtime_name;
}

FA4_CUDA const char* cudaGetErrorString(int code) {
  const ErrorText* text = error_text(code);
  return text == nullptr ? "unrecognized error code" : text->sentence;
}

FA4_CUDA Status cuGetErrorName(int code, const char** name) {
  const ErrorText* text = error_text(code);
  *name = text == nullptr ? nullptr : text->driver_name;
  return *name == nullptr ? kInvalidValue : kSuccess;
}

FA4_CUDA Status cuGetErrorString(int code, const char** sentence) {
  const ErrorText* text = error_text(code);
  *sentence = text == nullptr ? nullptr : text->sentence;
  return text == nullptr ? kInvalidValue : kSuccess;
}
