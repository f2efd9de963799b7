// SPDX-License-Identifier: Apache-2.0
// The buffers of a SPEC.json: tensors of files, and filled ones.
#include <limits>

#include "error.h"
#include "random.h"
#include "safetensors.h"
#include "spec_json.h"

namespace fa4::cli {
namespace {

constexpr int64_t kMostFilledBytes = int64_t{1} << 34;

ElementType buffer_type(const std::string& name, const std::string& where) {
  static constexpr std::pair<const char*, ElementType> kNames[] = {
      {"f64", ElementType::Float64}, {"f32", ElementType::Float32}, {"bf16", ElementType::BFloat16},
      {"f16", ElementType::Float16}, {"i64", ElementType::Int64},   {"i32", ElementType::Int32}};
  for (const auto& [known, type] : kNames) {
    if (name == known) return type;
  }
  bad_input("{} is {}; it must be f64, f32, bf16, f16, i64 or i32", where, printable(name));
}

// Of floating types N(0, 1); of integers any bits.
void fill_at_random(Tensor* tensor, uint64_t seed) {
  Random random(seed);
  for (int64_t i = 0; i < tensor->num_elements(); ++i) {
    std::byte* at = tensor->storage().data() + i * size_of(tensor->type());
    if (is_floating(tensor->type())) {
      store_element(at, tensor->type(), random.normal());
    } else if (tensor->type() == ElementType::Int64) {
      store_as(at, random.next());
    } else {
      store_as(at, static_cast<uint32_t>(random.next() >> 32));
    }
  }
}

void fill_with_poison(Tensor* tensor) {
  for (int64_t i = 0; i < tensor->num_elements(); ++i) {
    store_poison(tensor->storage().data() + i * size_of(tensor->type()), tensor->type(), i);
  }
}

Tensor fill_buffer(const Json& fill, const std::string& where) {
  check_members(fill, where, {"dtype", "shape", "value", "random", "poison", "zeros"});
  if (!fill.contains("dtype") || !fill.contains("shape")) {
    bad_input("{} must have a dtype and a shape", where);
  }
  const ElementType type = buffer_type(to_text(fill["dtype"], where + ".dtype"), where + ".dtype");
  if (!fill["shape"].is_array()) {
    bad_input("{}.shape is {}; it must be a list of integers", where, text_of_json(fill["shape"]));
  }
  Shape shape;
  for (const Json& size : fill["shape"]) {
    shape.push_back(static_cast<int64_t>(
        to_unsigned(size, "a size in " + where, static_cast<uint64_t>(kMostFilledBytes))));
  }
  const int64_t elements = count_elements(shape);
  if (elements < 0 || elements > kMostFilledBytes / size_of(type)) {
    bad_input("{} has the shape {}; it may have at most {} bytes", where, shape_text(shape),
              kMostFilledBytes);
  }
  int ways = 0;
  for (const char* way : {"value", "random", "poison", "zeros"}) ways += fill.contains(way);
  if (ways != 1) bad_input("{} must have one of value, random, poison and zeros", where);
  Tensor tensor(type, shape);
  if (fill.contains("value")) tensor.fill(to_number(fill["value"], where + ".value"));
  if (fill.contains("random")) {
    fill_at_random(&tensor, to_unsigned(fill["random"], where + ".random",
                                        std::numeric_limits<uint64_t>::max()));
  }
  for (const char* flag : {"poison", "zeros"}) {
    if (fill.contains(flag) && !to_flag(fill[flag], where + "." + flag)) {
      bad_input("{}.{} is false; leave it out", where, flag);
    }
  }
  if (fill.contains("poison")) fill_with_poison(&tensor);
  if (fill.contains("zeros")) tensor.fill(0);
  return tensor;
}

}  // namespace

Tensor read_spec_buffer(const Json& item, const std::string& where,
                        const std::filesystem::path& folder) {
  check_members(item, where, {"file", "tensor", "fill", "writable"});
  if (item.contains("file") == item.contains("fill")) {
    bad_input("{} must have either a file and a tensor or a fill", where);
  }
  if (item.contains("fill")) {
    if (item.contains("tensor")) bad_input("{} has a fill and a tensor", where);
    return fill_buffer(item["fill"], where + ".fill");
  }
  if (!item.contains("tensor")) bad_input("{} has a file but no tensor", where);
  const std::string file = to_text(item["file"], where + ".file");
  const std::string name = to_text(item["tensor"], where + ".tensor");
  Archive archive = read_safetensors_file((folder / file).string());
  for (const ForeignTensor& foreign : archive.foreign) {
    if (foreign.name != name) continue;
    bad_input("{}: tensor {} has dtype {}; served are F64, F32, BF16, F16, I64 and I32", where,
              printable(name), foreign.type);
  }
  Tensor* found = archive.find(name);
  if (found == nullptr) {
    bad_input("{}: there is no tensor {} in {}", where, printable(name), printable(file));
  }
  return std::move(*found);
}

}  // namespace fa4::cli
