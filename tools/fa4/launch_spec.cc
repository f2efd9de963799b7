// SPDX-License-Identifier: Apache-2.0
#include "launch_spec.h"

#include <algorithm>
#include <filesystem>
#include <limits>

#include "error.h"
#include "files.h"
#include "spec_json.h"

namespace fa4::cli {
namespace {

constexpr int64_t kMostSpecBytes = int64_t{1} << 24;

std::array<uint32_t, 3> to_extents(const Json& object, const char* name) {
  if (!object.contains(name)) return {1, 1, 1};
  const Json& value = object[name];
  std::array<uint32_t, 3> extents = {1, 1, 1};
  if (!value.is_array() || value.empty() || value.size() > extents.size()) {
    bad_input("{} is {}; it must be a list of 1 to 3 integers", name, text_of_json(value));
  }
  for (size_t i = 0; i < value.size(); ++i) {
    extents[i] = to_word(value[i], std::string("an extent of ") + name);
  }
  return extents;
}

template <class Value>
std::vector<std::byte> bytes_of_value(Value value) {
  std::vector<std::byte> bytes(sizeof(value));
  store_as(bytes.data(), value);
  return bytes;
}

// The low bytes of an integer that fits a type of so many bits, signed or not.
std::vector<std::byte> bytes_of_integer(const Json& value, const std::string& where, int bits,
                                        bool is_signed) {
  if (!value.is_number_integer()) {
    bad_input("{} is {}; it must be an integer", where, text_of_json(value));
  }
  const uint64_t most = (~uint64_t{0} >> (64 - bits)) >> (is_signed ? 1 : 0);
  const bool negative = !value.is_number_unsigned() && value.get<int64_t>() < 0;
  const bool fits = negative ? is_signed && value.get<int64_t>() >= -static_cast<int64_t>(most) - 1
                             : value.get<uint64_t>() <= most;
  if (!fits) {
    bad_input("{} is {}; it must fit {} bits, {}", where, text_of_json(value), bits,
              is_signed ? "signed" : "unsigned");
  }
  std::vector<std::byte> bytes = bytes_of_value(
      negative ? static_cast<uint64_t>(value.get<int64_t>()) : value.get<uint64_t>());
  bytes.resize(static_cast<size_t>(bits / 8));  // little end first, as on the GPU
  return bytes;
}

std::vector<std::byte> bytes_of_param(const std::string& type, const Json& value,
                                      const std::string& where) {
  struct Row {
    const char* name;
    int bits;
    bool is_signed;
  };
  static constexpr Row kIntegers[] = {{"u8", 8, false},   {"u16", 16, false}, {"u32", 32, false},
                                      {"u64", 64, false}, {"s8", 8, true},    {"s16", 16, true},
                                      {"s32", 32, true},  {"s64", 64, true},  {"b8", 8, false},
                                      {"b16", 16, false}, {"b32", 32, false}, {"b64", 64, false}};
  for (const Row& row : kIntegers) {
    if (type == row.name) return bytes_of_integer(value, where, row.bits, row.is_signed);
  }
  const double number = to_number(value, where);
  if (type == "f64") return bytes_of_value(number);
  const auto single = static_cast<float>(number);
  if (type == "f32") return bytes_of_value(single);
  if (type == "bf16") return bytes_of_value(float_to_bfloat16(single));
  if (type == "f16") return bytes_of_value(float_to_float16(single));
  bad_input(
      "{} has the type {}; it must be u, s or b with 8, 16, 32 or 64 bits, f16, bf16, f32 or f64",
      where, printable(type));
}

// The buffer that a parameter points into, and how far: of the parameter itself or of its tensor map.
void read_buffer_reference(const Json& item, const std::string& where, SpecParam* param) {
  if (!item.contains("buffer")) bad_input("{} names no buffer", where);
  param->buffer = to_text(item["buffer"], where + ".buffer");
  if (param->buffer.empty()) bad_input("{}.buffer is empty", where);
  if (!item.contains("byte_offset")) return;
  param->byte_offset = static_cast<int64_t>(
      to_unsigned(item["byte_offset"], where + ".byte_offset", uint64_t{1} << 40));
}

SpecParam read_param(const Json& item, const std::string& where) {
  check_members(item, where, {"offset", "type", "value", "buffer", "byte_offset", "tensor_map"});
  constexpr uint64_t kMostParams = 32764;  // bytes of all parameters, of the newest GPUs
  SpecParam param;
  if (!item.contains("offset")) bad_input("{} has no offset", where);
  param.offset = to_unsigned(item["offset"], where + ".offset", kMostParams);
  if (item.contains("tensor_map")) {
    for (const char* other : {"type", "value", "buffer", "byte_offset"}) {
      if (item.contains(other)) bad_input("{} is a tensor map and has a {}", where, other);
    }
    param.tensor_map = read_spec_tensor_map(item["tensor_map"], where + ".tensor_map");
    read_buffer_reference(item["tensor_map"], where + ".tensor_map", &param);
    return param;
  }
  if (item.contains("buffer") == item.contains("value")) {
    bad_input("{} must have either a value with its type, a buffer or a tensor_map", where);
  }
  if (item.contains("buffer")) {
    if (item.contains("type")) bad_input("{} is a buffer's address and has no type", where);
    read_buffer_reference(item, where, &param);
    return param;
  }
  if (item.contains("byte_offset")) bad_input("{} has a byte_offset but no buffer", where);
  if (!item.contains("type")) bad_input("{} has a value but no type", where);
  param.bytes = bytes_of_param(to_text(item["type"], where + ".type"), item["value"], where);
  return param;
}

Json parse_spec(const std::string& path) {
  Json spec = Json::parse(read_text_file(path, kMostSpecBytes), nullptr, false);
  if (spec.is_discarded()) bad_input("{} is not JSON", path);
  return spec;
}

void check_references(LaunchSpec& spec) {
  uint64_t end = 0;
  for (const SpecParam& param : spec.params) {
    if (param.offset < end) {
      bad_input("a parameter at offset {} lies over the one before it, which ends at {}",
                param.offset, end);
    }
    end = param.offset + param.size();
    if (param.buffer.empty()) continue;
    const SpecBuffer* buffer = spec.find(param.buffer);
    if (buffer == nullptr) {
      bad_input("the parameter at offset {} names the buffer {}, which is not there", param.offset,
                printable(param.buffer));
    }
    if (param.byte_offset > buffer->tensor.num_bytes()) {
      bad_input("the parameter at offset {} points {} bytes into the buffer {}, which has {}",
                param.offset, param.byte_offset, printable(param.buffer),
                buffer->tensor.num_bytes());
    }
  }
  for (const std::string& name : spec.outputs) {
    if (spec.find(name) == nullptr) {
      bad_input("outputs names the buffer {}, which is not there", printable(name));
    }
  }
}

}  // namespace

SpecBuffer* LaunchSpec::find(const std::string& name) {
  const auto found = std::find_if(buffers.begin(), buffers.end(),
                                  [&](const SpecBuffer& buffer) { return buffer.name == name; });
  return found == buffers.end() ? nullptr : &*found;
}

LaunchSpec read_launch_spec(const std::string& path) {
  const Json json = parse_spec(path);
  check_members(json, path,
                {"entry", "grid", "block", "cluster", "dynamic_shared_bytes", "params", "buffers",
                 "outputs", "labels"});
  LaunchSpec spec;
  if (!json.contains("entry")) bad_input("{} has no entry, the kernel's name", path);
  spec.entry = to_text(json["entry"], "entry");
  spec.grid = to_extents(json, "grid");
  spec.block = to_extents(json, "block");
  spec.cluster = to_extents(json, "cluster");
  if (json.contains("dynamic_shared_bytes")) {
    spec.dynamic_shared_bytes = to_word(json["dynamic_shared_bytes"], "dynamic_shared_bytes");
  }
  const Json params = json.value("params", Json::array());
  if (!params.is_array()) bad_input("params is {}; it must be a list", text_of_json(params));
  for (size_t i = 0; i < params.size(); ++i) {
    spec.params.push_back(read_param(params[i], fmt::format("params[{}]", i)));
  }
  std::stable_sort(spec.params.begin(), spec.params.end(),
                   [](const SpecParam& a, const SpecParam& b) { return a.offset < b.offset; });
  const Json buffers = json.value("buffers", Json::object());
  if (!buffers.is_object()) bad_input("buffers is {}; it must be an object", text_of_json(buffers));
  for (const auto& [name, item] : buffers.items()) {
    const std::string where = "buffer " + printable(name);
    Tensor tensor = read_spec_buffer(item, where, std::filesystem::path(path).parent_path());
    const bool writable =
        !item.contains("writable") || to_flag(item["writable"], where + ".writable");
    spec.buffers.push_back({name, std::move(tensor), writable});
  }
  const Json outputs = json.value("outputs", Json::array());
  if (!outputs.is_array()) bad_input("outputs is {}; it must be a list", text_of_json(outputs));
  for (const Json& name : outputs) spec.outputs.push_back(to_text(name, "an output"));
  if (json.contains("labels")) read_labels(json["labels"], &spec.labels);
  check_references(spec);
  return spec;
}

std::vector<std::byte> param_bytes_of(LaunchSpec& spec, uint32_t entry_bytes) {
  std::vector<std::byte> bytes(entry_bytes);
  for (const SpecParam& param : spec.params) {
    if (param.offset + param.size() > entry_bytes) {
      bad_input("the parameter at offset {} ends at {}, but the parameters of {} have {} bytes",
                param.offset, param.offset + param.size(), printable(spec.entry), entry_bytes);
    }
    std::byte* to = bytes.data() + param.offset;
    if (param.tensor_map) continue;
    if (param.buffer.empty()) {
      std::copy(param.bytes.begin(), param.bytes.end(), to);
    } else {
      std::byte* base = spec.find(param.buffer)->tensor.storage().data();
      store_as(to, reinterpret_cast<uint64_t>(base + param.byte_offset));
    }
  }
  return bytes;
}

}  // namespace fa4::cli
