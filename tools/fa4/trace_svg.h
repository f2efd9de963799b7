// SPDX-License-Identifier: Apache-2.0
// A picture of a trace: one CTA, a band for each role and each engine, the steady state across.
#pragma once

#include <string>

#include "json.h"

namespace fa4::cli {

// Of trace events as the PTX machine writes them. The longest CTA, the middle third of its steps; the same for the same
// trace. Throws Failure if there is nothing to draw.
std::string draw_trace(const Json& trace, const std::string& title);

}  // namespace fa4::cli
