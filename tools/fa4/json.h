// SPDX-License-Identifier: Apache-2.0
// JSON as the command reads and writes it: members keep the order in which they were said.
#pragma once

#include <nlohmann/json.hpp>

namespace fa4::cli {

using Json = nlohmann::ordered_json;

}  // namespace fa4::cli
