// SPDX-License-Identifier: Apache-2.0
// A random problem as a device's kernels take it: what a family does not serve is changed, the rest stays as it was drawn.
#pragma once

#include "random_case.h"

namespace fa4::cli {

// 16-bit types and, in the backward, head dims that are multiples of 8 up to 256. Where runs are repeated, gradients must
// have the same bits.
void fit_to_device(Case* item);

// Where Blackwell runs the case: most of the cases, and all where kernel sm100 was asked for by name, are made such that
// its kernel serves their forward. The others mostly run on the portable one.
void fit_to_blackwell(Case* item);

}  // namespace fa4::cli
