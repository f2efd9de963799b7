// SPDX-License-Identifier: Apache-2.0
// bench/cases/standard.txt, as it was when the command was built.
#pragma once

namespace fa4::cli {

extern const char* const kStandardCases;

}  // namespace fa4::cli
