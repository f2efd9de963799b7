// SPDX-License-Identifier: Apache-2.0
// fa4_combine: checks; the sum itself is plain double-precision code beside the reference.
#include <vector>

#include "api/error.h"
#include "api/options.h"
#include "api/overlap.h"
#include "api/structs.h"
#include "api/tensors.h"
#include "reference/backend.h"

namespace fa4::api {
namespace {

struct Layouts {
  const char *out_partial, *lse_partial, *out, *lse;
};
constexpr Layouts kDense{"[splits,B,Sq,H,Dv]", "[splits,B,H,Sq]", "[B,Sq,H,Dv]", "[B,H,Sq]"};
constexpr Layouts kPacked{"[splits,total_q,H,Dv]", "[splits,H,total_q]", "[total_q,H,Dv]",
                          "[H,total_q]"};

struct Sizes {
  int64_t splits, batch, rows, heads, value_dim;
};

struct Combination {
  bool packed = false;
  Sizes sizes{};
  Tensor out_partial, lse_partial, out, lse;
  bool has_lse = false;
};

Status read_partials(const fa4_combine_tensors& known, const Layouts& layouts,
                     Combination* result) {
  Tensor& out = result->out_partial;
  FA4_RETURN_IF_ERROR(read_tensor(
      known.out_partial, {.name = "out_partial", .layout = layouts.out_partial}, Use::Run, &out));
  FA4_RETURN_IF_ERROR(require_dtype(out, {Dtype::Float32, Dtype::BFloat16, Dtype::Float16}));
  const auto& s = out.shape;
  result->sizes =
      result->packed ? Sizes{s[0], 1, s[1], s[2], s[3]} : Sizes{s[0], s[1], s[2], s[3], s[4]};
  const Sizes& sizes = result->sizes;
  if (sizes.splits < 1)
    return invalid_argument("out_partial has 0 splits; it must have at least 1");
  Tensor& lse = result->lse_partial;
  FA4_RETURN_IF_ERROR(read_tensor(
      known.lse_partial, {.name = "lse_partial", .layout = layouts.lse_partial}, Use::Run, &lse));
  FA4_RETURN_IF_ERROR(require_dtype(lse, {Dtype::Float32}));
  if (result->packed)
    return require_shape(lse, {sizes.splits, sizes.heads, sizes.rows}, layouts.lse_partial);
  return require_shape(lse, {sizes.splits, sizes.batch, sizes.heads, sizes.rows},
                       layouts.lse_partial);
}

Status read_results(const fa4_combine_tensors& known, const Layouts& layouts, Combination* result) {
  const Sizes& sizes = result->sizes;
  FA4_RETURN_IF_ERROR(
      read_tensor(known.out, {.name = "out", .layout = layouts.out}, Use::Run, &result->out));
  FA4_RETURN_IF_ERROR(require_dtype(result->out, {Dtype::Float32, result->out_partial.dtype}));
  FA4_RETURN_IF_ERROR(
      result->packed
          ? require_shape(result->out, {sizes.rows, sizes.heads, sizes.value_dim}, layouts.out)
          : require_shape(result->out, {sizes.batch, sizes.rows, sizes.heads, sizes.value_dim},
                          layouts.out));
  result->has_lse = known.lse != nullptr;
  if (!result->has_lse) return {};
  FA4_RETURN_IF_ERROR(
      read_tensor(known.lse, {.name = "lse", .layout = layouts.lse}, Use::Run, &result->lse));
  FA4_RETURN_IF_ERROR(require_dtype(result->lse, {Dtype::Float32}));
  if (result->packed) return require_shape(result->lse, {sizes.heads, sizes.rows}, layouts.lse);
  return require_shape(result->lse, {sizes.batch, sizes.heads, sizes.rows}, layouts.lse);
}

Status check_combination(const fa4_combine_tensors* source, Combination* result) {
  fa4_combine_tensors known;
  FA4_RETURN_IF_ERROR(read_struct(source, "tensors", &known));
  Place place;
  FA4_RETURN_IF_ERROR(check_devices({{"out_partial", known.out_partial},
                                     {"lse_partial", known.lse_partial},
                                     {"out", known.out},
                                     {"lse", known.lse}},
                                    &place));
  if (place.kind != Place::Kind::Host) {
    return unsupported("out_partial is on {}; fa4_combine serves host memory", text_of(place));
  }
  result->packed = known.out_partial != nullptr && known.out_partial->ndim == 4;
  const Layouts& layouts = result->packed ? kPacked : kDense;
  FA4_RETURN_IF_ERROR(read_partials(known, layouts, result));
  FA4_RETURN_IF_ERROR(read_results(known, layouts, result));
  std::vector<Tensor> outputs{result->out};
  if (result->has_lse) outputs.push_back(result->lse);
  return check_outputs(outputs, std::vector<Tensor>{result->out_partial, result->lse_partial});
}

void combine(const Combination& combination) {
  const int batch = combination.packed ? -1 : 1;  // of the partials, behind the splits
  const int next = combination.packed ? 1 : 2;
  const reference::PartialResults partial{
      .out = rows_view(combination.out_partial, batch, next, next + 1),
      .lse = lse_view(combination.lse_partial, batch, next, next + 1),
      .out_split_stride = combination.out_partial.strides[0],
      .lse_split_stride = combination.lse_partial.strides[0],
      .splits = combination.sizes.splits};
  ForwardTensors result;
  result.out = rows_view(combination.out, batch - (batch > 0), next - 1, next);
  result.has_lse = combination.has_lse;
  if (result.has_lse) result.lse = lse_view(combination.lse, batch - (batch > 0), next - 1, next);
  reference::combine(partial, result, combination.sizes.batch, combination.sizes.rows,
                     combination.sizes.heads, combination.sizes.value_dim);
}

}  // namespace
}  // namespace fa4::api

extern "C" fa4_status fa4_combine(const fa4_combine_tensors* tensors, void* stream) {
  return fa4::api::guarded([&]() -> fa4::Status {
    FA4_RETURN_IF_ERROR(fa4::api::check_stream(stream, {}));
    fa4::api::Combination combination;
    FA4_RETURN_IF_ERROR(fa4::api::check_combination(tensors, &combination));
    fa4::api::combine(combination);
    return {};
  });
}
