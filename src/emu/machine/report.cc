// SPDX-License-Identifier: Apache-2.0
#include "emu/machine/report.h"

#include <fmt/format.h>

#include "emu/machine/cta.h"
#include "emu/machine/warp_report.h"

namespace fa4::emu {

void Reports::add(Level level, std::string_view code, std::string_view key, std::string text) {
  const std::lock_guard lock(mutex_);
  std::string name = std::string(code) + '\n' + std::string(key);
  const auto found = index_.find(name);
  if (found != index_.end()) {
    ++reports_[found->second].count;
    return;
  }
  if (reports_.size() == kMostDistinct) {
    ++num_lost_;
    return;
  }
  index_.emplace(std::move(name), reports_.size());
  reports_.push_back({level, std::string(code), std::move(text), 1});
}

std::vector<Report> Reports::all() const {
  const std::lock_guard lock(mutex_);
  return reports_;
}

uint64_t Reports::num_errors() const {
  const std::lock_guard lock(mutex_);
  uint64_t errors = num_lost_;
  for (const Report& report : reports_) {
    if (report.level == Level::Error) errors += report.count;
  }
  return errors;
}

uint64_t Reports::num_lost() const {
  const std::lock_guard lock(mutex_);
  return num_lost_;
}

void report(Warp& warp, Level level, std::string_view code, const std::string& text) {
  const Cta& cta = *warp.cta;
  const std::string site = warp.current == nullptr ? std::string("before its first instruction")
                                                   : cta.describer->site(*warp.current);
  cta.reports->add(
      level, code, site,
      fmt::format("{}\n  at    {}\n  by    CTA ({}, {}, {}), warp {}, lanes {:#010x}", text, site,
                  cta.index[0], cta.index[1], cta.index[2], warp.index, warp.active));
}

}  // namespace fa4::emu
