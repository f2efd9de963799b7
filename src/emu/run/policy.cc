// SPDX-License-Identifier: Apache-2.0
// The names of policies, and which warps one starves.
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <charconv>
#include <optional>

#include "emu/run/launch.h"

namespace fa4::emu {
namespace {

constexpr std::pair<const char*, Policy> kPolicies[] = {
    {"eager", Policy::Eager}, {"lazy", Policy::Lazy},     {"reverse", Policy::Reverse},
    {"torn", Policy::Torn},   {"random", Policy::Random}, {"starve", Policy::Starve}};

std::optional<Policy> policy_named(std::string_view name) {
  for (const auto& [text, policy] : kPolicies) {
    if (name == text) return policy;
  }
  return std::nullopt;
}

// "12" or "4-7"; false: neither.
bool read_warps(std::string_view text, uint32_t* first, uint32_t* last) {
  const char* const end = text.data() + text.size();
  const auto begun = std::from_chars(text.data(), end, *first);
  if (begun.ec != std::errc()) return false;
  *last = *first;
  if (begun.ptr == end) return true;
  if (*begun.ptr != '-') return false;
  const auto ended = std::from_chars(begun.ptr + 1, end, *last);
  return ended.ec == std::errc() && ended.ptr == end && *first <= *last;
}

WarpMask mask_of(uint32_t first, uint32_t last) {  // both below 32
  return (~WarpMask{0} >> (31 - last)) & (~WarpMask{0} << first);
}

}  // namespace

const char* name_of(Policy policy) {
  for (const auto& [text, which] : kPolicies) {
    if (which == policy) return text;
  }
  return "";
}

std::string policy_names() { return "eager, lazy, reverse, torn, random or starve:ROLE"; }

bool read_policy(std::string_view text, MachineOptions* options) {
  const size_t colon = text.find(':');
  const std::optional<Policy> policy = policy_named(text.substr(0, colon));
  if (!policy) return false;
  options->policy = *policy;
  options->starved = colon == std::string_view::npos ? "" : text.substr(colon + 1);
  return (*policy == Policy::Starve) == (colon != std::string_view::npos) &&
         (*policy != Policy::Starve || !options->starved.empty());
}

std::string policy_text(const MachineOptions& options) {
  if (options.policy != Policy::Starve) return name_of(options.policy);
  return fmt::format("starve:{}", options.starved);
}

WarpMask starved_warps(const KernelLaunch& launch, const MachineOptions& options) {
  if (options.policy != Policy::Starve) return 0;
  const auto warps = static_cast<uint32_t>((volume_of_launch(launch.block) + 31) / 32);
  WarpMask mask = 0;
  std::vector<std::string> roles;
  const auto add = [&](uint32_t first, uint32_t last) {
    if (first < warps) mask |= mask_of(first, std::min(last, warps - 1));
  };
  for (const LaunchLabels::Warps& label : launch.labels.warps) {
    roles.push_back(label.name);
    if (label.name == options.starved) add(label.first, label.last);
  }
  uint32_t first = 0, last = 0;
  if (mask == 0 && read_warps(options.starved, &first, &last) && last < warps) add(first, last);
  if (mask != 0) return mask;
  throw MachineError(fmt::format(
      "policy is {}; {} has {}warps 0 to {}, which are named by numbers: 3, 0-3",
      policy_text(options), launch.entry,
      roles.empty() ? "no roles, but " : fmt::format("the roles {}, and ", fmt::join(roles, ", ")),
      warps - 1));
}

}  // namespace fa4::emu
