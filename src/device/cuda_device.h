// SPDX-License-Identifier: Apache-2.0
// GPUs through the CUDA driver. Nothing is opened before the first question.
#pragma once

#include "device/device.h"

namespace fa4::device {

const Devices& cuda_devices();

}  // namespace fa4::device
