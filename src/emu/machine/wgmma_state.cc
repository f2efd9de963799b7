// SPDX-License-Identifier: Apache-2.0
#include "emu/machine/wgmma_state.h"

#include <fmt/format.h>

#include <algorithm>

#include "emu/machine/cta.h"
#include "emu/machine/warp_report.h"

namespace fa4::emu {

void WgmmaRegisters::reset(uint32_t num_rows) {
  states_.assign(num_rows, 0);
  in_flight_.clear();
  fenced_ = false;
}

void WgmmaRegisters::fence() {
  for (uint8_t& state : states_) state = static_cast<uint8_t>(state & ~kWritten);
  fenced_ = true;
}

void WgmmaRegisters::mark(const WgmmaRows& rows) {
  for (const uint32_t row : rows.d) states_[row] |= kWrites;
  for (const uint32_t row : rows.a) states_[row] |= kReads;
}

void WgmmaRegisters::begin(Warp& warp, const WgmmaRows& rows, bool accumulates) {
  check_d(warp, rows);
  uint32_t unfenced = 0;
  for (const uint32_t row : rows.a) {
    if ((states_[row] & kWrites) != 0) {
      report_in_flight(warp, row, "reads as A");
      break;
    }
    unfenced += states_[row] & kWritten;
  }
  if (accumulates) {
    for (const uint32_t row : rows.d) unfenced += states_[row] & kWritten;
  }
  if (unfenced != 0 || !fenced_) {
    report(warp, Level::Error, "wgmma.fence",
           !fenced_ ? "fence missing: no wgmma.fence comes before this warp's first wgmma"
                    : fmt::format("fence missing: {} of its registers have been written, and no "
                                  "wgmma.fence has come since",
                                  unfenced));
    fenced_ = true;
    for (const uint32_t row : rows.a) states_[row] = static_cast<uint8_t>(states_[row] & ~kWritten);
    for (const uint32_t row : rows.d) states_[row] = static_cast<uint8_t>(states_[row] & ~kWritten);
  }
  in_flight_.push_back({warp.current, warp.wgmma_groups, rows});
  mark(rows);
}

// D may be in flight where the same D is: an accumulator of the same shape.
void WgmmaRegisters::check_d(Warp& warp, const WgmmaRows& rows) const {
  const auto same = [&](const Operation& operation) {
    return std::ranges::equal(operation.rows.d, rows.d);
  };
  const bool all_same = std::ranges::all_of(in_flight_, same);
  for (const uint32_t row : rows.d) {
    if ((states_[row] & kReads) != 0) return report_in_flight(warp, row, "writes as D");
    if ((states_[row] & kWrites) == 0 || all_same) continue;
    for (const Operation& operation : in_flight_) {
      if (same(operation) || std::ranges::count(operation.rows.d, row) == 0) continue;
      return report_in_flight(warp, row, "writes as another D");
    }
  }
}

void WgmmaRegisters::waited(uint32_t committed, uint32_t unfinished) {
  if (in_flight_.empty()) return;
  std::erase_if(in_flight_, [&](const Operation& operation) {
    return operation.group < committed && committed - operation.group > unfinished;
  });
  for (uint8_t& state : states_) state &= kWritten;
  for (const Operation& operation : in_flight_) mark(operation.rows);
}

void WgmmaRegisters::report_touch(Warp& warp, uint32_t row, bool writes) const {
  if ((states_[row] & kWrites) != 0) {
    report_in_flight(warp, row, writes ? "writes" : "reads");
  } else if (writes) {
    report_in_flight(warp, row, "writes");
  }
}

void WgmmaRegisters::report_in_flight(Warp& warp, uint32_t row, const char* how) const {
  for (auto operation = in_flight_.rbegin(); operation != in_flight_.rend(); ++operation) {
    for (const bool is_d : {true, false}) {
      const std::span<const uint32_t> rows = is_d ? operation->rows.d : operation->rows.a;
      const auto at = std::ranges::find(rows, row);
      if (at == rows.end()) continue;
      return report(
          warp, Level::Error, "reg.in_flight",
          fmt::format("register in flight: it {} register {} of the {} of a wgmma for whose group "
                      "this warp has not waited, at {}",
                      how, at - rows.begin(), is_d ? "D" : "A",
                      warp.cta->describer->site(*operation->site)));
    }
  }
}

}  // namespace fa4::emu
