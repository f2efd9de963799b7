// SPDX-License-Identifier: Apache-2.0
#include "emu/machine/operand_race.h"

#include <algorithm>

#include "emu/machine/cluster.h"

namespace fa4::emu {

void OperandRaces::reset() {
  races_.clear();
  reaches_.clear();
}

void OperandRaces::add(std::unique_ptr<OperandReach> reach) {
  if (reaches_.size() == kMost) reaches_.pop_front();
  reaches_.push_back(std::move(reach));
}

uint32_t OperandRaces::number_of(const std::string& code, const std::string& text,
                                 const Instr* site) {
  const auto found = std::ranges::find_if(
      races_, [&](const Race& race) { return race.site == site && race.code == code; });
  if (found != races_.end()) return static_cast<uint32_t>(found - races_.begin()) + 1;
  races_.push_back({code, text, site});
  return static_cast<uint32_t>(races_.size());
}

const OperandReach* OperandRaces::find(uint32_t id) const {
  const auto at =
      std::ranges::lower_bound(reaches_, id, {}, [](const auto& one) { return one->id; });
  return at != reaches_.end() && (*at)->id == id ? at->get() : nullptr;
}

void OperandRaces::meet(const OperandReach& reach, std::span<const uint32_t> units,
                        const std::string& code, const std::string& text) {
  const uint32_t number = number_of(code, text, reach.site);
  for (const OperandReach::Cells& cells : reach.cells_of(units)) {
    cells.cta->tmem.taint.taint(cells.range, number);
  }
}

bool OperandRaces::overwrite(const std::vector<Shadow::LateRead>& reads, const std::string& code,
                             const std::string& text) {
  std::vector<uint32_t> ids;
  for (const Shadow::LateRead& read : reads) ids.push_back(read.copy);
  std::ranges::sort(ids);
  ids.erase(std::unique(ids.begin(), ids.end()), ids.end());
  bool unread = true;
  for (const uint32_t id : ids) {
    const OperandReach* const reach = find(id);
    if (reach == nullptr) {
      unread = false;
      continue;
    }
    std::vector<uint32_t> units;
    for (const Shadow::LateRead& read : reads) {
      if (read.copy == id) units.push_back(read.offset);
    }
    std::ranges::sort(units);
    const uint32_t number = number_of(code, text, reach->site);
    for (const OperandReach::Cells& cells : reach->cells_of(units)) {
      if (!cells.cta->tmem.taint.taint_behind(id, cells.range, number)) unread = false;
    }
  }
  return unread;
}

}  // namespace fa4::emu
