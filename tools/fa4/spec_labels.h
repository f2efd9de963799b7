// SPDX-License-Identifier: Apache-2.0
// The labels of a SPEC.json: what the kernel calls its warps, shared memory and tensor memory.
#pragma once

#include "fa4/emu.hpp"
#include "json.h"

namespace fa4::cli {

// Adds {"warps": {"0-3": "Load"}, "shared": {"full": [offset, bytes, count]}, "tensor": {"S": [column, columns, count]}}.
// Throws Failure with exit code 2.
void read_labels(const Json& item, MachineLabels* labels);

}  // namespace fa4::cli
