// SPDX-License-Identifier: Apache-2.0
// The tensor maps of the sm100 forward: abi/sm100_forward.h has their shapes.
#include <fmt/format.h>

#include "plan/sm100_forward.h"

namespace fa4::plan {
namespace {

constexpr int64_t kTmaAlignment = 16;
constexpr int64_t kTmaStrides = int64_t{1} << 40;  // bytes

uint32_t map_type(const RowsView& view) { return view.dtype == Dtype::BFloat16 ? 9 : 6; }

// An extent of 1 has no stride; what TMA is told must only be one that it takes.
uint64_t stride_bytes(int64_t extent, int64_t stride) {
  return static_cast<uint64_t>(extent > 1 ? stride * size_of(Dtype::BFloat16) : kTmaAlignment);
}

}  // namespace

Status tma_serves(const RowsView& view, const char* name, int64_t batch, int64_t rows,
                  int64_t heads) {
  if (view.alignment % kTmaAlignment != 0) {
    return unsupported("{} is aligned to {} bytes; TMA wants {}", name, view.alignment,
                       kTmaAlignment);
  }
  struct Dimension {
    const char* what;
    int64_t extent, stride;
  };
  for (const Dimension& d :
       {Dimension{"batch", batch, view.batch_stride}, Dimension{"row", rows, view.row_stride},
        Dimension{"head", heads, view.head_stride}}) {
    if (d.extent <= 1) continue;
    const int64_t bytes = d.stride * size_of(view.dtype);
    if (bytes > 0 && bytes % kTmaAlignment == 0 && bytes < kTmaStrides) continue;
    return unsupported("the {} stride of {} is {} bytes; TMA wants a multiple of {} from {} up",
                       d.what, name, bytes, kTmaAlignment, kTmaAlignment);
  }
  return {};
}

TensorMapSpec query_map(const Problem& problem, const RowsView& view, int64_t dim, u32 group,
                        size_t offset) {
  using namespace sm100::forward;
  const int64_t rows = problem.packed_q ? problem.total_q : problem.seq_q;
  const int64_t batch = problem.packed_q ? 1 : problem.batch;
  const int64_t groups = problem.heads / group;
  return {.offset = offset,
          .data_type = map_type(view),
          .address = view.data,
          .sizes = {static_cast<uint64_t>(dim), group, static_cast<uint64_t>(rows),
                    static_cast<uint64_t>(groups), static_cast<uint64_t>(batch)},
          .strides = {stride_bytes(group, view.head_stride), stride_bytes(rows, view.row_stride),
                      stride_bytes(groups, view.head_stride * group),
                      stride_bytes(batch, view.batch_stride)},
          .box = {kBoxColumns, group, kTileRows / group, 1, 1}};
}

TensorMapSpec key_map(const Problem& problem, const RowsView& view, int64_t dim, size_t offset) {
  using namespace sm100::forward;
  const int64_t rows = problem.packed_k ? problem.total_k : problem.seq_k;
  const int64_t batch = problem.packed_k ? 1 : problem.batch;
  return {.offset = offset,
          .data_type = map_type(view),
          .address = view.data,
          .sizes = {static_cast<uint64_t>(dim), static_cast<uint64_t>(rows),
                    static_cast<uint64_t>(problem.kv_heads), static_cast<uint64_t>(batch)},
          .strides = {stride_bytes(rows, view.row_stride),
                      stride_bytes(problem.kv_heads, view.head_stride),
                      stride_bytes(batch, view.batch_stride)},
          .box = {kBoxColumns, kBlockKeys, 1, 1}};
}

}  // namespace fa4::plan
