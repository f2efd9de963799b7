// SPDX-License-Identifier: Apache-2.0
// Backend "cpu": attention with Highway SIMD and OpenMP. See README.md of this folder.
#pragma once

#include "core/backend.h"

namespace fa4::cpu {

const Backend& backend();

}  // namespace fa4::cpu
