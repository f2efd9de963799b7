// SPDX-License-Identifier: Apache-2.0
#include "arguments.h"

#include <fmt/format.h>

#include <charconv>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <filesystem>

#include "fa4/emu.h"

namespace fa4::emurun {
namespace {

constexpr const char* kUsage =
    R"(emurun runs a CUDA program on the PTX machine, with no GPU.

  emurun [options] PROGRAM [ARGUMENTS]

  --policy P      in which order unordered things happen: eager (default), lazy, reverse, torn, random,
                  starve:WARPS
  --seed N        of torn and random
  --numerics N    exact (default) or fast
  --arch A        sm_80, sm_86, sm_89, sm_90a (default), sm_100a, sm_103a, sm_120
  --ptx PATH      a PTX file, or a folder of them, for a program that brings none for this architecture
  --report FILE   the report of every launch is appended there
  --threads N     of the host; 0 (default): all

PROGRAM is built by nvcc with -cudart shared and has PTX inside. What is reported goes to stderr.
Exit code 86: the machine has reported an error; 2: a bad command line; otherwise the program's own.
docs/emulator/emurun.md says what is served.
)";

uint64_t number(const std::string& option, const std::string& word, uint64_t most) {
  uint64_t value = 0;
  const char* const end = word.data() + word.size();
  const auto [at, error] = std::from_chars(word.data(), end, value);
  if (error != std::errc() || at != end || word.empty() || value > most) {
    refuse(kExitUsage,
           fmt::format("{} is {}; it must be a number from 0 to {}", option, word, most));
  }
  return value;
}

uint32_t arch_named(const std::string& word) {
  static constexpr std::pair<const char*, uint32_t> kArchs[] = {
      {"sm_80", 80},   {"sm_86", 86},    {"sm_89", 89},   {"sm_90", 90},    {"sm_90a", 90},
      {"sm_100", 100}, {"sm_100a", 100}, {"sm_103", 103}, {"sm_103a", 103}, {"sm_120", 120}};
  for (const auto& [name, value] : kArchs) {
    if (word == name) return value;
  }
  refuse(kExitUsage,
         fmt::format(
             "--arch is {}; it must be sm_80, sm_86, sm_89, sm_90a, sm_100a, sm_103a or sm_120",
             word));
}

std::string existing(const std::string& option, const std::string& word) {
  std::error_code error;
  const auto path = std::filesystem::absolute(word, error);
  if (!std::filesystem::exists(path, error)) {
    refuse(kExitUsage, fmt::format("{} is {}, which is not there", option, word));
  }
  return path.string();
}

// The machine knows what its policies are.
void check(const Arguments& arguments) {
  fa4emu_options options;
  fa4emu_options_init(&options);
  options.arch = arguments.arch;
  options.policy = arguments.policy.c_str();
  options.numerics = arguments.numerics.c_str();
  fa4emu_machine* machine = nullptr;
  if (fa4emu_create(&options, &machine) != FA4EMU_OK) refuse(kExitUsage, fa4emu_last_error());
  fa4emu_destroy(machine);
}

void set(const std::string& option, const std::string& value, Arguments* arguments) {
  if (option == "--policy") {
    arguments->policy = value;
  } else if (option == "--seed") {
    arguments->seed = number(option, value, UINT64_MAX);
  } else if (option == "--numerics") {
    arguments->numerics = value;
  } else if (option == "--arch") {
    arguments->arch = arch_named(value);
  } else if (option == "--ptx") {
    arguments->ptx = existing(option, value);
  } else if (option == "--report") {
    arguments->report = std::filesystem::absolute(value).string();
  } else if (option == "--threads") {
    arguments->threads = static_cast<uint32_t>(number(option, value, 1024));
  } else {
    refuse(kExitUsage, fmt::format("{} is no option; emurun --help lists them", option));
  }
}

}  // namespace

void refuse(int code, const std::string& sentence) {
  fmt::print(stderr, "emurun: {}\n", sentence);
  std::exit(code);
}

Arguments read_arguments(int count, char** words) {
  Arguments arguments;
  int i = 1;
  for (; i < count && words[i][0] == '-'; ++i) {
    const std::string word = words[i];
    if (word == "--help" || word == "-h") {
      fmt::print("{}", kUsage);
      std::exit(0);
    }
    if (word == "--") {
      ++i;
      break;
    }
    const size_t equals = word.find('=');
    if (equals != std::string::npos) {
      set(word.substr(0, equals), word.substr(equals + 1), &arguments);
    } else if (i + 1 < count) {
      set(word, words[++i], &arguments);
    } else {
      refuse(kExitUsage, fmt::format("{} has no value", word));
    }
  }
  if (i >= count) refuse(kExitUsage, "no PROGRAM is named; emurun --help says how");
  check(arguments);
  arguments.program.assign(words + i, words + count);
  arguments.program.push_back(nullptr);
  return arguments;
}

}  // namespace fa4::emurun
