// SPDX-License-Identifier: Apache-2.0
// The command line: every verb and option is declared here.
#pragma once

#include <functional>
#include <string>

#include "verbs.h"

namespace fa4::cli {

using Action = std::function<Exit()>;

// Puts the work of the verb that was called into `action`; it stays empty when there is nothing left to
// do (--help, --version), and the result is then the exit code. Throws Failure for bad usage.
int parse_command_line(int argc, char** argv, Action* action);

// The options of one case of bench, as they stand in a line of --cases.
CaseArguments parse_case_line(const std::string& line, const CaseArguments& defaults);

}  // namespace fa4::cli
