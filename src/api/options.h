// SPDX-License-Identifier: Apache-2.0
// The numbers and names of fa4_problem that are no tensors.
#pragma once

#include "api/tensors.h"
#include "core/problem.h"
#include "core/status.h"

namespace fa4::api {

// Fields that exist in the struct and that no backend of this version serves.
Status refuse_unserved(const fa4_problem& source);

// Scale, softcap, window, splits and flags. The sizes of the problem are set.
Status read_options(const fa4_problem& source, Problem* problem);

// fa4_problem::device: replaces the tensors' place when a plan is made, and must be it when one is run.
Status read_device_name(const char* name, Use use, Place* place);

// Host backends have no stream.
Status check_stream(const void* stream, const Place& place);

}  // namespace fa4::api
