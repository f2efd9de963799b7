// SPDX-License-Identifier: Apache-2.0
#include "emu/host/report.h"

#include <fmt/format.h>

#include "emu/host/error.h"

namespace fa4::emu::host {
namespace {

const fa4emu_report& checked(const fa4emu_report* report, size_t index, size_t count,
                             const char* what) {
  if (report == nullptr) bad_argument("report is null");
  if (index >= count) bad_argument("index is {}; the report has {} {}", index, count, what);
  return *report;
}

fa4emu_level level_of(Level level) {
  return level == Level::Error ? FA4EMU_LEVEL_ERROR : FA4EMU_LEVEL_WARNING;
}

}  // namespace

std::string text_of(const RunReport& report, const std::string& entry) {
  std::string text = fmt::format("{}: {}, {} errors, {} warp instructions\n", entry,
                                 report.finished ? "finished" : "stopped before its end",
                                 report.num_errors, report.warp_instructions);
  for (const Report& item : report.reports) {
    text += fmt::format("{}\n  code  {}, {}{}\n", item.text, item.code,
                        item.level == Level::Error ? "an error" : "a warning",
                        item.count == 1 ? "" : fmt::format(", {} times", item.count));
  }
  if (report.num_lost > 0) {
    text += fmt::format("{} reports more are not shown\n", report.num_lost);
  }
  if (!report.reports.empty()) text += fmt::format("repeat  {}\n", report.repeat);
  text += "units\n";
  for (const auto& [unit, warps] : report.units) text += fmt::format("  {:>14}  {}\n", warps, unit);
  text += "forms\n";
  for (const FormCount& form : report.forms) {
    text += fmt::format("  {:>14}  {}  ({})\n", form.warps, form.form, form.fidelity);
  }
  return text;
}

}  // namespace fa4::emu::host

extern "C" {

fa4emu_status fa4emu_report_summary(const fa4emu_report* report, fa4emu_summary* summary) {
  return fa4::emu::host::guarded([&] {
    if (report == nullptr) fa4::emu::host::bad_argument("report is null");
    fa4emu_summary value = {};
    value.finished = report->run.finished;
    value.num_errors = report->run.num_errors;
    value.num_lost = report->run.num_lost;
    value.warp_instructions = report->run.warp_instructions;
    value.num_items = report->run.reports.size();
    value.num_units = report->units.size();
    value.num_forms = report->run.forms.size();
    value.output = report->run.output.c_str();
    value.output_bytes = report->run.output.size();
    value.text = report->text.c_str();
    fa4::emu::host::write_struct(summary, "summary", value);
  });
}

fa4emu_status fa4emu_report_item(const fa4emu_report* report, size_t index, fa4emu_item* item) {
  return fa4::emu::host::guarded([&] {
    const size_t count = report == nullptr ? 0 : report->run.reports.size();
    const auto& found = fa4::emu::host::checked(report, index, count, "items").run.reports[index];
    fa4emu_item value = {};
    value.level = fa4::emu::host::level_of(found.level);
    value.code = found.code.c_str();
    value.text = found.text.c_str();
    value.count = found.count;
    fa4::emu::host::write_struct(item, "item", value);
  });
}

fa4emu_status fa4emu_report_unit(const fa4emu_report* report, size_t index, fa4emu_count* count) {
  return fa4::emu::host::guarded([&] {
    const size_t units = report == nullptr ? 0 : report->units.size();
    const auto& [name, warps] = fa4::emu::host::checked(report, index, units, "units").units[index];
    fa4emu_count value = {};
    value.name = name.c_str();
    value.fidelity = "";
    value.warp_instructions = warps;
    fa4::emu::host::write_struct(count, "count", value);
  });
}

fa4emu_status fa4emu_report_form(const fa4emu_report* report, size_t index, fa4emu_count* count) {
  return fa4::emu::host::guarded([&] {
    const size_t forms = report == nullptr ? 0 : report->run.forms.size();
    const auto& form = fa4::emu::host::checked(report, index, forms, "forms").run.forms[index];
    fa4emu_count value = {};
    value.name = form.form.c_str();
    value.fidelity = form.fidelity.c_str();
    value.warp_instructions = form.warps;
    fa4::emu::host::write_struct(count, "count", value);
  });
}

void fa4emu_report_destroy(fa4emu_report* report) { delete report; }

}  // extern "C"
