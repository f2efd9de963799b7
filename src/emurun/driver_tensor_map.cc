// SPDX-License-Identifier: Apache-2.0
// Tensor maps. Their bytes are the machine's own.
#include "emurun/base.h"
#include "emurun/device.h"
#include "fa4/emu.h"

using namespace fa4::emurun;  // NOLINT

FA4_CUDA Status cuTensorMapEncodeTiled(void* map, int type, uint32_t rank, void* address,
                                       const uint64_t* sizes, const uint64_t* strides,
                                       const uint32_t* box, const uint32_t* element_strides,
                                       int interleave, int swizzle, int l2_promotion, int fill) {
  return driver_call(__func__, [&](const char* self) {
    if (device().arch < 90) {
      fail(kNotSupported, "{}: sm_{} has no tensor maps", self, device().arch);
    }
    fa4emu_tensor_map tensor = {};
    tensor.struct_size = sizeof(tensor);
    tensor.data_type = static_cast<uint32_t>(type);
    tensor.rank = rank;
    tensor.address = address;
    tensor.sizes = sizes;
    tensor.strides = strides;
    tensor.box = box;
    tensor.element_strides = element_strides;
    tensor.interleave = static_cast<uint32_t>(interleave);
    tensor.swizzle = static_cast<uint32_t>(swizzle);
    tensor.l2_promotion = static_cast<uint32_t>(l2_promotion);
    tensor.fill = static_cast<uint32_t>(fill);
    if (fa4emu_encode_tensor_map(&tensor, map) != FA4EMU_OK) {
      fail(kInvalidValue, "{}: {}", self, fa4emu_last_error());
    }
  });
}
