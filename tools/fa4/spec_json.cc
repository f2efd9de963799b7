// SPDX-License-Identifier: Apache-2.0
#include "spec_json.h"

#include <algorithm>
#include <limits>

#include "error.h"

namespace fa4::cli {

std::string text_of_json(const Json& value) {
  return printable(value.dump(-1, ' ', false, Json::error_handler_t::replace));
}

void check_members(const Json& object, const std::string& where,
                   std::initializer_list<const char*> known) {
  if (!object.is_object()) bad_input("{} is {}; it must be an object", where, text_of_json(object));
  for (const auto& member : object.items()) {
    const std::string& name = member.key();
    if (std::none_of(known.begin(), known.end(),
                     [&](const char* other) { return name == other; })) {
      std::string names;
      for (const char* other : known) names += (names.empty() ? "" : ", ") + std::string(other);
      bad_input("{} has a member {}; known are {}", where, printable(name), names);
    }
  }
}

uint64_t to_unsigned(const Json& value, const std::string& where, uint64_t most) {
  if (!value.is_number_unsigned() || value.get<uint64_t>() > most) {
    bad_input("{} is {}; it must be an integer from 0 to {}", where, text_of_json(value), most);
  }
  return value.get<uint64_t>();
}

uint32_t to_word(const Json& value, const std::string& where) {
  return static_cast<uint32_t>(to_unsigned(value, where, std::numeric_limits<uint32_t>::max()));
}

std::string to_text(const Json& value, const std::string& where) {
  if (!value.is_string()) bad_input("{} is {}; it must be a text", where, text_of_json(value));
  return value.get<std::string>();
}

bool to_flag(const Json& value, const std::string& where) {
  if (!value.is_boolean()) {
    bad_input("{} is {}; it must be true or false", where, text_of_json(value));
  }
  return value.get<bool>();
}

double to_number(const Json& value, const std::string& where) {
  if (!value.is_number()) bad_input("{} is {}; it must be a number", where, text_of_json(value));
  return value.get<double>();
}

}  // namespace fa4::cli
