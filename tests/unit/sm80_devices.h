// SPDX-License-Identifier: Apache-2.0
// Devices for the tests of the sm80 planners, and the parameters of what they launch.
#pragma once

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <cstring>

#include "plan/launch.h"

namespace fa4::plan {

constexpr int64_t kKb = 1024;

inline DeviceFacts device_of(int compute_capability, int64_t smem_kb, int num_sms = 132) {
  return {.arch = fmt::format("sm_{}", compute_capability),
          .compute_capability = compute_capability,
          .num_sms = num_sms,
          .smem_per_block_bytes = smem_kb * kKb,
          .smem_per_sm_bytes = (smem_kb + 1) * kKb,
          .l2_bytes = 40 * kKb * kKb};
}

inline DeviceFacts h200() { return device_of(90, 227); }

template <class Params>
Params params_of(const Launch& launch) {
  Params params;
  EXPECT_EQ(launch.params.size(), sizeof(params));
  std::memcpy(&params, launch.params.data(), sizeof(params));
  return params;
}

}  // namespace fa4::plan
