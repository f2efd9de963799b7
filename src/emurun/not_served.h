// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>

namespace fa4::emurun {

// Whether a function of that name is there only to say that it is not served.
bool is_not_served(const std::string& name);

}  // namespace fa4::emurun
