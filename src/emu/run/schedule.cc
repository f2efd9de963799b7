// SPDX-License-Identifier: Apache-2.0
#include "emu/run/schedule.h"

#include <fmt/format.h>

#include <cerrno>
#include <charconv>
#include <cstring>
#include <fstream>
#include <sstream>

#include "emu/run/launch.h"

namespace fa4::emu {
namespace {

constexpr char kScheduleHead[] = "fa4 schedule 1";

[[noreturn]] void bad_schedule(const std::string& path, size_t line, const std::string& what) {
  throw MachineError(fmt::format("schedule {}, line {}: {}", path, line, what));
}

std::string text_of_three(const std::array<uint32_t, 3>& extents) {
  return fmt::format("({}, {}, {})", extents[0], extents[1], extents[2]);
}

bool take_word(std::istringstream& words, const char* expected) {
  std::string word;
  return words >> word && word == expected;
}

bool take_three(std::istringstream& words, const char* expected, std::array<uint32_t, 3>* extents) {
  return take_word(words, expected) &&
         (words >> (*extents)[0] >> (*extents)[1] >> (*extents)[2]).good();
}

// "0x1000": at least one warp.
bool read_mask(std::string_view text, WarpMask* mask) {
  if (!text.starts_with("0x")) return false;
  const char* const end = text.data() + text.size();
  const auto read = std::from_chars(text.data() + 2, end, *mask, 16);
  return read.ec == std::errc() && read.ptr == end && *mask != 0;
}

bool read_launch(std::istringstream& words, LaunchSchedule* launch) {
  std::string policy;
  if (!(words >> launch->entry) || !take_three(words, "grid", &launch->grid) ||
      !take_three(words, "block", &launch->block) ||
      !take_three(words, "cluster", &launch->cluster) || !take_word(words, "policy") ||
      !(words >> policy) || !take_word(words, "seed") || !(words >> launch->seed)) {
    return false;
  }
  MachineOptions options;
  if (!read_policy(policy, &options)) return false;
  launch->policy = options.policy;
  return options.policy != Policy::Starve || read_mask(options.starved, &launch->starved);
}

bool read_decisions(std::istringstream& words, LaunchSchedule* launch) {
  uint32_t cluster = 0;
  if (!(words >> cluster)) return false;
  std::vector<Decision>& decisions = *launch->decisions_of(cluster);
  Decision decision;
  char slash = 0;
  while (words >> decision.value) {
    if (!(words >> slash >> decision.bound) || slash != '/' || decision.value >= decision.bound) {
      return false;
    }
    decisions.push_back(decision);
  }
  return words.eof();
}

}  // namespace

std::string LaunchSchedule::place() const {
  return fmt::format("{}, grid {}, block {}, cluster {}", entry, text_of_three(grid),
                     text_of_three(block), text_of_three(cluster));
}

std::vector<LaunchSchedule> read_schedules(const std::string& path) {
  std::ifstream file(path);
  if (!file) {
    throw MachineError(fmt::format("schedule {} cannot be read: {}", path, std::strerror(errno)));
  }
  std::string line;
  size_t number = 1;
  if (!std::getline(file, line) || line != kScheduleHead) {
    bad_schedule(path, number, fmt::format("it must be \"{}\"", kScheduleHead));
  }
  std::vector<LaunchSchedule> launches;
  while (std::getline(file, line)) {
    ++number;
    std::istringstream words(line);
    std::string kind;
    words >> kind;
    if (kind == "launch") {
      launches.emplace_back();
      if (read_launch(words, &launches.back())) continue;
    } else if (kind == "cluster" && !launches.empty()) {
      if (read_decisions(words, &launches.back())) continue;
    }
    bad_schedule(path, number, "it is neither a launch nor the choices of a cluster");
  }
  return launches;
}

ScheduleReader::ScheduleReader(const std::string& path)
    : path_(path), launches_(read_schedules(path)) {}

LaunchSchedule& ScheduleReader::next(const KernelLaunch& launch) {
  if (num_followed_ == launches_.size()) {
    throw MachineError(
        fmt::format("schedule {} has {} launches; this is one more", path_, launches_.size()));
  }
  LaunchSchedule& next = launches_[num_followed_];
  if (!next.is_of(launch)) {
    throw MachineError(fmt::format("launch {} of schedule {} is of {}; this is {}",
                                   num_followed_ + 1, path_, next.place(),
                                   LaunchSchedule(launch, next.policy, next.seed).place()));
  }
  ++num_followed_;
  return next;
}

ScheduleWriter::ScheduleWriter(const std::string& path)
    : path_(path), file_(std::fopen(path.c_str(), "w")) {
  if (file_ == nullptr) {
    throw MachineError(
        fmt::format("schedule {} cannot be written: {}", path, std::strerror(errno)));
  }
  std::fprintf(file_, "%s\n", kScheduleHead);
}

ScheduleWriter::~ScheduleWriter() { std::fclose(file_); }

void ScheduleWriter::add(const LaunchSchedule& launch) {
  const auto three = [](const std::array<uint32_t, 3>& extents) {
    return fmt::format("{} {} {}", extents[0], extents[1], extents[2]);
  };
  const std::string policy =
      policy_text({.policy = launch.policy, .starved = fmt::format("{:#x}", launch.starved)});
  std::string text = fmt::format("launch {} grid {} block {} cluster {} policy {} seed {}\n",
                                 launch.entry, three(launch.grid), three(launch.block),
                                 three(launch.cluster), policy, launch.seed);
  for (const auto& [cluster, decisions] : launch.clusters) {
    text += fmt::format("cluster {}", cluster);
    for (const Decision& decision : decisions) {
      text += fmt::format(" {}/{}", decision.value, decision.bound);
    }
    text += '\n';
  }
  const bool written = std::fwrite(text.data(), 1, text.size(), file_) == text.size();
  if (!written || std::fflush(file_) != 0) {
    throw MachineError(
        fmt::format("schedule {} cannot be written: {}", path_, std::strerror(errno)));
  }
}

}  // namespace fa4::emu
