// SPDX-License-Identifier: Apache-2.0
#include <bit>
#include <vector>

#include "emu/ptx/lexer.h"
#include "emu/ptx_text.h"

namespace fa4::emu::ptx {
namespace {

using TokenKind = Token::Kind;

std::vector<Token> tokens_of(std::string_view text) {
  Lexer lexer(text);
  std::vector<Token> all;
  for (Token token = lexer.next(); token.kind != TokenKind::End; token = lexer.next()) {
    all.push_back(token);
  }
  return all;
}

std::vector<std::string> texts_of(std::string_view text) {
  std::vector<std::string> all;
  for (const Token& token : tokens_of(text)) all.emplace_back(token.text);
  return all;
}

using Texts = std::vector<std::string>;

std::string lexer_message(std::string_view text) {
  try {
    tokens_of(text);
  } catch (const SyntaxError& error) {
    return error.what();
  }
  return "was accepted";
}

TEST(PtxLexer, OpcodesFallApartAtTheirDots) {
  EXPECT_EQ(texts_of("cp.async.bulk.tensor.2d.shared::cluster.mbarrier::complete_tx::bytes [%r1]"),
            (Texts{"cp", ".async", ".bulk", ".tensor", ".2d", ".shared::cluster",
                   ".mbarrier::complete_tx::bytes", "[", "%r1", "]"}));
  EXPECT_EQ(texts_of("tcgen05.ld.32x32b.x16.b32{%r1}"),
            (Texts{"tcgen05", ".ld", ".32x32b", ".x16", ".b32", "{", "%r1", "}"}));
}

TEST(PtxLexer, NamesBeginWithPercentDollarAndUnderscore) {
  const std::vector<Token> all = tokens_of("%p1 $L__BB0_2 _ZN3fa4E _ %a$ a$b %tid.x x:");
  EXPECT_EQ(texts_of("%p1 $L__BB0_2 _ZN3fa4E _ %a$ a$b %tid.x x:"),
            (Texts{"%p1", "$L__BB0_2", "_ZN3fa4E", "_", "%a$", "a$b", "%tid", ".x", "x", ":"}));
  EXPECT_EQ(all[0].kind, TokenKind::Word);
  EXPECT_EQ(all[7].kind, TokenKind::Dotted);
  EXPECT_EQ(all[9].mark, ':');
}

TEST(PtxLexer, IntegersHaveFourBases) {
  const std::vector<Token> all =
      tokens_of("0 17 017 0x1F 0XfF 0b101 0B1U 7U 0U 18446744073709551615 0xFFFFFFFFFFFFFFFFU");
  const uint64_t values[] = {0, 17, 15, 31, 255, 5, 1, 7, 0, ~uint64_t{0}, ~uint64_t{0}};
  ASSERT_EQ(all.size(), std::size(values));
  for (size_t i = 0; i < all.size(); ++i) {
    EXPECT_EQ(all[i].kind, TokenKind::Integer) << all[i].text;
    EXPECT_EQ(all[i].bits, values[i]) << all[i].text;
  }
}

TEST(PtxLexer, FloatsAreBitsOrDecimal) {
  const std::vector<Token> all =
      tokens_of("0f3F800000 0FbF800000 0d3FF0000000000000 1.5 2. 1e3 25.0E-2 1.0e+2");
  ASSERT_EQ(all.size(), 8u);
  EXPECT_EQ(all[0].kind, TokenKind::Float32);
  EXPECT_EQ(all[0].bits, 0x3F800000u);
  EXPECT_EQ(all[1].bits, 0xBF800000u);
  EXPECT_EQ(all[2].kind, TokenKind::Float64);
  const double values[] = {1.0, 1.5, 2.0, 1000.0, 0.25, 100.0};
  for (size_t i = 2; i < all.size(); ++i) {
    EXPECT_EQ(all[i].kind, TokenKind::Float64) << all[i].text;
    EXPECT_EQ(std::bit_cast<double>(all[i].bits), values[i - 2]) << all[i].text;
  }
}

TEST(PtxLexer, CommentsAndStringsAreWholes) {
  EXPECT_EQ(texts_of("a // b \"\n/* c\n * // */ d /**/ \"e // \\\" f\" // end"),
            (Texts{"a", "d", "\"e // \\\" f\""}));
}

TEST(PtxLexer, PlacesAreLinesAndColumns) {
  const std::vector<Token> all = tokens_of("a /*\n\n*/ b\n\tc // d\n  e");
  ASSERT_EQ(all.size(), 4u);
  EXPECT_EQ(all[1].place.line, 3u);
  EXPECT_EQ(all[1].place.column, 4u);
  EXPECT_EQ(all[2].place.line, 4u);
  EXPECT_EQ(all[2].place.column, 2u);
  EXPECT_EQ(all[3].place.line, 5u);
  EXPECT_EQ(all[3].place.column, 3u);
}

TEST(PtxLexer, WhatIsNoTokenIsRefusedWithItsPlace) {
  const std::pair<std::string, const char*> cases[] = {
      {"a\n #", "line 2, column 2: no word, number or mark of PTX begins with '#'"},
      {"0x", "line 1, column 1: 0x and 0b want digits"},
      {"08", "line 1, column 1: '08' is no number"},
      {"12ab", "line 1, column 1: '12ab' is no number"},
      {"0f3F80000", "line 1, column 1: 0f wants 8 hexadecimal digits, not 7"},
      {"0D3FF", "line 1, column 1: 0D wants 16 hexadecimal digits, not 3"},
      {"18446744073709551616", "line 1, column 1: an integer of more than 64 bits"},
      {"1e999", "line 1, column 1: '1e999' is no 64-bit floating-point number"},
      {"1e+", "line 1, column 1: '1e' is no number"},
      {"%", "line 1, column 1: a '%' with no name after it"},
      {"a. b", "line 1, column 3: a name is expected after '.' and '::'"},
      {".a:: b", "line 1, column 5: a name is expected after '.' and '::'"},
      {"\"a\n\"", "line 1, column 1: the string that begins here does not end on its line"},
      {"\"a\\", "line 1, column 1: the string that begins here does not end on its line"},
      {"a /* b", "line 1, column 3: the comment that begins here does not end"},
      {std::string("a\0b", 3),
       "line 1, column 2: the byte 0x00 may stand in comments and strings only"},
      {"\xc3\xa9", "line 1, column 1: the byte 0xC3 may stand in comments and strings only"},
  };
  for (const auto& [text, message] : cases) EXPECT_EQ(lexer_message(text), message) << text;
  EXPECT_EQ(texts_of("// \xc3\xa9\n\"\xc3\xa9\"").size(), 1u);
}

}  // namespace
}  // namespace fa4::emu::ptx
