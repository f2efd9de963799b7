// SPDX-License-Identifier: Apache-2.0
// What the process holds and has held in memory, from /proc; 0 where that is not there.
#pragma once

namespace fa4::cli {

double resident_mb();  // now
double peak_mb();      // since the start or the last reset_peak()
void reset_peak();

}  // namespace fa4::cli
