// SPDX-License-Identifier: Apache-2.0
// Devices that are the PTX machine of libfa4emu, which is opened when one of them loads its first kernel. Their memory is
// the host's.
#pragma once

#include <string>

#include "device/device.h"
#include "device/models.h"

namespace fa4::device {

// The one device of an architecture; lives as long as the process.
const Devices& emulated_devices(const Model& model);

// The library's file, or the reason why it cannot be opened.
Status find_machine(std::string* path);

}  // namespace fa4::device
