// SPDX-License-Identifier: Apache-2.0
#include "api/overlap.h"

#include <algorithm>
#include <cstdint>
#include <vector>

namespace fa4::api {
namespace {

__extension__ using Wide = __int128;

// The bytes from which `a` and `b` start differ by sum(index * stride), each index in its own range. They
// share a byte when that sum can fall between `low` and `high`.
struct Term {
  Wide stride;  // bytes, > 0
  Wide least, most;
};

Wide floor_divide(Wide a, Wide b) { return a / b - (a % b != 0 && a < 0); }

// Strides fall and, in ordinary layouts, each exceeds what all smaller ones reach together: then there
// are one or two indices to try per term. `budget` bounds the search for the others.
bool can_reach(std::span<const Term> terms, Wide low, Wide high, int* budget) {
  if (--*budget < 0) return true;
  if (terms.empty()) return low <= 0 && 0 <= high;
  const Term& term = terms.front();
  const auto rest = terms.subspan(1);
  Wide rest_least = 0, rest_most = 0;
  for (const Term& other : rest) {
    rest_least += other.least * other.stride;
    rest_most += other.most * other.stride;
  }
  const Wide first = std::max(term.least, -floor_divide(rest_most - low, term.stride));
  const Wide last = std::min(term.most, floor_divide(high - rest_least, term.stride));
  for (Wide index = first; index <= last; ++index) {
    if (can_reach(rest, low - index * term.stride, high - index * term.stride, budget)) return true;
  }
  return false;
}

void add_term(std::vector<Term>* terms, Wide stride, Wide least, Wide most) {
  for (Term& term : *terms) {
    if (term.stride == stride) {
      term.least += least;
      term.most += most;
      return;
    }
  }
  terms->push_back({stride, least, most});
}

void add_terms(std::vector<Term>* terms, const Tensor& tensor, bool negative) {
  for (int d = 0; d < tensor.ndim; ++d) {
    if (tensor.shape[d] <= 1 || tensor.strides[d] == 0) continue;
    const Wide reach = tensor.shape[d] - 1;
    add_term(terms, Wide{tensor.strides[d]} * size_of(tensor.dtype), negative ? -reach : 0,
             negative ? 0 : reach);
  }
}

struct Bytes {
  Wide begin, end;
};

Bytes bytes_of(const Tensor& tensor) {
  Bytes bytes{Wide{reinterpret_cast<uintptr_t>(tensor.data)}, 0};
  bytes.end = bytes.begin + size_of(tensor.dtype);
  for (int d = 0; d < tensor.ndim; ++d) {
    bytes.end += Wide{tensor.shape[d] - 1} * tensor.strides[d] * size_of(tensor.dtype);
  }
  return bytes;
}

// Enough when strides grow past what the smaller ones reach: true of every layout that a transposed or
// sliced compact tensor can have.
bool elements_are_apart(const Tensor& tensor) {
  struct Dim {
    int64_t stride, extent;
  };
  std::vector<Dim> dims;
  for (int d = 0; d < tensor.ndim; ++d) {
    if (tensor.shape[d] > 1) dims.push_back({tensor.strides[d], tensor.shape[d]});
  }
  std::sort(dims.begin(), dims.end(), [](Dim a, Dim b) { return a.stride < b.stride; });
  int64_t reach = 0;
  for (const Dim& dim : dims) {
    if (dim.stride <= reach) return false;
    reach += (dim.extent - 1) * dim.stride;
  }
  return true;
}

Status refuse_overlap(const Tensor& output, const Tensor& other) {
  return invalid_argument(
      "{} overlaps {} in memory; an output must not share memory with an input or another output",
      output.name, other.name);
}

}  // namespace

bool share_memory(const Tensor& a, const Tensor& b) {
  if (a.empty() || b.empty()) return false;
  const Bytes bytes_a = bytes_of(a), bytes_b = bytes_of(b);
  if (bytes_a.end <= bytes_b.begin || bytes_b.end <= bytes_a.begin) return false;
  std::vector<Term> terms;
  add_terms(&terms, a, false);
  add_terms(&terms, b, true);
  std::sort(terms.begin(), terms.end(),
            [](const Term& x, const Term& y) { return x.stride > y.stride; });
  const Wide distance = bytes_b.begin - bytes_a.begin;
  int budget = 10000;
  return can_reach(terms, distance - size_of(a.dtype) + 1, distance + size_of(b.dtype) - 1,
                   &budget);
}

Status check_outputs(std::span<const Tensor> outputs, std::span<const Tensor> inputs) {
  for (const Tensor& output : outputs) {
    if (!output.empty() && !elements_are_apart(output)) {
      return invalid_argument(
          "elements of {} overlap each other in memory (shape {}, strides {}); an output must have one address per element",
          output.name, shape_text({output.shape.data(), size_t(output.ndim)}),
          shape_text({output.strides.data(), size_t(output.ndim)}));
    }
    for (const Tensor& other : outputs) {
      if (&other == &output) break;
      if (share_memory(output, other)) return refuse_overlap(output, other);
    }
    for (const Tensor& input : inputs) {
      if (share_memory(output, input)) return refuse_overlap(output, input);
    }
  }
  return {};
}

Status check_workspace_apart(const void* workspace, size_t size, std::span<const Tensor> tensors) {
  const Wide begin = Wide{reinterpret_cast<uintptr_t>(workspace)};
  const Wide end = begin + Wide{size};
  for (const Tensor& tensor : tensors) {
    if (tensor.empty()) continue;
    const Bytes bytes = bytes_of(tensor);
    if (begin < bytes.end && bytes.begin < end) {
      return invalid_argument("the workspace overlaps {} in memory; it must be memory of its own",
                              tensor.name);
    }
  }
  return {};
}

}  // namespace fa4::api
