// SPDX-License-Identifier: Apache-2.0
#include "emu/ptx/lexer.h"

#include <fmt/format.h>

#include <array>
#include <bit>
#include <charconv>
#include <cstring>
#include <limits>

#include "emu/ptx/parser.h"

namespace fa4::emu::ptx {
namespace {

enum : uint8_t { kLexBlank = 1, kLexDigit = 2, kLexLetter = 4, kLexHex = 8, kLexDollar = 16 };

constexpr std::array<uint8_t, 256> make_lexer_classes() {
  std::array<uint8_t, 256> classes{};
  for (const char c : {' ', '\t', '\n', '\r', '\v', '\f'})
    classes[static_cast<uint8_t>(c)] = kLexBlank;
  for (uint8_t c = '0'; c <= '9'; ++c) classes[c] = kLexDigit | kLexHex;
  for (uint8_t c = 'a'; c <= 'z'; ++c) classes[c] = c <= 'f' ? kLexLetter | kLexHex : kLexLetter;
  for (uint8_t c = 'A'; c <= 'Z'; ++c) classes[c] = c <= 'F' ? kLexLetter | kLexHex : kLexLetter;
  classes['_'] = kLexLetter;
  classes['$'] = kLexDollar;
  return classes;
}
constexpr std::array<uint8_t, 256> kLexerClasses = make_lexer_classes();

bool lexer_is(char c, uint8_t classes) {
  return (kLexerClasses[static_cast<uint8_t>(c)] & classes) != 0;
}

constexpr uint8_t kLexName = kLexLetter | kLexDigit;  // .b32, 2d
constexpr uint8_t kLexWord = kLexName | kLexDollar;   // %r1, $L__BB0_2

}  // namespace

std::string quoted(std::string_view text) {
  constexpr size_t kMost = 40;
  std::string shown(text.substr(0, kMost));
  for (char& c : shown) {
    if (static_cast<unsigned char>(c) < ' ' || c == '\x7f') c = ' ';
  }
  return fmt::format("'{}{}'", shown, text.size() > kMost ? "..." : "");
}

Lexer::Lexer(std::string_view text)
    : at_(text.data()), end_(text.data() + text.size()), line_begin_(text.data()) {
  if (text.size() >= std::numeric_limits<uint32_t>::max()) {
    throw SyntaxError({1, 1}, fmt::format("a text of {} bytes is longer than 4 GiB", text.size()));
  }
}

char Lexer::peek(size_t ahead) const {
  return ahead < static_cast<size_t>(end_ - at_) ? at_[ahead] : '\0';
}

Place Lexer::here() const { return {line_, static_cast<uint32_t>(at_ - line_begin_) + 1}; }

void Lexer::skip_blanks() {
  for (; at_ != end_; ++at_) {
    if (*at_ == '\n') {
      ++line_;
      line_begin_ = at_ + 1;
    } else if (*at_ == '/' && (peek(1) == '/' || peek(1) == '*')) {
      skip_comment();
      if (at_ == end_) return;
    } else if (!lexer_is(*at_, kLexBlank)) {
      return;
    }
  }
}

// Leaves at_ on the last character of the comment, or on the end of the line: the caller steps over it.
void Lexer::skip_comment() {
  if (peek(1) == '/') {
    const void* newline = std::memchr(at_, '\n', static_cast<size_t>(end_ - at_));
    at_ = newline == nullptr ? end_ : static_cast<const char*>(newline);
    if (at_ == end_) return;
    ++line_;
    line_begin_ = at_ + 1;
    return;
  }
  const Place begin = here();
  for (at_ += 2; peek() != '*' || peek(1) != '/'; ++at_) {
    if (at_ == end_) throw SyntaxError(begin, "the comment that begins here does not end");
    if (*at_ == '\n') {
      ++line_;
      line_begin_ = at_ + 1;
    }
  }
  ++at_;
}

Token Lexer::next() {
  skip_blanks();
  Token token;
  token.place = here();
  if (at_ == end_) {
    token.text = {end_, 0};
    return token;
  }
  const char* begin = at_;
  const char c = *at_;
  if (lexer_is(c, kLexLetter | kLexDollar) || c == '%') {
    take_word(token);
  } else if (c == '.') {
    take_dotted(token);
  } else if (lexer_is(c, kLexDigit)) {
    take_number(token);
  } else if (c == '"') {
    take_string(token);
  } else if (c != '\0' && std::strchr(",;:{}[]()@!|+-=<>", c) != nullptr) {
    token.kind = Token::Kind::Mark;
    token.mark = c;
    ++at_;
  } else if (c != '\0' && std::strchr("*/~?&^", c) != nullptr) {
    throw SyntaxError(token.place,
                      fmt::format("the operator '{}': constant expressions are not read, "
                                  "only their values are",
                                  c));
  } else if (c > ' ' && c < '\x7f') {
    throw SyntaxError(token.place,
                      fmt::format("no word, number or mark of PTX begins with '{}'", c));
  } else {
    throw SyntaxError(token.place,
                      fmt::format("the byte 0x{:02X} may stand in comments and strings only",
                                  static_cast<unsigned char>(c)));
  }
  token.text = {begin, static_cast<size_t>(at_ - begin)};
  return token;
}

void Lexer::take_word(Token& token) {
  token.kind = Token::Kind::Word;
  const char first = *at_++;
  const char* second = at_;
  while (at_ != end_ && lexer_is(*at_, kLexWord)) ++at_;
  if (at_ == second && (first == '%' || first == '$')) {
    throw SyntaxError(token.place, fmt::format("a '{}' with no name after it", first));
  }
}

void Lexer::take_dotted(Token& token) {
  token.kind = Token::Kind::Dotted;
  do {
    at_ += *at_ == '.' ? 1 : 2;
    if (!lexer_is(peek(), kLexName))
      throw SyntaxError(here(), "a name is expected after '.' and '::'");
    while (at_ != end_ && lexer_is(*at_, kLexName)) ++at_;
  } while (peek() == ':' && peek(1) == ':');
}

void Lexer::take_number(Token& token) {
  const char* begin = at_;
  const char second = static_cast<char>(peek() == '0' ? peek(1) | 0x20 : 0);  // in lower case
  if (second == 'f') {
    take_bits(token, Token::Kind::Float32, 8);
  } else if (second == 'd') {
    take_bits(token, Token::Kind::Float64, 16);
  } else if (second == 'x' || second == 'b') {
    at_ += 2;
    take_integer(token, second == 'x' ? 16 : 2);
  } else {
    while (lexer_is(peek(), kLexDigit)) ++at_;
    if (peek() == '.' || (peek() | 0x20) == 'e') {
      take_decimal_fraction();
      token.kind = Token::Kind::Float64;
      double value = 0;
      const auto [stopped, error] = std::from_chars(begin, at_, value);
      if (error != std::errc() || stopped != at_) {
        throw SyntaxError(token.place,
                          fmt::format("{} is no 64-bit floating-point number",
                                      quoted({begin, static_cast<size_t>(at_ - begin)})));
      }
      token.bits = std::bit_cast<uint64_t>(value);
    } else {
      at_ = begin;
      take_integer(token, *begin == '0' ? 8 : 10);
    }
  }
  if (lexer_is(peek(), kLexWord)) {
    while (lexer_is(peek(), kLexWord)) ++at_;
    throw SyntaxError(token.place, fmt::format("{} is no number",
                                               quoted({begin, static_cast<size_t>(at_ - begin)})));
  }
}

void Lexer::take_decimal_fraction() {
  if (peek() == '.') ++at_;
  while (lexer_is(peek(), kLexDigit)) ++at_;
  if ((peek() | 0x20) != 'e') return;
  const size_t sign = peek(1) == '+' || peek(1) == '-' ? 1 : 0;
  if (!lexer_is(peek(1 + sign), kLexDigit)) return;
  at_ += 1 + sign;
  while (lexer_is(peek(), kLexDigit)) ++at_;
}

void Lexer::take_integer(Token& token, int base) {
  token.kind = Token::Kind::Integer;
  const auto [stopped, error] = std::from_chars(at_, end_, token.bits, base);
  if (error == std::errc::result_out_of_range) {
    throw SyntaxError(token.place, "an integer of more than 64 bits");
  }
  if (stopped == at_) throw SyntaxError(token.place, "0x and 0b want digits");
  at_ = stopped;
  if (peek() == 'U') ++at_;
}

void Lexer::take_bits(Token& token, Token::Kind kind, int num_digits) {
  token.kind = kind;
  at_ += 2;
  const char* begin = at_;
  while (lexer_is(peek(), kLexHex)) ++at_;
  if (at_ - begin != num_digits) {
    throw SyntaxError(token.place, fmt::format("0{} wants {} hexadecimal digits, not {}", begin[-1],
                                               num_digits, at_ - begin));
  }
  std::from_chars(begin, at_, token.bits, 16);
}

void Lexer::take_string(Token& token) {
  token.kind = Token::Kind::String;
  for (++at_; peek() != '"'; ++at_) {
    if (peek() == '\\' && end_ - at_ > 1) ++at_;
    if (at_ == end_ || *at_ == '\n')
      throw SyntaxError(token.place, "the string that begins here does not end on its line");
  }
  ++at_;
}

}  // namespace fa4::emu::ptx
