// SPDX-License-Identifier: Apache-2.0
#include "spec_labels.h"

#include <charconv>
#include <string_view>

#include "error.h"
#include "spec_json.h"

namespace fa4::cli {
namespace {

// "3", or "0-3".
std::pair<uint32_t, uint32_t> warps_of(std::string_view text) {
  const size_t dash = text.find('-');
  const auto number = [&](std::string_view part) {
    uint32_t value = 0;
    const auto [end, error] = std::from_chars(part.data(), part.data() + part.size(), value);
    if (error != std::errc() || end != part.data() + part.size() || value > 31) {
      bad_input("labels.warps has {}; it must be a warp of 0 to 31, or a range such as \"0-3\"",
                printable(std::string(text)));
    }
    return value;
  };
  const uint32_t first = number(text.substr(0, dash));
  const uint32_t last = dash == std::string_view::npos ? first : number(text.substr(dash + 1));
  if (last < first)
    bad_input("labels.warps has {}, which ends before it begins", printable(std::string(text)));
  return {first, last};
}

}  // namespace

void read_labels(const Json& item, MachineLabels* labels) {
  check_members(item, "labels", {"warps", "shared", "tensor"});
  const Json warps = item.value("warps", Json::object());
  if (!warps.is_object()) {
    bad_input("labels.warps is {}; it must be an object", text_of_json(warps));
  }
  for (const auto& [range, name] : warps.items()) {
    const std::pair<uint32_t, uint32_t> which = warps_of(range);
    labels->add_warps(to_text(name, "labels.warps." + range), which.first, which.second);
  }
  const auto read_places = [&](const char* kind, const char* form, const auto& add) {
    const Json places = item.value(kind, Json::object());
    if (!places.is_object()) {
      bad_input("labels.{} is {}; it must be an object", kind, text_of_json(places));
    }
    for (const auto& [name, place] : places.items()) {
      const std::string where = std::string("labels.") + kind + "." + printable(name);
      if (!place.is_array() || place.size() < 2 || place.size() > 3) {
        bad_input("{} is {}; it must be [{}] or [{}, count]", where, text_of_json(place), form,
                  form);
      }
      add(name, to_word(place[0], where), to_word(place[1], where),
          place.size() == 3 ? to_word(place[2], where) : 1);
    }
  };
  read_places("shared", "offset, bytes",
              [&](const auto&... place) { labels->add_shared(place...); });
  read_places("tensor", "column, columns",
              [&](const auto&... place) { labels->add_tensor(place...); });
}

}  // namespace fa4::cli
