// SPDX-License-Identifier: Apache-2.0
#include "emurun/base.h"

#include <sys/mman.h>
#include <unistd.h>

#include <atomic>
#include <cstdio>
#include <cstdlib>
#include <set>

namespace fa4::emurun {
namespace {

std::string environment(const char* name, const char* otherwise) {
  const char* value = std::getenv(name);
  return value == nullptr ? otherwise : value;
}

uint64_t environment_number(const char* name, uint64_t otherwise) {
  const char* value = std::getenv(name);
  return value == nullptr ? otherwise : std::strtoull(value, nullptr, 10);
}

Settings read_settings() {
  Settings read;
  read.policy = environment("FA4_EMURUN_POLICY", "eager");
  read.numerics = environment("FA4_EMURUN_NUMERICS", "exact");
  read.seed = environment_number("FA4_EMURUN_SEED", 0);
  read.arch = static_cast<uint32_t>(environment_number("FA4_EMURUN_ARCH", 90));
  read.threads = static_cast<uint32_t>(environment_number("FA4_EMURUN_THREADS", 0));
  read.ptx = environment("FA4_EMURUN_PTX", "");
  read.report = environment("FA4_EMURUN_REPORT", "");
  return read;
}

// The page that the command and the program share: launches, errors.
struct Tally {
  std::atomic<uint64_t> launches, errors;
};

Tally* shared_tally() {
  static Tally own{};
  const char* descriptor = std::getenv("FA4_EMURUN_TALLY_FD");
  if (descriptor == nullptr) return &own;
  void* page =
      mmap(nullptr, sizeof(Tally), PROT_READ | PROT_WRITE, MAP_SHARED, std::atoi(descriptor), 0);
  return page == MAP_FAILED ? &own : static_cast<Tally*>(page);
}

Tally& tally() {
  static Tally* const found = shared_tally();
  return *found;
}

}  // namespace

void say(const std::string& sentence) {
  static std::set<std::string>* const said = new std::set<std::string>;
  const std::lock_guard<std::recursive_mutex> lock(call_lock());
  if (said->insert(sentence).second) fmt::print(stderr, "emurun: {}\n", sentence);
}

// Never destroyed: programs call us until their last destructor has run.
std::recursive_mutex& call_lock() {
  static auto* const lock = new std::recursive_mutex;
  return *lock;
}

Status& last_error() {
  thread_local Status status = kSuccess;
  return status;
}

const Settings& settings() {
  static const auto* const read = new Settings(read_settings());
  return *read;
}

void count_launch() { ++tally().launches; }
void count_errors(uint64_t errors) { tally().errors += errors; }

}  // namespace fa4::emurun
