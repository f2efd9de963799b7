// SPDX-License-Identifier: Apache-2.0
// What cp.reduce.async.bulk does to one element after another of its destination.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

#include "emu/machine/tensor_box.h"

namespace fa4::emu::isa {

// "add", "min", "max", "inc", "dec", "and", "or", "xor"; null: the type has no such operation.
BulkReduce bulk_reduce_of(std::string_view op, MapType type);

}  // namespace fa4::emu::isa
