// SPDX-License-Identifier: Apache-2.0
#include "support/troublemakers.h"

namespace fa4::test {
namespace {

// Gives every case of a list its type and a seed of its own.
std::vector<Case> finish(std::vector<Case> cases, Dtype dtype) {
  uint64_t seed = 1;
  for (Case& c : cases) {
    c.dtype = dtype;
    c.seed = seed++;
  }
  return cases;
}

// A case that crosses several tiles both ways, for one feature to be added.
Case base() {
  return {.batch = 2, .heads = 4, .kv_heads = 2, .seq_q = 75, .seq_k = 203, .head_dim = 40};
}

}  // namespace

std::vector<Case> troublesome_shapes(Dtype dtype) {
  std::vector<Case> cases;
  for (const int64_t rows : {1, 2, 3, 5, 15, 16, 17, 23, 24, 25, 63, 64, 65, 127, 128, 129}) {
    cases.push_back({.heads = 2, .kv_heads = 2, .seq_q = rows, .seq_k = rows, .causal = true});
    cases.push_back({.heads = 2, .kv_heads = 1, .seq_q = rows, .seq_k = 130 - rows});
  }
  for (const int64_t keys : {255, 256, 257, 511, 512, 513}) {
    cases.push_back({.heads = 2, .kv_heads = 2, .seq_q = 33, .seq_k = keys, .causal = true});
    cases.push_back({.heads = 2, .kv_heads = 1, .seq_q = keys, .seq_k = 65});
  }
  // Causal is aligned to the bottom right: with more queries than keys the first rows see no key.
  cases.push_back({.heads = 2, .kv_heads = 2, .seq_q = 300, .seq_k = 70, .causal = true});
  cases.push_back({.heads = 2, .kv_heads = 2, .seq_q = 70, .seq_k = 300, .causal = true});
  cases.push_back({.heads = 2, .kv_heads = 2, .seq_q = 129, .seq_k = 1, .causal = true});
  for (const int64_t queries : {1, 2, 4}) {  // decode: the keys may be split
    cases.push_back({.heads = 8, .kv_heads = 2, .seq_q = queries, .seq_k = 3001, .head_dim = 64});
    cases.push_back({.heads = 1, .kv_heads = 1, .seq_q = queries, .seq_k = 2048, .causal = true});
  }
  for (const int64_t dim :
       {1, 2, 3, 7, 8, 9, 16, 31, 33, 40, 64, 65, 80, 96, 128, 192, 256, 511, 512}) {
    cases.push_back(
        {.heads = 2, .kv_heads = 1, .seq_q = 37, .seq_k = 101, .head_dim = dim, .causal = true});
  }
  const int64_t dims[][2] = {{192, 128}, {128, 192}, {64, 1}, {1, 64},
                             {33, 80},   {512, 8},   {3, 512}};
  for (const auto& [dim, value_dim] : dims) {
    cases.push_back({.heads = 2,
                     .kv_heads = 2,
                     .seq_q = 29,
                     .seq_k = 90,
                     .head_dim = dim,
                     .value_dim = value_dim});
  }
  const int64_t heads[][2] = {{8, 1}, {8, 2}, {7, 7}, {6, 3}, {5, 1}, {16, 16}, {32, 1}};
  for (const auto& [q_heads, kv_heads] : heads) {
    cases.push_back({.batch = 2,
                     .heads = q_heads,
                     .kv_heads = kv_heads,
                     .seq_q = 19,
                     .seq_k = 70,
                     .head_dim = 32,
                     .causal = true});
  }
  cases.push_back({.batch = 0, .heads = 2, .kv_heads = 2, .seq_q = 8, .seq_k = 8});
  cases.push_back({.batch = 2, .heads = 2, .kv_heads = 2, .seq_q = 0, .seq_k = 8});
  cases.push_back({.batch = 2, .heads = 2, .kv_heads = 2, .seq_q = 8, .seq_k = 0});
  cases.push_back({.batch = 17, .heads = 1, .kv_heads = 1, .seq_q = 3, .seq_k = 5, .head_dim = 16});
  return finish(cases, dtype);
}

std::vector<Case> troublesome_features(Dtype dtype) {
  std::vector<Case> cases;
  const auto with = [&cases](auto&& change) {
    for (const bool causal : {false, true}) {
      Case c = base();
      c.causal = causal;
      change(c);
      cases.push_back(c);
    }
  };
  const int64_t windows[][2] = {{0, 0}, {16, -1}, {64, 64}, {-1, 3}, {5, 0}, {1000000, 1000000}};
  for (const auto& [left, right] : windows) {
    Case c = base();
    c.window_left = left;
    c.window_right = right;
    cases.push_back(c);
    std::swap(c.seq_q, c.seq_k);
    c.sink = true;  // rows that see no key have the sink's logit as lse
    cases.push_back(c);
  }
  with([](Case& c) { c.softcap = 0.5; });
  with([](Case& c) { c.softcap = 30; });
  with([](Case& c) { c.scale = -0.3; });
  with([](Case& c) { c.scale = 0; });
  with([](Case& c) { c.scale = 1.5; });
  with([](Case& c) { c.sink = true; });
  with([](Case& c) { c.dlse = true; });
  with([](Case& c) { c.sink = c.dlse = true, c.softcap = 5, c.seq_q = 203, c.seq_k = 75; });
  for (const Layout layout : {Layout::HeadsFirst, Layout::Padded, Layout::Odd, Layout::Broadcast}) {
    with([&](Case& c) { c.layout = layout; });
    with([&](Case& c) { c.layout = layout, c.packed = true, c.batch = 5; });
  }
  with([](Case& c) { c.packed = true, c.batch = 7; });
  with([](Case& c) {
    c.packed = true, c.batch = 4, c.lengths_q = {0, 1, 75, 3}, c.lengths_k = {5, 0, 1, 203};
  });
  with([](Case& c) {
    c.packed = c.query_lengths = c.key_lengths = c.sink = c.dlse = true, c.batch = 6;
  });
  with([](Case& c) {
    c.packed = true, c.batch = 3, c.lengths_q = {0, 0, 0}, c.lengths_k = {0, 0, 0};
  });
  with([](Case& c) { c.query_lengths = true, c.batch = 6; });
  with([](Case& c) { c.key_lengths = c.dlse = true, c.batch = 6; });
  with([](Case& c) { c.key_lengths = true, c.lengths_k = {0, 1}; });
  with([](Case& c) { c.query_lengths = c.key_lengths = true, c.softcap = 2, c.batch = 9; });
  for (const int64_t page_size : {1, 7, 16, 64, 256}) {
    with([&](Case& c) { c.page_size = page_size, c.backward = false, c.batch = 5; });
    with([&](Case& c) {
      c.page_size = page_size, c.backward = false, c.sink = c.packed = true, c.batch = 4;
      c.layout = Layout::Odd;
    });
  }
  with([](Case& c) { c.deterministic = c.batch_invariant = true; });
  return finish(cases, dtype);
}

std::vector<Case> structured_inputs(Dtype dtype) {
  std::vector<Case> cases;
  for (const Input input : {Input::Random, Input::RisingMaxima, Input::HugeLogits, Input::OneHot,
                            Input::EqualRows, Input::NegativeZero, Input::Denormals}) {
    for (const bool causal : {false, true}) {
      cases.push_back({.heads = 2,
                       .kv_heads = 1,
                       .seq_q = 150,
                       .seq_k = 700,
                       .head_dim = 64,
                       .causal = causal,
                       .input = input});
      cases.push_back({.heads = 4,
                       .kv_heads = 2,
                       .seq_q = 65,
                       .seq_k = 33,
                       .head_dim = 24,
                       .causal = causal,
                       .input = input});
    }
  }
  return finish(cases, dtype);
}

}  // namespace fa4::test
