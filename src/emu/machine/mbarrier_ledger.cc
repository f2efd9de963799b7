// SPDX-License-Identifier: Apache-2.0
#include "emu/machine/mbarrier.h"

namespace fa4::emu {

void MbarrierLedger::clear() {
  records_.clear();
  by_address_.clear();
}

BarrierRecord* MbarrierLedger::find(uint32_t address) {
  const auto found = by_address_.find(address);
  return found == by_address_.end() ? nullptr : &records_[found->second];
}

BarrierRecord& MbarrierLedger::add(uint32_t address) {
  const auto [at, is_new] =
      by_address_.try_emplace(address, static_cast<uint32_t>(records_.size()));
  if (is_new) records_.emplace_back().index = at->second;
  return records_[at->second];
}

uint64_t state_of(uint64_t phase, int64_t pending) {
  return phase << 20 | (static_cast<uint64_t>(pending) & 0xfffff);
}

uint32_t pending_of_state(uint64_t state) { return static_cast<uint32_t>(state & 0xfffff); }

}  // namespace fa4::emu
