// SPDX-License-Identifier: Apache-2.0
// Problems for verify: drawn from (seed, index) alone, or given by a shape.
#pragma once

#include <array>
#include <bitset>
#include <cstdint>
#include <string_view>
#include <vector>

#include "attention.h"
#include "options.h"

namespace fa4::cli {

// What q, k, v and dout hold.
enum class Values : uint8_t { Normal, RisingMaxima, HugeLogits, EqualRows, OneHot, Tiny };
std::string_view name_of(Values values);

// One problem, without its values.
struct Case {
  uint64_t seed = 1;
  uint64_t index = 0;
  ElementType type = ElementType::Float32;
  DenseShape shape;  // packed: lengths are upper bounds
  bool packed_q = false, packed_k = false;
  int64_t page_size = 0, num_pages = 0;  // page_size 0: not paged
  std::vector<int32_t> cu_seqlens_q, cu_seqlens_k;
  std::vector<int32_t> query_lengths, key_lengths;  // empty: not given
  std::vector<int32_t> page_table;                  // [batch, seq_k / page_size]
  bool sink = false, dlse = false, backward = false;
  Values values = Values::Normal;
  Options options;
  struct InputLayouts {
    Layout q, k, v, dout, dlse, sink, integers;
  } inputs;
  ResultLayouts results;
  bool check_threads = false;  // once more with one thread, bits compared
  bool own_workspace = false;  // poisoned and guarded, instead of the library's own
};

Case random_case(uint64_t seed, uint64_t index);
Case dense_case(const DenseShape& shape, ElementType type, const Options& options, bool backward,
                uint64_t seed);

// Values of the case's rows that count, everything around them poisoned. Other draws give other values
// of the same kind.
Inputs make_inputs(const Case& item, uint64_t draw);

// Whether each row of q, flattened over batch or packing, belongs to a sequence.
std::vector<bool> live_query_rows(const Inputs& inputs);

enum class Feature : uint8_t {
  Fp32,
  Bf16,
  Fp16,
  Backward,
  Packed,
  QueryLengths,
  KeyLengths,
  Paged,
  Grouped,
  Causal,
  Window,
  Softcap,
  Sink,
  Scale,
  Dlse,
  ValueDim,
  OddDim,
  Empty,
  Lonely,
  OneQuery,
  ThreeTiles,
  Strided,
  Broadcast,
  Structured,
  Threads,
  Workspace,
  Splits,
  Count
};
inline constexpr size_t kNumFeatures = static_cast<size_t>(Feature::Count);
using Features = std::bitset<kNumFeatures>;

struct FeatureName {
  std::string_view code;  // for the table of pairs
  std::string_view text;
};
extern const std::array<FeatureName, kNumFeatures> kFeatureNames;

Features features_of(const Case& item, const Inputs& inputs);

}  // namespace fa4::cli
