// SPDX-License-Identifier: Apache-2.0
#include "emu/ptx_places.h"

#include <cxxabi.h>
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <array>
#include <cstdlib>
#include <fstream>
#include <map>
#include <optional>
#include <sstream>
#include <string_view>

namespace fa4::emu::test {
namespace {

using SourcePoint = std::array<unsigned, 3>;  // file, line, column

struct SourceCall {
  std::string label;  // of the function's name
  SourcePoint caller{};
};

// "fa4::Softmax<(…)>::step<true>(unsigned int)" is "step".
std::string short_name(const std::string& mangled) {
  int status = 0;
  char* const text = abi::__cxa_demangle(mangled.c_str(), nullptr, nullptr, &status);
  const std::string name = status == 0 ? text : mangled;
  std::free(text);
  std::string last;
  int depth = 0;
  for (size_t i = 0; i < name.size(); ++i) {
    const char c = name[i];
    if (depth == 0 && c == '(') break;
    if (c == '<' || c == '(') ++depth;
    if (depth == 0) {
      last += c;
      if (c == ':' || c == ' ') last.clear();
    }
    if (c == '>' || c == ')') --depth;
  }
  return last;
}

std::string base_name(const std::string& path) { return path.substr(path.rfind('/') + 1); }

constexpr std::string_view kVirtualRoot = "/fa4/";  // of the bundle's headers

const std::vector<std::string>& lines_of_source(const std::string& file) {
  static std::map<std::string, std::vector<std::string>> files;
  std::vector<std::string>& lines = files[file];
  if (!lines.empty()) return lines;
  std::ifstream text("src/kernels/" + file);
  for (std::string line; std::getline(text, line);) {
    const size_t first = line.find_first_not_of(' ');
    lines.push_back(first == std::string::npos ? "" : line.substr(first));
  }
  lines.emplace_back();
  return lines;
}

// `.loc 4 50 13, function_name $L__info_string28, inlined_at 12 14 3`
struct LocLine {
  SourcePoint point{};
  std::optional<SourceCall> call;
};

LocLine parsed_loc(const std::string& line) {
  std::string text = line;
  for (char& c : text) {
    if (c == ',') c = ' ';
  }
  std::istringstream words(text);
  std::string word;
  LocLine loc;
  words >> word >> loc.point[0] >> loc.point[1] >> loc.point[2];
  SourceCall call;
  if (words >> word >> call.label >> word >> call.caller[0] >> call.caller[1] >> call.caller[2]) {
    loc.call = call;
  }
  return loc;
}

}  // namespace

PtxPlaces::PtxPlaces(const std::string& ptx) {
  struct RawFrame {
    SourcePoint point;
    std::string label;
  };
  std::map<unsigned, std::string> files;
  std::map<std::string, std::string> names;  // by label
  std::map<SourcePoint, SourceCall> calls;   // the last ones: an outer place stands before an inner
  // Of an unrolled loop the compiler repeats the inner places of a wait without the outer ones; the branch back, which
  // follows, has them right.
  struct OpenWait {
    size_t line;
    RawFrame innermost;
    SourcePoint caller;
  };
  std::optional<OpenWait> wait;
  std::vector<std::vector<RawFrame>> raw(1);
  index_.push_back(0);
  std::istringstream lines(ptx);
  std::string label;
  for (std::string line; std::getline(lines, line);) {
    const size_t first = line.find_first_not_of(" \t");
    const std::string text = first == std::string::npos ? "" : line.substr(first);
    if (text.starts_with(".loc")) {
      const LocLine loc = parsed_loc(text);
      calls.erase(loc.point);
      if (loc.call) calls[loc.point] = *loc.call;
      std::vector<RawFrame>& frames = raw.emplace_back();
      std::optional<SourceCall> call = loc.call;
      for (SourcePoint point = loc.point; frames.size() < 32; point = call->caller) {
        const auto found = calls.find(point);
        if (point != loc.point) {
          call = found == calls.end() ? std::nullopt : std::optional(found->second);
        }
        frames.push_back({point, call ? call->label : ""});
        if (!call) break;
      }
      if (wait && loc.point == wait->caller) {
        std::vector<RawFrame> right = raw.back();
        right.insert(right.begin(), wait->innermost);
        raw.insert(raw.end() - 1, std::move(right));
        index_[wait->line] = raw.size() - 2;
        wait.reset();
      }
    } else if (text.starts_with(".file")) {
      std::istringstream words(text);
      unsigned number = 0;
      std::string path;
      words >> path >> number >> path;
      path = path.substr(1, path.rfind('"') - 1);
      files[number] = path.starts_with(kVirtualRoot) ? path.substr(kVirtualRoot.size()) : path;
    } else if (text.starts_with("$L__info_string")) {
      label = text.substr(0, text.find(':'));
    } else if (text.starts_with(".b8") && !label.empty()) {
      const int c = std::atoi(text.c_str() + 3);
      if (c == 0) {
        label.clear();
      } else {
        names[label] += static_cast<char>(c);
      }
    }
    index_.push_back(raw.size() - 1);
    if (text.starts_with("$L__BB")) wait.reset();
    if (text.starts_with("mbarrier.try_wait") && raw.back().size() > 1) {
      wait = {index_.size() - 1, raw.back()[0], raw.back()[1].point};
    }
  }
  for (const std::vector<RawFrame>& frames : raw) {
    std::vector<PtxFrame>& named = frames_.emplace_back();
    for (const RawFrame& frame : frames) {
      named.push_back({files[frame.point[0]], frame.point[1],
                       frame.label.empty() ? "" : short_name(names[frame.label])});
    }
  }
}

std::string text_of(const std::vector<PtxFrame>& frames) {
  std::vector<std::string> parts;
  for (size_t i = frames.size(); i-- > 0;) {
    const PtxFrame& frame = frames[i];
    if (frame.function.empty() && i > 0) continue;  // the generated entry calls the kernel
    parts.push_back(fmt::format("{} {}:{}", frame.function, base_name(frame.file), frame.line));
  }
  return fmt::format("{}", fmt::join(parts, ", "));
}

std::string source_of(const std::vector<PtxFrame>& frames) {
  std::string text;
  for (size_t i = frames.size(); i-- > 0;) {
    const std::vector<std::string>& lines = lines_of_source(frames[i].file);
    if (frames[i].function.empty() || frames[i].line == 0 || frames[i].line > lines.size())
      continue;
    text += fmt::format("{}: {} ", frames[i].function, lines[frames[i].line - 1]);
  }
  return text;
}

}  // namespace fa4::emu::test
