// SPDX-License-Identifier: Apache-2.0
// Tensor maps for a caller. Tested in tests/emu/host_test.cc.
#include "emu/machine/tensor_map.h"

#include "emu/host/error.h"

namespace fa4::emu::host {
namespace {

TensorMap tensor_map_of(const fa4emu_tensor_map& given) {
  TensorMap map;
  map.type = given.data_type;
  map.rank = given.rank;
  map.address = reinterpret_cast<uint64_t>(given.address);
  map.interleave = given.interleave;
  map.swizzle = given.swizzle;
  map.l2_promotion = given.l2_promotion;
  map.fill = given.fill;
  if (given.rank > kMostTensorRank) return map;  // which is refused
  if (given.rank != 0 && (given.sizes == nullptr || given.box == nullptr)) {
    bad_argument("tensor.sizes and tensor.box must not be null");
  }
  if (given.rank > 1 && given.strides == nullptr) {
    bad_argument("tensor.strides is null; a tensor of rank {} has {}", given.rank, given.rank - 1);
  }
  for (uint32_t d = 0; d < given.rank; ++d) {
    map.sizes[d] = given.sizes[d];
    map.box[d] = given.box[d];
    map.steps[d] = given.element_strides == nullptr ? 1 : given.element_strides[d];
    if (d != 0) map.strides[d] = given.strides[d - 1];
  }
  return map;
}

}  // namespace
}  // namespace fa4::emu::host

extern "C" fa4emu_status fa4emu_encode_tensor_map(const fa4emu_tensor_map* tensor, void* bytes) {
  namespace host = fa4::emu::host;
  return host::guarded([&] {
    const fa4emu_tensor_map known = host::read_struct(tensor, "tensor");
    if (bytes == nullptr) host::bad_argument("bytes is null; a tensor map has 128");
    const std::string why =
        fa4::emu::encode_tensor_map(host::tensor_map_of(known), static_cast<std::byte*>(bytes));
    if (!why.empty()) throw fa4::emu::MachineError("tensor map: " + why);
  });
}
