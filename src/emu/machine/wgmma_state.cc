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

namespace {

// The states of a D whose rows follow one another, as they mostly do; else none.
std::span<uint8_t> states_of_d(std::vector<uint8_t>& states, std::span<const uint32_t> d) {
  uint32_t apart = 0;
  for (size_t i = 0; i < d.size(); ++i) {
    apart |= d[i] ^ (d[0] + static_cast<uint32_t>(i));
  }
  return apart == 0 ? std::span(states).subspan(d[0], d.size()) : std::span<uint8_t>();
}

}  // namespace

void WgmmaRegisters::mark(const WgmmaRows& rows) {
  const std::span<uint8_t> together = states_of_d(states_, rows.d);
  for (uint8_t& state : together) state |= kWrites;
  if (together.empty()) {
    for (const uint32_t row : rows.d) states_[row] |= kWrites;
  }
  for (const uint32_t row : rows.a) states_[row] |= kReads;
}

void WgmmaRegisters::begin(Warp& warp, const WgmmaRows& rows, bool accumulates) {
  uint8_t of_a = 0, of_d = 0;
  for (const uint32_t row : rows.a) of_a |= states_[row];
  const std::span<uint8_t> together = states_of_d(states_, rows.d);
  for (const uint8_t state : together) of_d |= state;
  if (together.empty()) {
    for (const uint32_t row : rows.d) of_d |= states_[row];
  }
  // Mostly D is that of all that are in flight, and one list of rows stands for theirs.
  const bool same = !in_flight_.empty() && std::ranges::equal(in_flight_.back().rows.d, rows.d);
  const std::span<const uint32_t> d = same ? in_flight_.back().rows.d : rows.d;
  const bool all_same = std::ranges::all_of(
      in_flight_, [&](const Operation& one) { return one.rows.d.data() == d.data(); });
  if ((of_d & kReads) != 0 || ((of_d & kWrites) != 0 && !all_same)) check_d(warp, rows);
  if ((of_a & kWrites) != 0) {
    const auto at =
        std::ranges::find_if(rows.a, [&](uint32_t row) { return (states_[row] & kWrites) != 0; });
    report_in_flight(warp, *at, "reads as A");
  }
  const uint32_t read = accumulates ? of_a | of_d : of_a;
  if ((read & kWritten) != 0 || !fenced_) {
    uint32_t unfenced = 0;
    for (const uint32_t row : rows.a) unfenced += states_[row] & kWritten;
    for (const uint32_t row : rows.d) unfenced += accumulates ? states_[row] & kWritten : 0;
    report(warp, Level::Error, "wgmma.fence",
           !fenced_ ? "fence missing: no wgmma.fence comes before this warp's first wgmma"
                    : fmt::format("fence missing: {} of its registers have been written, and no "
                                  "wgmma.fence has come since",
                                  unfenced));
    fenced_ = true;
    for (const uint32_t row : rows.a) states_[row] = static_cast<uint8_t>(states_[row] & ~kWritten);
    for (const uint32_t row : rows.d) states_[row] = static_cast<uint8_t>(states_[row] & ~kWritten);
  }
  in_flight_.push_back({warp.current, warp.wgmma_groups, {d, rows.a}});
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
