// SPDX-License-Identifier: Apache-2.0
#include "device/machine_settings.h"

#include <charconv>
#include <cstdlib>
#include <limits>
#include <string_view>

namespace fa4::device {
namespace {

constexpr uint32_t kMostThreads = 1024;

std::string_view variable(const char* name) {
  const char* value = std::getenv(name);
  return value == nullptr ? std::string_view() : value;
}

Status read_number(const char* name, uint64_t most, uint64_t* number) {
  const std::string_view text = variable(name);
  if (text.empty()) return {};
  const char* const end = text.data() + text.size();
  const auto [stopped, error] = std::from_chars(text.data(), end, *number);
  if (error == std::errc() && stopped == end && *number <= most) return {};
  return invalid_argument("{} is \"{}\"; it must be a number from 0 to {}", name, text, most);
}

}  // namespace

Status machine_settings(MachineSettings* settings) {
  *settings = {};
  const std::string_view policy = variable("FA4_EMU_POLICY");
  if (!policy.empty()) settings->policy = policy;
  const std::string_view numerics = variable("FA4_EMU_NUMERICS");
  if (!numerics.empty()) settings->numerics = numerics;
  settings->trace = variable("FA4_EMU_TRACE");
  settings->report = variable("FA4_EMU_REPORT");
  settings->schedule = variable("FA4_EMU_SCHEDULE");
  settings->schedule_log = variable("FA4_EMU_SCHEDULE_LOG");
  if ((settings->policy == "log") != !settings->schedule.empty()) {
    return invalid_argument(
        "FA4_EMU_POLICY is \"{}\" and FA4_EMU_SCHEDULE is \"{}\"; log and a schedule go together",
        settings->policy, settings->schedule);
  }
  FA4_RETURN_IF_ERROR(
      read_number("FA4_EMU_SEED", std::numeric_limits<uint64_t>::max(), &settings->seed));
  uint64_t threads = 0;
  FA4_RETURN_IF_ERROR(read_number("FA4_EMU_THREADS", kMostThreads, &threads));
  settings->threads = static_cast<uint32_t>(threads);
  return {};
}

}  // namespace fa4::device
