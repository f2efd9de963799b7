// SPDX-License-Identifier: Apache-2.0
#include "cases.h"

#include <fstream>
#include <sstream>

#include "command_line.h"
#include "standard_cases.h"

namespace fa4::cli {
namespace {

Layout without_data() {
  Layout layout;
  layout.no_data = true;
  return layout;
}

// Rows of all sequences behind one another.
Shape packed_shape(const Tensor& dense) {
  return {dense.size(0) * dense.size(1), dense.size(2), dense.size(3)};
}

void pack(const DenseShape& shape, Inputs* inputs, Options* options) {
  const Layout layout = without_data();
  for (Tensor* tensor : {&inputs->q, &inputs->k, &inputs->v}) {
    *tensor = Tensor(tensor->type(), packed_shape(*tensor), layout);
  }
  inputs->cu_seqlens_q.emplace(ElementType::Int32, Shape{shape.batch + 1}, layout);
  inputs->cu_seqlens_k.emplace(ElementType::Int32, Shape{shape.batch + 1}, layout);
  options->max_seq_q = shape.seq_q;
  options->max_seq_k = shape.seq_k;
}

void page(const DenseShape& shape, int64_t page_size, Inputs* inputs) {
  const Layout layout = without_data();
  const int64_t columns = (shape.seq_k + page_size - 1) / page_size;
  for (Tensor* tensor : {&inputs->k, &inputs->v}) {
    const Shape pages{shape.batch * columns, page_size, shape.kv_heads, tensor->row_length()};
    *tensor = Tensor(tensor->type(), pages, layout);
  }
  inputs->page_table.emplace(ElementType::Int32, Shape{shape.batch, columns}, layout);
  inputs->key_lengths.emplace(ElementType::Int32, Shape{shape.batch}, layout);
}

}  // namespace

std::vector<CaseArguments> parse_cases(const std::string& text, const std::string& path,
                                       const CaseArguments& defaults) {
  std::istringstream lines(text);
  std::vector<CaseArguments> cases;
  int number = 0;
  for (std::string line; std::getline(lines, line);) {
    ++number;
    line = line.substr(0, line.find('#'));
    if (line.find_first_not_of(" \t\r") == std::string::npos) continue;
    if (line.back() == '\r') line.pop_back();
    try {
      cases.push_back(parse_case_line(line, defaults));
      if (cases.back().shared.shape.empty()) bad_input("there is no --shape");
    } catch (const Failure& failure) {
      bad_input("{}:{}: {}", path, number, failure.what());
    }
  }
  if (cases.empty()) bad_input("--cases {} holds no case", path);
  return cases;
}

std::vector<CaseArguments> read_cases(const std::string& path, const CaseArguments& defaults) {
  std::ifstream file(path);
  if (!file) bad_input("--cases {} cannot be opened", path);
  std::ostringstream text;
  text << file.rdbuf();
  return parse_cases(text.str(), path, defaults);
}

std::vector<CaseArguments> standard_cases() {
  return parse_cases(kStandardCases, "standard", CaseArguments());
}

Inputs make_case_inputs_without_data(const CaseArguments& arguments, Options* options) {
  const DenseShape shape = parse_shape(arguments.shared.shape);
  const std::string dtype = arguments.shared.dtype.empty() ? "fp32" : arguments.shared.dtype;
  Inputs inputs = make_dense_inputs_without_data(shape, parse_dtype(dtype));
  *options = to_options(arguments.shared);
  if (arguments.packed && arguments.page_size > 0) {
    bad_input("--packed and --page-size exclude each other");
  }
  if (arguments.packed) pack(shape, &inputs, options);
  if (arguments.page_size > 0) page(shape, arguments.page_size, &inputs);
  return inputs;
}

}  // namespace fa4::cli
