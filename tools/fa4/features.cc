// SPDX-License-Identifier: Apache-2.0
// What a case exercises, for the tables that verify prints.
#include <algorithm>
#include <cmath>

#include "random_case.h"

namespace fa4::cli {

const std::array<FeatureName, kNumFeatures> kFeatureNames = {{
    {"f32", "fp32"},
    {"b16", "bf16"},
    {"f16", "fp16"},
    {"bwd", "backward"},
    {"pak", "packed sequences"},
    {"qln", "query_lengths"},
    {"kln", "key_lengths"},
    {"pag", "paged keys and values"},
    {"gqa", "several query heads per key/value head"},
    {"cau", "causal"},
    {"win", "window"},
    {"cap", "softcap"},
    {"snk", "sink"},
    {"scl", "scale given"},
    {"dls", "dlse"},
    {"dv", "Dv differs from D"},
    {"odd", "D not a multiple of 16"},
    {"emp", "a sequence without queries or keys"},
    {"lon", "a row that sees no key"},
    {"one", "one query row"},
    {"3t", "both lengths cross three tiles"},
    {"str", "strides, gaps, permuted dimensions"},
    {"bro", "broadcast inputs (stride 0)"},
    {"val", "structured values"},
    {"thr", "bits compared over thread counts"},
    {"wsp", "guarded workspace"},
    {"spl", "num_splits given"},
}};

std::string_view name_of(Values values) {
  switch (values) {
    case Values::Normal:
      return "normal values";
    case Values::RisingMaxima:
      return "rising maxima";
    case Values::HugeLogits:
      return "huge logits";
    case Values::EqualRows:
      return "equal rows";
    case Values::OneHot:
      return "one-hot rows";
    case Values::Tiny:
      return "tiny values";
  }
  return "";
}

namespace {

bool has_broadcast(const Layout& layout) {
  return std::find(layout.broadcast.begin(), layout.broadcast.end(), true) !=
         layout.broadcast.end();
}

// Whether the first or the last row sees nothing: the rows between see no less than the poorer of them
// unless the window is wholly beside the keys.
bool has_lonely_row(const Sequence& sequence, const Options& options) {
  const int64_t right = options.causal ? 0 : options.window_right;
  const int64_t shift = sequence.key_length - sequence.query_length;
  for (const int64_t i : {int64_t{0}, sequence.query_length - 1}) {
    const int64_t begin =
        options.window_left < 0 ? 0 : std::max<int64_t>(0, i + shift - options.window_left);
    const int64_t end =
        right < 0 ? sequence.key_length : std::min(sequence.key_length, i + shift + right + 1);
    if (begin >= end) return true;
  }
  return false;
}

}  // namespace

Features features_of(const Case& item, const Inputs& inputs) {
  constexpr int64_t kTile = 64;
  Features features;
  const auto set = [&](Feature feature, bool value = true) {
    if (value) features.set(static_cast<size_t>(feature));
  };
  set(item.type == ElementType::Float32    ? Feature::Fp32
      : item.type == ElementType::BFloat16 ? Feature::Bf16
                                           : Feature::Fp16);
  set(Feature::Backward, item.backward);
  set(Feature::Packed, item.packed_q);
  set(Feature::QueryLengths, !item.query_lengths.empty());
  set(Feature::KeyLengths, !item.key_lengths.empty());
  set(Feature::Paged, item.page_size > 0);
  set(Feature::Grouped, item.shape.heads > item.shape.kv_heads);
  set(Feature::Causal, item.options.causal);
  set(Feature::Window, item.options.window_left >= 0 || item.options.window_right >= 0);
  set(Feature::Softcap, item.options.softcap > 0);
  set(Feature::Sink, item.sink);
  set(Feature::Scale, !std::isnan(item.options.scale));
  set(Feature::Dlse, item.dlse);
  set(Feature::ValueDim, item.shape.head_dim != item.shape.value_dim);
  set(Feature::OddDim, item.shape.head_dim % 16 != 0);
  for (const Sequence& sequence : sequences_of(inputs)) {
    const bool empty = sequence.query_length == 0 || sequence.key_length == 0;
    set(Feature::Empty, empty);
    set(Feature::Lonely, sequence.query_length > 0 && has_lonely_row(sequence, item.options));
    set(Feature::OneQuery, sequence.query_length == 1);
    set(Feature::ThreeTiles, sequence.query_length > 3 * kTile && sequence.key_length > 3 * kTile);
  }
  set(Feature::Strided, !item.inputs.q.order.empty());
  set(Feature::Broadcast, has_broadcast(item.inputs.q) || has_broadcast(item.inputs.k) ||
                              has_broadcast(item.inputs.v) || has_broadcast(item.inputs.dout));
  set(Feature::Structured, item.values != Values::Normal);
  set(Feature::Threads, item.check_threads);
  set(Feature::Workspace, item.own_workspace);
  set(Feature::Splits, item.options.num_splits > 0);
  return features;
}

}  // namespace fa4::cli
