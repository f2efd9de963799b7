// SPDX-License-Identifier: Apache-2.0
// The backends of this version, in order of preference.
#pragma once

#include <span>

#include "plan/plan.h"

namespace fa4::api {

std::span<const plan::Candidate> backends();

}  // namespace fa4::api
