// SPDX-License-Identifier: Apache-2.0
// Words, numbers and marks of a PTX text, one after the other (PTX ISA 9.0, chapter 4).
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "emu/ptx/module.h"

namespace fa4::emu::ptx {

struct Token {
  enum class Kind : uint8_t {
    End,      // of the text
    Word,     // add, %r1, $L__BB0_2, _
    Dotted,   // .b32, .shared::cta, .2d: a directive, a modifier, a component; with its dot
    Integer,  // bits
    Float32,  // bits
    Float64,  // bits
    String,   // with its quotes
    Mark,     // mark: one of  , ; : { } [ ] ( ) @ ! | + - = < >
  };
  Kind kind = Kind::End;
  char mark = '\0';
  std::string_view text;
  uint64_t bits = 0;
  Place place;
};

class Lexer {
 public:
  explicit Lexer(std::string_view text);  // at most 4 GiB less a byte
  Token next();                           // after the last one, End for ever

 private:
  void skip_blanks();
  void skip_comment();
  void take_decimal_fraction();
  void take_word(Token& token);
  void take_dotted(Token& token);
  void take_number(Token& token);
  void take_integer(Token& token, int base);
  void take_bits(Token& token, Token::Kind kind, int num_digits);
  void take_string(Token& token);
  char peek(size_t ahead = 0) const;
  Place here() const;

  const char* at_;
  const char* end_;
  const char* line_begin_;
  uint32_t line_ = 1;
};

// A piece of the text for a message: "'foo'", shortened, on one line.
std::string quoted(std::string_view text);

}  // namespace fa4::emu::ptx
