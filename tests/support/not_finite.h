// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <limits>

namespace fa4::test {

inline constexpr double kInfinity = std::numeric_limits<double>::infinity();
inline constexpr double kNan = std::numeric_limits<double>::quiet_NaN();

}  // namespace fa4::test
