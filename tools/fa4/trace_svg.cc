// SPDX-License-Identifier: Apache-2.0
// Tested in tests/cli/trace_test.cc.
#include "trace_svg.h"

#include <algorithm>
#include <cstdint>
#include <map>
#include <vector>

#include "error.h"

namespace fa4::cli {
namespace {

constexpr double kGutter = 130, kWidth = 1270, kTop = 56, kWarpHeight = 8, kEngineHeight = 18,
                 kGap = 6;
constexpr int64_t kFirstEngine = 1000;  // its thread; warps are below

struct Slice {
  int64_t begin, end;
  std::string category, name, at;
};

struct Band {  // a role's warps, or an engine
  std::string name;
  bool engine = false;
  std::vector<std::vector<Slice>> rows;
};

struct Picture {
  std::vector<Band> bands;
  int64_t begin = 0, end = 0;  // steps

  double x(int64_t step) const {
    const double at = static_cast<double>(step - begin) / static_cast<double>(end - begin);
    return kGutter + std::clamp(at, 0.0, 1.0) * kWidth;
  }
};

std::string escaped(const std::string& text) {
  std::string result;
  for (const char c : text) {
    switch (c) {
      case '<':
        result += "&lt;";
        break;
      case '>':
        result += "&gt;";
        break;
      case '&':
        result += "&amp;";
        break;
      case '"':
        result += "&quot;";
        break;
      default:
        result += c;
    }
  }
  return result;
}

// "Softmax0 (warp 3)" -> "Softmax0"
std::string role_of(const std::string& thread) { return thread.substr(0, thread.find(" (warp")); }

int64_t longest_process(const Json& events) {
  std::map<int64_t, int64_t> ends;
  for (const Json& event : events) {
    if (event.value("ph", "") != "X") continue;
    int64_t& end = ends[event.value("pid", int64_t{0})];
    end = std::max(end, event.value("ts", int64_t{0}) + event.value("dur", int64_t{0}));
  }
  int64_t longest = -1;
  for (const auto& [process, end] : ends) {
    if (longest < 0 || end > ends[longest]) longest = process;
  }
  return longest;
}

Picture lay_out(const Json& events, int64_t process) {
  std::map<int64_t, std::string> names;
  std::map<int64_t, std::vector<Slice>> slices;
  int64_t last = 0;
  for (const Json& event : events) {
    if (event.value("pid", int64_t{-1}) != process) continue;
    const int64_t thread = event.value("tid", int64_t{0});
    const Json args = event.value("args", Json::object());
    if (event.value("name", "") == "thread_name") names[thread] = args.value("name", "");
    if (event.value("ph", "") != "X") continue;
    const int64_t begin = event.value("ts", int64_t{0});
    const int64_t end = begin + event.value("dur", int64_t{0});
    slices[thread].push_back(
        {begin, end, event.value("cat", ""), event.value("name", ""), args.value("at", "")});
    last = std::max(last, end);
  }
  Picture picture;
  for (const auto& [thread, name] : names) {
    const bool engine = thread >= kFirstEngine;
    const std::string role = engine ? name : role_of(name);
    if (!engine && slices[thread].empty()) continue;
    if (picture.bands.empty() || picture.bands.back().name != role) {
      picture.bands.push_back({role, engine, {}});
    }
    picture.bands.back().rows.push_back(std::move(slices[thread]));
  }
  picture.begin = last / 3;
  picture.end = std::max(picture.begin + 1, 2 * last / 3);
  return picture;
}

const char* colour_of(const Band& band, size_t index) {
  static constexpr const char* kRoles[] = {"#3b6fb6", "#d9822b", "#4a9a62", "#8e5ea2",
                                           "#b5483a", "#5b8c9b", "#8a7a5c", "#6b7280"};
  if (!band.engine) return kRoles[index % std::size(kRoles)];
  return band.name == "tensor core" ? "#1f2937" : band.name == "TMA" ? "#0f766e" : "#64748b";
}

// Slices that are less than a tenth of a pixel apart are one.
std::vector<Slice> joined(const Picture& picture, const std::vector<Slice>& row) {
  std::vector<Slice> result;
  for (const Slice& slice : row) {
    if (slice.end <= picture.begin || slice.begin >= picture.end) continue;
    const bool near = !result.empty() && result.back().category == slice.category &&
                      result.back().name == slice.name &&
                      picture.x(slice.begin) - picture.x(result.back().end) < 0.1;
    if (near) {
      result.back().end = slice.end;
    } else {
      result.push_back(slice);
    }
  }
  return result;
}

void draw_row(const Picture& picture, const std::vector<Slice>& row, const char* colour, double y,
              double height, std::string* svg) {
  for (const Slice& slice : joined(picture, row)) {
    const double left = picture.x(slice.begin);
    const double width = std::max(0.4, picture.x(slice.end) - left);
    const bool wait = slice.category == "wait";
    *svg += fmt::format(
        "<rect x=\"{:.1f}\" y=\"{:.1f}\" width=\"{:.1f}\" height=\"{:.1f}\" fill=\"{}\"><title>{}</title></rect>\n",
        left, y, width, height, wait ? "#e5e7eb" : colour,
        escaped(fmt::format("{}{}, steps {} to {}; {}", wait ? "waits on " : "", slice.name,
                            slice.begin, slice.end, slice.at)));
    const double text_width = 4.3 * static_cast<double>(slice.name.size()) + 4;
    if (slice.category == "run" || text_width > width || height < 7) continue;
    *svg += fmt::format("<text x=\"{:.1f}\" y=\"{:.1f}\" font-size=\"7\" fill=\"{}\">{}</text>\n",
                        left + 2, y + height / 2 + 2.4, wait ? "#4b5563" : "#ffffff",
                        escaped(slice.name));
  }
}

void draw_axis(const Picture& picture, double bottom, std::string* svg) {
  const int64_t span = picture.end - picture.begin;
  int64_t step = 1;  // 1, 2, 5, 10, 20, …
  for (size_t i = 0; span / step > 12; ++i) step = i % 3 == 1 ? step / 2 * 5 : step * 2;
  for (int64_t at = (picture.begin + step - 1) / step * step; at <= picture.end; at += step) {
    *svg += fmt::format(
        "<path d=\"M{0:.1f} {1:.1f}V{2:.1f}\" stroke=\"#d1d5db\" stroke-width=\"0.6\"/>\n"
        "<text x=\"{0:.1f}\" y=\"{3:.1f}\" font-size=\"9\" text-anchor=\"middle\" fill=\"#4b5563\">{4}</text>\n",
        picture.x(at), kTop - 4, bottom, bottom + 12, at);
  }
}

}  // namespace

std::string draw_trace(const Json& trace, const std::string& title) {
  const Json events = trace.value("traceEvents", Json::array());
  const int64_t process = longest_process(events);
  if (process < 0) fail(Exit::CheckFailed, "the trace has no events: nothing ran");
  const Picture picture = lay_out(events, process);
  const Json facts = trace.value("otherData", Json::object());
  double bottom = kTop;
  for (const Band& band : picture.bands) {
    bottom +=
        static_cast<double>(band.rows.size()) * (band.engine ? kEngineHeight : kWarpHeight) + kGap;
  }
  std::string svg = fmt::format(
      "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {0:.0f} {1:.0f}\" "
      "font-family=\"system-ui, sans-serif\">\n"
      "<rect width=\"{0:.0f}\" height=\"{1:.0f}\" fill=\"#ffffff\"/>\n"
      "<text x=\"8\" y=\"20\" font-size=\"14\" fill=\"#111827\">{2}</text>\n"
      "<text x=\"8\" y=\"38\" font-size=\"10\" fill=\"#4b5563\">{3}; one CTA, steps {4} to {5}: scheduler steps "
      "(instructions of a warp), not time. Colour: works; grey: waits, with what for. Policy {6}.</text>\n",
      kGutter + kWidth + 20, bottom + 24, escaped(title), escaped(facts.value("kernel", "")),
      picture.begin, picture.end, escaped(facts.value("policy", "")));
  draw_axis(picture, bottom, &svg);
  double y = kTop;
  size_t index = 0;
  for (const Band& band : picture.bands) {
    const double height = band.engine ? kEngineHeight : kWarpHeight;
    const double middle = y + static_cast<double>(band.rows.size()) * height / 2 + 3.5;
    svg += fmt::format(
        "<text x=\"{:.0f}\" y=\"{:.1f}\" font-size=\"10\" text-anchor=\"end\" "
        "fill=\"#111827\">{}</text>\n",
        kGutter - 8, middle, escaped(band.name));
    for (const std::vector<Slice>& row : band.rows) {
      draw_row(picture, row, colour_of(band, index), y, height - 1, &svg);
      y += height;
    }
    y += kGap;
    ++index;
  }
  return svg + "</svg>\n";
}

}  // namespace fa4::cli
