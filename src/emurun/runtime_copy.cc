// SPDX-License-Identifier: Apache-2.0
// Copies and fills: of lines, of planes, of symbols.
#include "emurun/base.h"
#include "emurun/memory.h"
#include "emurun/module.h"
#include "emurun/stream.h"

namespace fa4::emurun {
namespace {

struct PitchedPointer3D {  // cudaPitchedPtr
  char* base;
  size_t pitch, width, height;
};

struct Position {  // cudaPos, cudaExtent: bytes, rows, slices
  size_t x, y, z;
};

struct Copy3D {  // cudaMemcpy3DParms
  void* source_array;
  Position source_at;
  PitchedPointer3D source;
  void* target_array;
  Position target_at;
  PitchedPointer3D target;
  Position extent;
  int kind;
};

struct Plane {
  void* to;
  size_t to_pitch;
  const void* from;
  size_t from_pitch;
  size_t width, height;
  int kind;
};

void copy_plane(const Plane& plane, const char* self) {
  if (plane.height != 0 && (plane.width > plane.to_pitch || plane.width > plane.from_pitch)) {
    fail(static_cast<Status>(12), "{}: rows of {} bytes, {} and {} bytes apart", self, plane.width,
         plane.to_pitch, plane.from_pitch);
  }
  for (size_t row = 0; row < plane.height; ++row) {
    copy(static_cast<char*>(plane.to) + row * plane.to_pitch,
         static_cast<const char*>(plane.from) + row * plane.from_pitch, plane.width, plane.kind,
         self);
  }
}

void copy_volume(const Copy3D& given, const char* self) {
  if (given.source_array != nullptr || given.target_array != nullptr) {
    fail(kNotSupported, "{}: CUDA arrays are not served", self);
  }
  for (size_t slice = 0; slice < given.extent.z; ++slice) {
    const auto at = [slice](const PitchedPointer3D& pointer, const Position& position) {
      return pointer.base + ((position.z + slice) * pointer.height + position.y) * pointer.pitch +
             position.x;
    };
    copy_plane(
        {at(given.target, given.target_at), given.target.pitch, at(given.source, given.source_at),
         given.source.pitch, given.extent.x, given.extent.y, given.kind},
        self);
  }
}

void* place_in(const void* symbol, size_t bytes, size_t offset, const char* self) {
  const VariablePlace place = variable_of(symbol, self);
  if (offset > place.bytes || bytes > place.bytes - offset) {
    fail(kInvalidValue, "{}: {} bytes at {} of a variable that has {}", self, bytes, offset,
         place.bytes);
  }
  return static_cast<char*>(place.address) + offset;
}

}  // namespace
}  // namespace fa4::emurun

using namespace fa4::emurun;  // NOLINT

FA4_CUDA Status cudaMemcpy(void* to, const void* from, size_t bytes, int kind) {
  return runtime_call(__func__, [&](const char* self) { copy(to, from, bytes, kind, self); });
}
FA4_CUDA_ALSO(cudaMemcpy, cudaMemcpy_ptds);

FA4_CUDA Status cudaMemcpyAsync(void* to, const void* from, size_t bytes, int kind, void* stream) {
  return runtime_call(__func__, [&](const char* self) {
    enqueue(stream, self, [=] { copy(to, from, bytes, kind, self); });
  });
}
FA4_CUDA_ALSO(cudaMemcpyAsync, cudaMemcpyAsync_ptsz);

FA4_CUDA Status cudaMemcpyPeer(void* to, int /*to_device*/, const void* from, int /*from_device*/,
                               size_t bytes) {
  return runtime_call(__func__,
                      [&](const char* self) { copy(to, from, bytes, kDeviceToDevice, self); });
}

FA4_CUDA Status cudaMemcpyPeerAsync(void* to, int /*to_device*/, const void* from,
                                    int /*from_device*/, size_t bytes, void* stream) {
  return runtime_call(__func__, [&](const char* self) {
    enqueue(stream, self, [=] { copy(to, from, bytes, kDeviceToDevice, self); });
  });
}

FA4_CUDA Status cudaMemcpy2D(void* to, size_t to_pitch, const void* from, size_t from_pitch,
                             size_t width, size_t height, int kind) {
  return runtime_call(__func__, [&](const char* self) {
    copy_plane({to, to_pitch, from, from_pitch, width, height, kind}, self);
  });
}
FA4_CUDA_ALSO(cudaMemcpy2D, cudaMemcpy2D_ptds);

FA4_CUDA Status cudaMemcpy2DAsync(void* to, size_t to_pitch, const void* from, size_t from_pitch,
                                  size_t width, size_t height, int kind, void* stream) {
  return runtime_call(__func__, [&](const char* self) {
    const Plane plane = {to, to_pitch, from, from_pitch, width, height, kind};
    enqueue(stream, self, [=] { copy_plane(plane, self); });
  });
}
FA4_CUDA_ALSO(cudaMemcpy2DAsync, cudaMemcpy2DAsync_ptsz);

FA4_CUDA Status cudaMemcpy3D(const Copy3D* given) {
  return runtime_call(__func__,
                      [&](const char* self) { copy_volume(checked(given, self, "p"), self); });
}
FA4_CUDA_ALSO(cudaMemcpy3D, cudaMemcpy3D_ptds);

FA4_CUDA Status cudaMemcpy3DAsync(const Copy3D* given, void* stream) {
  return runtime_call(__func__, [&](const char* self) {
    const Copy3D known = checked(given, self, "p");
    enqueue(stream, self, [=] { copy_volume(known, self); });
  });
}
FA4_CUDA_ALSO(cudaMemcpy3DAsync, cudaMemcpy3DAsync_ptsz);

FA4_CUDA Status cudaMemcpyToSymbol(const void* symbol, const void* from, size_t bytes,
                                   size_t offset, int kind) {
  return runtime_call(__func__, [&](const char* self) {
    copy(place_in(symbol, bytes, offset, self), from, bytes, kind, self);
  });
}
FA4_CUDA_ALSO(cudaMemcpyToSymbol, cudaMemcpyToSymbol_ptds);

FA4_CUDA Status cudaMemcpyToSymbolAsync(const void* symbol, const void* from, size_t bytes,
                                        size_t offset, int kind, void* stream) {
  return runtime_call(__func__, [&](const char* self) {
    void* const to = place_in(symbol, bytes, offset, self);
    enqueue(stream, self, [=] { copy(to, from, bytes, kind, self); });
  });
}
FA4_CUDA_ALSO(cudaMemcpyToSymbolAsync, cudaMemcpyToSymbolAsync_ptsz);

FA4_CUDA Status cudaMemcpyFromSymbol(void* to, const void* symbol, size_t bytes, size_t offset,
                                     int kind) {
  return runtime_call(__func__, [&](const char* self) {
    copy(to, place_in(symbol, bytes, offset, self), bytes, kind, self);
  });
}
FA4_CUDA_ALSO(cudaMemcpyFromSymbol, cudaMemcpyFromSymbol_ptds);

FA4_CUDA Status cudaMemcpyFromSymbolAsync(void* to, const void* symbol, size_t bytes, size_t offset,
                                          int kind, void* stream) {
  return runtime_call(__func__, [&](const char* self) {
    const void* const from = place_in(symbol, bytes, offset, self);
    enqueue(stream, self, [=] { copy(to, from, bytes, kind, self); });
  });
}
FA4_CUDA_ALSO(cudaMemcpyFromSymbolAsync, cudaMemcpyFromSymbolAsync_ptsz);

FA4_CUDA Status cudaMemset(void* to, int value, size_t bytes) {
  return runtime_call(
      __func__, [&](const char* self) { fill(to, static_cast<uint8_t>(value), 1, bytes, self); });
}
FA4_CUDA_ALSO(cudaMemset, cudaMemset_ptds);

FA4_CUDA Status cudaMemsetAsync(void* to, int value, size_t bytes, void* stream) {
  return runtime_call(__func__, [&](const char* self) {
    enqueue(stream, self, [=] { fill(to, static_cast<uint8_t>(value), 1, bytes, self); });
  });
}
FA4_CUDA_ALSO(cudaMemsetAsync, cudaMemsetAsync_ptsz);

FA4_CUDA Status cudaMemset2DAsync(void* to, size_t pitch, int value, size_t width, size_t height,
                                  void* stream) {
  return runtime_call(__func__, [&](const char* self) {
    enqueue(stream, self, [=] {
      for (size_t row = 0; row < height; ++row) {
        fill(static_cast<char*>(to) + row * pitch, static_cast<uint8_t>(value), 1, width, self);
      }
    });
  });
}
FA4_CUDA_ALSO(cudaMemset2DAsync, cudaMemset2DAsync_ptsz);

FA4_CUDA Status cudaMemset2D(void* to, size_t pitch, int value, size_t width, size_t height) {
  return cudaMemset2DAsync(to, pitch, value, width, height, nullptr);
}
FA4_CUDA_ALSO(cudaMemset2D, cudaMemset2D_ptds);

FA4_CUDA Status cudaMemset3DAsync(PitchedPointer3D to, int value, Position extent, void* stream) {
  return runtime_call(__func__, [&](const char* self) {
    enqueue(stream, self, [=] {
      for (size_t row = 0; row < extent.y * extent.z; ++row) {
        const size_t line = row / extent.y * to.height + row % extent.y;
        fill(to.base + line * to.pitch, static_cast<uint8_t>(value), 1, extent.x, self);
      }
    });
  });
}
FA4_CUDA_ALSO(cudaMemset3DAsync, cudaMemset3DAsync_ptsz);

FA4_CUDA Status cudaMemset3D(PitchedPointer3D to, int value, Position extent) {
  return cudaMemset3DAsync(to, value, extent, nullptr);
}
FA4_CUDA_ALSO(cudaMemset3D, cudaMemset3D_ptds);
