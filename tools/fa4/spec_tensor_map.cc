// SPDX-License-Identifier: Apache-2.0
// Tensor maps of a SPEC.json, in words. What they may say together the machine checks when it encodes them.
#include <limits>

#include "error.h"
#include "spec_json.h"

namespace fa4::cli {
namespace {

// The place of a word in a list, which is the number that the CUDA driver gives it.
uint32_t number_of_word(const Json& value, const std::string& where,
                        std::initializer_list<const char*> words) {
  const std::string given = to_text(value, where);
  uint32_t number = 0;
  std::string known;
  for (const char* word : words) {
    if (given == word) return number;
    known += (number++ == 0 ? "" : ", ") + std::string(word);
  }
  bad_input("{} is {}; it must be one of {}", where, printable(given), known);
}

template <class Integer>
std::vector<Integer> to_integers(const Json& object, const std::string& where, const char* name,
                                 size_t count) {
  const std::string place = where + "." + name;
  if (!object.contains(name)) bad_input("{} has no {}", where, name);
  const Json& value = object[name];
  if (!value.is_array() || value.size() != count) {
    bad_input("{} is {}; it must be a list of {} integers", place, text_of_json(value), count);
  }
  std::vector<Integer> integers;
  for (const Json& item : value) {
    integers.push_back(
        static_cast<Integer>(to_unsigned(item, place, std::numeric_limits<Integer>::max())));
  }
  return integers;
}

}  // namespace

SpecTensorMap read_spec_tensor_map(const Json& item, const std::string& where) {
  check_members(item, where,
                {"buffer", "dtype", "sizes", "strides", "box", "element_strides", "swizzle", "fill",
                 "byte_offset"});
  SpecTensorMap map;
  if (!item.contains("dtype")) bad_input("{} has no dtype", where);
  map.data_type = number_of_word(item["dtype"], where + ".dtype",
                                 {"u8", "u16", "u32", "s32", "u64", "s64", "f16", "f32", "f64",
                                  "bf16", "f32_ftz", "tf32", "tf32_ftz"});
  const Json sizes = item.value("sizes", Json());
  if (!sizes.is_array() || sizes.empty() || sizes.size() > 5) {
    bad_input("{}.sizes is {}; it must be a list of 1 to 5 integers", where, text_of_json(sizes));
  }
  const size_t rank = sizes.size();
  map.sizes = to_integers<uint64_t>(item, where, "sizes", rank);
  map.strides = to_integers<uint64_t>(item, where, "strides", rank - 1);
  map.box = to_integers<uint32_t>(item, where, "box", rank);
  if (item.contains("element_strides")) {
    map.element_strides = to_integers<uint32_t>(item, where, "element_strides", rank);
  }
  if (item.contains("swizzle")) {
    map.swizzle =
        number_of_word(item["swizzle"], where + ".swizzle", {"none", "32B", "64B", "128B"});
  }
  if (item.contains("fill")) {
    map.fill = number_of_word(item["fill"], where + ".fill", {"zeros", "nan"});
  }
  return map;
}

}  // namespace fa4::cli
