// SPDX-License-Identifier: Apache-2.0
// Hostile PTX. Whatever the text: a tree or a SyntaxError with a place inside the text; and a tree's print is
// parsed again to the same print.
#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <string>

#include "emu/ptx/parser.h"

namespace {

using namespace fa4::emu;

void require(bool condition, const char* what, const std::string& text) {
  if (condition) return;
  std::fprintf(stderr, "broken promise: %s\n%s\n", what, text.c_str());
  std::abort();
}

void check_place(const std::string& text, const ptx::SyntaxError& error) {
  const auto num_lines = static_cast<size_t>(1 + std::count(text.begin(), text.end(), '\n'));
  require(error.place.line >= 1 && error.place.line <= num_lines, "the line is one of the text",
          error.what());
  require(error.place.column >= 1 && error.place.column <= text.size() + 1,
          "the column is one of the text", error.what());
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string text(reinterpret_cast<const char*>(data), size);
  std::string once;
  try {
    once = ptx::print(ptx::parse(text));
  } catch (const ptx::SyntaxError& error) {
    check_place(text, error);
    return 0;
  }
  try {
    const std::string twice = ptx::print(ptx::parse(once));
    require(twice == once, "a print is parsed to the same print", once + "\n---\n" + twice);
  } catch (const ptx::SyntaxError& error) {
    require(false, error.what(), once);
  }
  return 0;
}
