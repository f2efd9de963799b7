// SPDX-License-Identifier: Apache-2.0
#include "random_case.h"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "random.h"

namespace fa4::cli {
namespace {

constexpr int64_t kLongest = 2048;
constexpr int64_t kThreeTiles = 3 * 64;  // both lengths beyond this cross three tiles of 64 rows
constexpr double kMostWork = 0x1p28;     // of B*H*Sq*Sk*(D+Dv)

class Drawing {
 public:
  Drawing(uint64_t seed, uint64_t index) : random_(seed, index) {
    item_.seed = seed;
    item_.index = index;
  }

  Case draw() {
    item_.type = random_.pick({ElementType::Float32, ElementType::BFloat16, ElementType::Float16});
    draw_shape();
    draw_kind();
    draw_options();
    draw_layouts();
    item_.check_threads = random_.chance(0.1);
    item_.own_workspace = random_.chance(0.5);
    return std::move(item_);
  }

 private:
  int64_t draw_length(bool is_long) {
    if (is_long) return random_.log_uniform(kThreeTiles + 1, kLongest);
    const double kind = random_.uniform();
    if (kind < 0.03) return 0;
    if (kind < 0.11) return 1;
    if (kind < 0.35)
      return random_.pick<int64_t>({8, 16, 32, 64, 128, 256, 512}) + random_.integer(-1, 1);
    return random_.log_uniform(1, kLongest);
  }

  int64_t draw_dim() {
    const double kind = random_.uniform();
    if (kind < 0.5) return random_.pick<int64_t>({16, 32, 64, 64, 96, 128, 128, 192, 256});
    if (kind < 0.6) return random_.integer(1, 5);
    return random_.log_uniform(1, 512);
  }

  double work() const {
    const DenseShape& shape = item_.shape;
    return static_cast<double>(shape.batch * shape.heads * (shape.head_dim + shape.value_dim)) *
           static_cast<double>(shape.seq_q) * static_cast<double>(shape.seq_k);
  }

  // Lengths stay as they were drawn; everything else gives way to the budget.
  void draw_shape() {
    DenseShape& shape = item_.shape;
    const bool is_long = random_.chance(0.42);
    shape.seq_q = draw_length(is_long);
    shape.seq_k = draw_length(is_long);
    shape.batch = random_.pick<int64_t>({1, 1, 2, 3, 5});
    shape.kv_heads = random_.pick<int64_t>({1, 1, 2, 2, 3, 4});
    int64_t group = random_.pick<int64_t>({1, 1, 1, 2, 3, 4, 8});
    shape.head_dim = draw_dim();
    shape.value_dim = random_.chance(0.7) ? shape.head_dim : draw_dim();
    const double pairs = static_cast<double>(shape.seq_q) * static_cast<double>(shape.seq_k);
    const double budget = std::clamp(std::exp2(20 + 8 * random_.uniform()),
                                     std::min(pairs * 2, kMostWork), kMostWork);
    for (shape.heads = shape.kv_heads * group; work() > budget;
         shape.heads = shape.kv_heads * group) {
      int64_t* const sizes[] = {&shape.batch, &shape.kv_heads, &group, &shape.head_dim,
                                &shape.value_dim};
      int64_t* const size = sizes[random_.integer(0, 4)];
      *size = std::max<int64_t>(1, *size / 2);
    }
  }

  std::vector<int32_t> draw_lengths(int64_t longest) {
    std::vector<int32_t> lengths;
    for (int64_t b = 0; b < item_.shape.batch; ++b) {
      const double kind = random_.uniform();
      const int64_t length = kind < 0.15  ? 0
                             : kind < 0.5 ? longest
                                          : random_.integer(longest / 2, longest);
      lengths.push_back(static_cast<int32_t>(length));
    }
    return lengths;
  }

  // Sequences one after the other, sometimes with rows of no sequence around them.
  std::vector<int32_t> draw_cu_seqlens(int64_t longest) {
    std::vector<int32_t> cu_seqlens{
        random_.chance(0.2) ? static_cast<int32_t>(random_.integer(1, 9)) : 0};
    for (const int32_t length : draw_lengths(longest))
      cu_seqlens.push_back(cu_seqlens.back() + length);
    return cu_seqlens;
  }

  // query_lengths or key_lengths within the sequences that are there.
  std::vector<int32_t> draw_shortened(const std::vector<int32_t>& cu_seqlens, int64_t longest) {
    std::vector<int32_t> lengths = draw_lengths(longest);
    for (size_t b = 0; b < lengths.size() && !cu_seqlens.empty(); ++b) {
      lengths[b] = std::min(lengths[b], cu_seqlens[b + 1] - cu_seqlens[b]);
    }
    return lengths;
  }

  void draw_kind() {
    const double kind = random_.uniform();
    const bool paged = kind < 0.1;
    item_.packed_q = paged ? random_.chance(0.3) : kind < 0.32;
    item_.packed_k = !paged && kind < 0.32;
    const bool with_lengths = kind < 0.48;
    if (paged) draw_pages();
    if (item_.packed_q) item_.cu_seqlens_q = draw_cu_seqlens(item_.shape.seq_q);
    if (item_.packed_k) item_.cu_seqlens_k = draw_cu_seqlens(item_.shape.seq_k);
    if (with_lengths && random_.chance(0.6)) {
      item_.query_lengths = draw_shortened(item_.cu_seqlens_q, item_.shape.seq_q);
    }
    if (with_lengths && random_.chance(0.7)) {
      item_.key_lengths = draw_shortened(item_.cu_seqlens_k, item_.shape.seq_k);
    }
    if (item_.packed_q && random_.chance(0.5)) item_.options.max_seq_q = item_.shape.seq_q;
    if (item_.packed_k && random_.chance(0.5)) item_.options.max_seq_k = item_.shape.seq_k;
    item_.backward = !paged && random_.chance(0.75);
  }

  // Pages in any order, some shared by sequences, some used by none.
  void draw_pages() {
    item_.page_size = random_.pick<int64_t>({1, 3, 16, 16, 64, 128});
    const int64_t columns = (item_.shape.seq_k + item_.page_size - 1) / item_.page_size;
    item_.shape.seq_k = columns * item_.page_size;
    const int64_t used = item_.shape.batch * columns;
    item_.num_pages = used + random_.integer(used == 0 ? 1 : 0, 3);
    std::vector<int32_t> pages(static_cast<size_t>(item_.num_pages));
    std::iota(pages.begin(), pages.end(), 0);
    for (size_t i = pages.size(); i > 1; --i) {
      std::swap(pages[i - 1],
                pages[static_cast<size_t>(random_.integer(0, static_cast<int64_t>(i) - 1))]);
    }
    item_.page_table.assign(pages.begin(), pages.begin() + used);
    for (int32_t& page : item_.page_table) {
      if (random_.chance(0.02)) page = pages.front();
    }
  }

  int64_t draw_window_bound(int64_t longest) {
    const double kind = random_.uniform();
    if (kind < 0.2) return -1;
    if (kind < 0.35) return 0;
    return random_.log_uniform(1, 2 * longest + 2);
  }

  void draw_options() {
    Options& options = item_.options;
    const double mask = random_.uniform();
    if (mask < 0.25) {
      options.causal = true;
    } else if (mask < 0.6) {
      options.causal = mask < 0.35;
      options.window_left = draw_window_bound(item_.shape.seq_k);
      if (!options.causal) options.window_right = draw_window_bound(item_.shape.seq_k);
    }
    if (random_.chance(0.15)) options.softcap = random_.pick({1.0, 5.0, 30.0, 50.0});
    if (random_.chance(0.15)) {
      const double unit = 1 / std::sqrt(static_cast<double>(item_.shape.head_dim));
      options.scale = random_.pick({0.0, -1.0, 0.1, 0.5, 1.7, 2.9}) * unit;
    }
    item_.sink = random_.chance(0.15);
    item_.dlse = item_.backward && random_.chance(0.25);
    if (random_.chance(0.25)) {
      item_.values = random_.pick({Values::RisingMaxima, Values::HugeLogits, Values::EqualRows,
                                   Values::OneHot, Values::Tiny});
    }
    options.deterministic = random_.chance(0.1);
    if (random_.chance(0.06)) options.num_splits = static_cast<int32_t>(random_.integer(1, 5));
  }

  Layout draw_margin() {
    Layout layout;
    layout.margin = random_.integer(16, 80);
    return layout;
  }

  // Dimensions but the last in any order, with gaps.
  Layout draw_layout(const Shape& shape) {
    Layout layout = draw_margin();
    layout.order.resize(shape.size() - 1);
    std::iota(layout.order.begin(), layout.order.end(), 0);
    for (size_t i = layout.order.size(); i > 1; --i) {
      std::swap(layout.order[i - 1],
                layout.order[static_cast<size_t>(random_.integer(0, static_cast<int64_t>(i) - 1))]);
    }
    layout.gaps.resize(shape.size());
    for (size_t i = 0; i < shape.size(); ++i) {
      if (random_.chance(0.5))
        layout.gaps[i] = random_.integer(0, std::max<int64_t>(2, shape[i] / 8));
    }
    if (random_.chance(0.3)) layout.gaps.back() = (-shape.back()) & 15;  // rows aligned again
    layout.wild_unit_strides = random_.chance(0.1);
    return layout;
  }

  Layout draw_input_layout(const Shape& shape) {
    Layout layout = draw_layout(shape);
    layout.broadcast.resize(shape.size());
    if (random_.chance(0.1)) layout.broadcast[0] = true;
    if (random_.chance(0.1)) layout.broadcast[shape.size() - 2] = true;
    return layout;
  }

  void draw_layouts() {
    const DenseShape& shape = item_.shape;
    Case::InputLayouts& in = item_.inputs;
    ResultLayouts& out = item_.results;
    for (Layout* layout : {&in.q, &in.k, &in.v, &in.dout, &in.dlse, &in.sink, &in.integers,
                           &out.out, &out.lse, &out.dq, &out.dk, &out.dv, &out.dsink}) {
      *layout = draw_margin();
    }
    if (random_.chance(0.45)) return;  // compact, but for the margins
    const auto rows = [](bool packed, int64_t batch, int64_t length, int64_t heads, int64_t dim) {
      return packed ? Shape{length, heads, dim} : Shape{batch, length, heads, dim};
    };
    const auto q_rows = [&](int64_t dim) {
      return rows(item_.packed_q, shape.batch, shape.seq_q, shape.heads, dim);
    };
    const auto k_rows = [&](int64_t dim) {
      return rows(item_.packed_k, shape.batch, shape.seq_k, shape.kv_heads, dim);
    };
    const Shape lse = item_.packed_q ? Shape{shape.heads, shape.seq_q}
                                     : Shape{shape.batch, shape.heads, shape.seq_q};
    in.q = draw_input_layout(q_rows(shape.head_dim));
    in.k = draw_input_layout(k_rows(shape.head_dim));
    in.v = draw_input_layout(k_rows(shape.value_dim));
    in.dout = draw_input_layout(q_rows(shape.value_dim));
    in.dlse = draw_layout(lse);
    out.out = draw_layout(q_rows(shape.value_dim));
    out.lse = draw_layout(lse);
    out.dq = draw_layout(q_rows(shape.head_dim));
    out.dk = draw_layout(k_rows(shape.head_dim));
    out.dv = draw_layout(k_rows(shape.value_dim));
  }

  Random random_;
  Case item_;
};

}  // namespace

Case random_case(uint64_t seed, uint64_t index) { return Drawing(seed, index).draw(); }

Case dense_case(const DenseShape& shape, ElementType type, const Options& options, bool backward,
                uint64_t seed) {
  Case item;
  item.seed = seed;
  item.type = type;
  item.shape = shape;
  item.options = options;
  item.backward = backward;
  constexpr int64_t kMargin = 64;
  for (Layout* layout :
       {&item.inputs.q, &item.inputs.k, &item.inputs.v, &item.inputs.dout, &item.results.out,
        &item.results.lse, &item.results.dq, &item.results.dk, &item.results.dv}) {
    layout->margin = kMargin;
  }
  return item;
}

}  // namespace fa4::cli
