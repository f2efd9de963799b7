// SPDX-License-Identifier: Apache-2.0
// Causal attention in C++: 2 heads, 128 queries and keys. All keys are equal, so query i averages the
// positions 0 to i, which the rows of v hold: i / 2.
// Build: c++ -std=c++20 attention.cc $(pkg-config --cflags --libs fa4)
#include <fa4/fa4.hpp>
#include <iostream>
#include <vector>

int main() try {
  const std::array<int64_t, 4> shape{1, 128, 2, 32};  // batch, rows, heads, dim
  const size_t size = 128 * 2 * 32;
  std::vector<float> q(size, 1), k(size, 1), v(size), out(size);
  for (size_t i = 0; i < size; ++i) v[i] = static_cast<float>(i / (2 * 32));
  const fa4::Problem problem{
      .q = {q.data(), shape}, .k = {k.data(), shape}, .v = {v.data(), shape}, .causal = true};
  const fa4::Plan plan(problem, FA4_PASS_FORWARD);
  plan.forward(problem, {.out = {out.data(), shape}});
  std::cout << plan.describe() << "\nrow 100 of out: " << out[100 * 2 * 32] << "\n";
} catch (const fa4::Error& error) {
  std::cerr << error.what() << "\n";
  return 1;
}
