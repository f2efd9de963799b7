// SPDX-License-Identifier: Apache-2.0
// The problem as kernels are launched with it, and words that all families' names and texts have in common.
#pragma once

#include "abi/attention.h"
#include "abi/sm80_forward.h"
#include "abi/tiles.h"
#include "core/problem.h"
#include "plan/launch.h"

namespace fa4::plan {

RowsParam rows_param(const RowsView& view);
LseParam lse_param(const LseView& view);
SinkParam sink_param(const VectorView& view);
ProblemParams problem_params(const Problem& problem);
ElementType element_of(const Problem& problem);

const char* element_name(ElementType element);  // "bf16"
const char* element_text(ElementType element);  // "fa4::ElementType::BFloat16"
const char* scores_text(Scores scores);         // "fa4::Scores::Plain"

// What is done to the scores before the softmax, and the two factors that follow (the second without log2(e)).
Scores scores_of(const Problem& problem);
struct ScoreScales {
  double score, exponent;
};
ScoreScales scales_of(const Problem& problem);

// As many K/V streams as fill half of the L2, so that what runs at the same time finds them there.
uint32_t streams_per_group(const Problem& problem, const DeviceFacts& device, uint32_t streams);

// Whether rows of `dim` elements take 16-byte stores: outputs may lie anywhere.
bool takes_vectors(const RowsView& view, int64_t dim);

// The widest copy (16, 8 or 4 bytes by cp.async, 2 through registers) that a tensor's alignment, strides and dim allow.
uint32_t copy_bytes(const RowsView& view, int64_t dim);

// Of family sm80, for both passes: 16-bit types, dims up to 512, lengths that fit the kernels' indices.
Status supports_sizes(const Problem& problem);

}  // namespace fa4::plan
