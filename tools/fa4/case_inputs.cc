// SPDX-License-Identifier: Apache-2.0
// The tensors of a case: values in the rows that count, poison everywhere else.
#include <algorithm>
#include <cmath>

#include "random.h"
#include "random_case.h"

namespace fa4::cli {
namespace {

Tensor make_integers(const std::vector<int32_t>& values, Shape shape, const Layout& layout) {
  Tensor tensor(ElementType::Int32, std::move(shape), layout);
  tensor.poison();
  size_t place = 0;
  for (int64_t r = 0; r < tensor.num_rows() && tensor.row_length() > 0; ++r) {
    std::byte* address = tensor.row(r);
    for (int64_t i = 0; i < tensor.row_length(); ++i) {
      store_as(address + i * size_of(tensor.type()), values[place++]);
    }
  }
  return tensor;
}

std::optional<Tensor> make_optional_integers(const std::vector<int32_t>& values,
                                             const Layout& layout) {
  if (values.empty()) return std::nullopt;
  return make_integers(values, {static_cast<int64_t>(values.size())}, layout);
}

// One row of q, k, v or dout at a time. `place` is the row's index in its sequence of `length` rows.
class RowValues {
 public:
  RowValues(Values values, ElementType type, Random* random)
      : values_(values), type_(type), random_(*random) {}

  enum class Role { Query, Key, Other };

  double value(Role role, int64_t place, int64_t length, int64_t i, int64_t dim) {
    const double noise = random_.chance(0.01) ? -0.0 : random_.normal();
    if (role == Role::Other) return noise;
    const double root = std::sqrt(static_cast<double>(dim));
    const double sign = i % 3 == 1 ? -1 : 1;
    switch (values_) {
      case Values::Normal:
        return noise;
      case Values::RisingMaxima: {  // logits climb to about 40 along the keys
        const double climb = static_cast<double>(place + 1) / static_cast<double>(length);
        return role == Role::Query ? sign + 0.3 * noise : sign * climb * 40 / root + noise;
      }
      case Values::HugeLogits: {  // small integers times a power of two: dot products are exact
        const double digit = static_cast<double>(random_.integer(-2, 2));
        return role == Role::Query ? digit : digit * 64;
      }
      case Values::EqualRows:
        return sign * (1 + static_cast<double>(i % 7) / 8);
      case Values::OneHot:  // a logit of 30 where the places agree
        return i != place % dim ? 0 : role == Role::Query ? 30 : root;
      case Values::Tiny:  // mostly denormal
        return noise * (type_ == ElementType::Float16 ? 0x1p-17 : 0x1p-128);
    }
    return noise;
  }

 private:
  Values values_;
  ElementType type_;
  Random& random_;
};

// Rows of one sequence of a tensor [rows, heads, dim]; row_of(place) is the row in the tensor.
template <class RowOf>
void fill_rows(Tensor* tensor, RowValues* values, RowValues::Role role, int64_t length,
               const RowOf& row_of) {
  const int64_t heads = tensor->size(tensor->rank() - 2), dim = tensor->row_length();
  for (int64_t place = 0; place < length; ++place) {
    for (int64_t head = 0; head < heads; ++head) {
      std::byte* address = tensor->row(row_of(place) * heads + head);
      for (int64_t i = 0; i < dim; ++i, address += size_of(tensor->type())) {
        store_element(address, tensor->type(), values->value(role, place, length, i, dim));
      }
    }
  }
}

Tensor make_poisoned(ElementType type, Shape shape, const Layout& layout) {
  Tensor tensor(type, std::move(shape), layout);
  tensor.poison();
  return tensor;
}

void make_tensors(const Case& item, Inputs* inputs) {
  const DenseShape& shape = item.shape;
  const auto q_shape = [&](int64_t dim) {
    constexpr int64_t kRowsAfter = 3;  // of no sequence
    return item.packed_q ? Shape{item.cu_seqlens_q.back() + kRowsAfter, shape.heads, dim}
                         : Shape{shape.batch, shape.seq_q, shape.heads, dim};
  };
  const auto k_shape = [&](int64_t dim) {
    if (item.page_size > 0) return Shape{item.num_pages, item.page_size, shape.kv_heads, dim};
    return item.packed_k ? Shape{item.cu_seqlens_k.back(), shape.kv_heads, dim}
                         : Shape{shape.batch, shape.seq_k, shape.kv_heads, dim};
  };
  inputs->q = make_poisoned(item.type, q_shape(shape.head_dim), item.inputs.q);
  inputs->k = make_poisoned(item.type, k_shape(shape.head_dim), item.inputs.k);
  inputs->v = make_poisoned(item.type, k_shape(shape.value_dim), item.inputs.v);
  if (item.backward)
    inputs->dout = make_poisoned(item.type, q_shape(shape.value_dim), item.inputs.dout);
  if (item.dlse) {
    const Shape lse = item.packed_q ? Shape{shape.heads, inputs->q.size(0)}
                                    : Shape{shape.batch, shape.heads, shape.seq_q};
    inputs->dlse = make_poisoned(ElementType::Float32, lse, item.inputs.dlse);
  }
}

void make_indices(const Case& item, Inputs* inputs) {
  const Layout& layout = item.inputs.integers;
  inputs->cu_seqlens_q = make_optional_integers(item.cu_seqlens_q, layout);
  inputs->cu_seqlens_k = make_optional_integers(item.cu_seqlens_k, layout);
  inputs->query_lengths = make_optional_integers(item.query_lengths, layout);
  inputs->key_lengths = make_optional_integers(item.key_lengths, layout);
  if (item.page_size == 0) return;
  const int64_t columns = item.shape.seq_k / item.page_size;
  inputs->page_table = make_integers(item.page_table, {item.shape.batch, columns}, layout);
  for (int64_t b = 0; b < item.shape.batch && !item.key_lengths.empty(); ++b) {
    const int64_t length = item.key_lengths[static_cast<size_t>(b)];
    const int64_t used = (length + item.page_size - 1) / item.page_size;
    for (int64_t column = used; column < columns; ++column) {  // never read
      store_as<int32_t>(inputs->page_table->row(b) + column * size_of(ElementType::Int32),
                        INT32_MIN);
    }
  }
}

int64_t key_row(const Inputs& inputs, const Sequence& sequence, int64_t batch, int64_t place) {
  if (!inputs.page_table) return sequence.key_begin + place;
  const int64_t page_size = inputs.k.size(1);
  const int64_t column = batch * inputs.page_table->size(1) + place / page_size;
  return static_cast<int64_t>(inputs.page_table->value(column)) * page_size + place % page_size;
}

}  // namespace

Inputs make_inputs(const Case& item, uint64_t draw) {
  Random random(item.seed + 0x5eed * (draw + 1), item.index);
  RowValues values(item.values, item.type, &random);
  Inputs inputs;
  make_tensors(item, &inputs);
  make_indices(item, &inputs);
  int64_t batch = 0;
  for (const Sequence& sequence : sequences_of(inputs)) {
    const auto query_row = [&](int64_t place) { return sequence.query_begin + place; };
    const auto page_row = [&](int64_t place) { return key_row(inputs, sequence, batch, place); };
    using Role = RowValues::Role;
    fill_rows(&inputs.q, &values, Role::Query, sequence.query_length, query_row);
    fill_rows(&inputs.k, &values, Role::Key, sequence.key_length, page_row);
    fill_rows(&inputs.v, &values, Role::Other, sequence.key_length, page_row);
    if (inputs.dout)
      fill_rows(&*inputs.dout, &values, Role::Other, sequence.query_length, query_row);
    ++batch;
  }
  if (item.sink) {
    inputs.sink = make_poisoned(random.chance(0.5) ? ElementType::Float32 : item.type,
                                {item.shape.heads}, item.inputs.sink);
    for (int64_t head = 0; head < item.shape.heads; ++head) {
      store_element(inputs.sink->row(0) + head * size_of(inputs.sink->type()), inputs.sink->type(),
                    random.normal() * 2);
    }
  }
  if (inputs.dlse) {
    const std::vector<bool> live = live_query_rows(inputs);
    const int64_t heads = item.shape.heads, length = inputs.dlse->row_length();
    for (int64_t r = 0; r < inputs.dlse->num_rows(); ++r) {
      for (int64_t i = 0; i < length; ++i) {
        if (!live[static_cast<size_t>(r / heads * length + i)]) continue;
        store_as(inputs.dlse->row(r) + i * size_of(ElementType::Float32),
                 static_cast<float>(random.normal()));
      }
    }
  }
  return inputs;
}

std::vector<bool> live_query_rows(const Inputs& inputs) {
  std::vector<bool> live(static_cast<size_t>(sizes_of(inputs).query_rows));
  for (const Sequence& sequence : sequences_of(inputs)) {
    const auto begin = live.begin() + sequence.query_begin;
    std::fill(begin, begin + sequence.query_length, true);
  }
  return live;
}

}  // namespace fa4::cli
