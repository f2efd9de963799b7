// SPDX-License-Identifier: Apache-2.0
// Lists of cases: a file, or `standard`, with the options of one case a line; "#" begins a comment.
#pragma once

#include <string>
#include <vector>

#include "verbs.h"

namespace fa4::cli {

std::vector<CaseArguments> read_cases(const std::string& path, const CaseArguments& defaults);

// Of `text`, whose lines are named after `path` in messages.
std::vector<CaseArguments> parse_cases(const std::string& text, const std::string& path,
                                       const CaseArguments& defaults);
std::vector<CaseArguments> standard_cases();

// The tensors of a case without data, for planning: dense, packed or paged.
Inputs make_case_inputs_without_data(const CaseArguments& arguments, Options* options);

}  // namespace fa4::cli
