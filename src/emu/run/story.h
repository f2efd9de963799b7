// SPDX-License-Identifier: Apache-2.0
// The words of a deadlock report about mbarriers.
#pragma once

#include <string>

#include "emu/machine/cluster.h"

namespace fa4::emu {

// "wait on full[2], phase 5 (parity 1): arrivals 0/1, 16384 of 32768 bytes missing"
std::string state_of_wait(const Cluster& cluster, const BarrierRecord& record, uint64_t phase);
// Lines: who has come in the current phase.
std::string events_of_phase(const Cluster& cluster, const BarrierRecord& record);
// A line "cycle Mma -> full[2] -> Load -> empty[0] -> Mma", if who came in earlier phases waits for one that waits.
std::string cycle_of_waits(const Cluster& cluster);
// A line for each barrier that somebody waits on.
std::string likely_stories(const Cluster& cluster);

}  // namespace fa4::emu
