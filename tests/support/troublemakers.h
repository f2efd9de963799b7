// SPDX-License-Identifier: Apache-2.0
// Lists of cases that have broken attention kernels, here or elsewhere. Each list is small enough to run
// for every kernel and element type.
#pragma once

#include <vector>

#include "support/case.h"

namespace fa4::test {

// One row, one less and one more than a tile, lonely rows, odd head dims, all group sizes.
std::vector<Case> troublesome_shapes(Dtype dtype);

// Masks, softcap, scale, sinks, dlse, packed and shortened and empty sequences, pages, strides.
std::vector<Case> troublesome_features(Dtype dtype);

// Every Input, with tiles enough for the maximum to move.
std::vector<Case> structured_inputs(Dtype dtype);

}  // namespace fa4::test
