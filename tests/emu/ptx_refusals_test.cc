// SPDX-License-Identifier: Apache-2.0
// Texts that are not PTX: each is an answer with a place, none a crash.
#include "emu/ptx_text.h"

namespace fa4::emu::ptx {
namespace {

struct Refusal {
  std::string text;
  const char* message;
};

TEST(PtxRefusals, ModulesSayWhatTheyWant) {
  const Refusal cases[] = {
      {"",
       "line 1, column 1: expected .version, with which a module begins, found the end of the text"},
      {".version 9", "line 1, column 10: expected a version such as 9.0, found '9'"},
      {".version 9.\n.target sm_80",
       "line 1, column 10: expected a version such as 9.0, found '9.'"},
      {".version 9.0 .address_size",
       "line 1, column 14: expected .target after .version, found '.address_size'"},
      {".version 9.0 .target sm_80 .entry",
       "line 1, column 28: expected .address_size after .target, found '.entry'"},
      {".version 9.0 .target sm_80 .address_size 16",
       "line 1, column 42: expected 32 or 64 after .address_size, found '16'"},
      {module_of("mov"), "line 4, column 1: expected a directive, found 'mov'"},
      {module_of(".globl a;"),
       "line 4, column 1: expected a directive that may stand here, found '.globl'"},
      {module_of(".visible .file 1 \"a\""),
       "line 4, column 10: expected a variable or a function after .visible, found '.file'"},
      {module_of(".file 65537 \"a\""),
       "line 4, column 7: the number of a file is at most 65536, not 65537"},
      {module_of(".file 1 \"a\" .file 1 \"a\""), "line 4, column 19: file 1 has a name already"},
      {module_of(".section .debug { .b8 1"),
       "line 4, column 24: expected the '}' of the section, found the end of the text"},
      {module_of(".pragma nounroll;"),
       "line 4, column 9: expected a string after .pragma, found 'nounroll'"},
      {module_of(".alias a;"),
       "line 4, column 9: expected ',' after the name of an alias, found ';'"},
  };
  for (const Refusal& one : cases) EXPECT_EQ(message_of(one.text), one.message) << one.text;
}

TEST(PtxRefusals, DeclarationsSayWhatTheyWant) {
  const Refusal cases[] = {
      {".global .align 4 a;",
       "line 4, column 18: expected the type of a .global variable, found 'a'"},
      {".global .align 3 .b8 a;", "line 4, column 16: an alignment is a power of two, not 3"},
      {".global .align 4 .align 4 .b8 a;", "line 4, column 18: a second .align"},
      {".global .v3 .b8 a;",
       "line 4, column 9: expected the type of a .global variable, found '.v3'"},
      {".global .b8 a",
       "line 4, column 14: expected ';' after the declaration of a, found the end of the text"},
      {".global .b8 a<4>;", "line 4, column 14: expected '[', '=', ',' or ';' after a, found '<'"},
      {".reg .b32 %r<0>;", "line 4, column 14: a number of registers is at least 1, not 0"},
      {".reg .b32 %r<4294967296>;",
       "line 4, column 14: a number of registers is at most 4294967295, not 4294967296"},
      {".global .b8 a[2][];",
       "line 4, column 18: expected a length, which only the first dimension may leave open, found ']'"},
      {".global .b8 a[1099511627776][2];",
       "line 4, column 29: an array of more than 2^40 elements"},
      {".global .b8 a[1099511627777];",
       "line 4, column 15: the length of an array is at most 1099511627776, not 1099511627777"},
      {".shared .b32 a = 5;",
       "line 4, column 16: a has an initial value, which only .global and .const variables have"},
      {".global .b8 a[2] = 5;",
       "line 4, column 20: expected the '{' of initial values of a, found '5'"},
      {".global .b8 a[2] = {1, 2, 3};",
       "line 4, column 27: more than 2 initial values in a dimension of a"},
      {".global .b8 a[0] = {1};", "line 4, column 20: a has no elements, but initial values"},
      {".global .b8 a[2][2] = {{1}, {2, 3}};",
       "line 4, column 24: 1 initial values for a row of 2 elements of a"},
      {".global .b8 a[2] = {{1}};", "line 4, column 21: expected an initial value, found '{'"},
      {".global .b8 a[2][2] = {1, 2};",
       "line 4, column 24: expected the '{' of initial values of a, found '1'"},
      {".global .b8 a = 0(b);",
       "line 4, column 17: a mask of an address selects a byte, and is not 0"},
      {".global .u64 a = b-4;",
       "line 4, column 19: expected ';' after the declaration of a, found '-'"},
      {".global .u64 a = generic(b+4);",
       "line 4, column 27: expected ')' after the name in generic(), found '+'"},
      {".global .u64 a = b + c;", "line 4, column 22: expected an offset, found 'c'"},
      {".global .u64 a = b+4611686018427387905;",
       "line 4, column 20: an offset is at most 4611686018427387904, not 4611686018427387905"},
      {".global .attribute(.fast) .b8 a;",
       "line 4, column 20: expected .managed or .unified, found '.fast'"},
      {".global .u64 .ptr a;",
       "line 4, column 14: expected the name of a .global variable, found '.ptr'"},
      {".entry f(.b32 a);", "line 4, column 10: expected .param, .reg or ')', found '.b32'"},
      {".entry f() .maxntids 1;",
       "line 4, column 12: expected a directive of a function, or its body, found '.maxntids'"},
      {".entry f() .maxntid 1, 2, 3, 4 {}",
       "line 4, column 12: .maxntid has at most 3 numbers, not 4"},
      {".entry f()",
       "line 4, column 11: expected ';' after the declaration of f, if it has no body in braces, found the end of the text"},
  };
  for (const Refusal& one : cases) {
    EXPECT_EQ(message_of(module_of(one.text)), one.message) << one.text;
  }
}

TEST(PtxRefusals, StatementsSayWhatTheyWant) {
  const Refusal cases[] = {
      {"mov.u32 %r1, %r2",
       "line 6, column 1: expected ',' or ';' after an operand of mov, found '}'"},
      {"ret 5 5;", "line 5, column 7: expected ',' or ';' after an operand of ret, found '5'"},
      {"ret a: b;", "line 5, column 6: expected ',' or ';' after an operand of ret, found ':'"},
      {"ret :: a;",
       "line 5, column 6: expected an instruction, a label, a directive or '}', found ':'"},
      {"mov %r1,;", "line 5, column 9: expected an operand, found ';'"},
      {"mov {};", "line 5, column 6: expected an operand, found '}'"},
      {"mov {%r1;", "line 5, column 9: expected ',' or '}' after an operand, found ';'"},
      {"ld [{%r1}];", "line 5, column 5: expected a name or a number after '[', found '{'"},
      {"ld [%r1*4];",
       "line 5, column 8: the operator '*': constant expressions are not read, "
       "only their values are"},
      {"ld [%r1 4];", "line 5, column 9: expected '+', ',' or ']' in an address, found '4'"},
      {"ld [%r1-4];", "line 5, column 8: expected '+', ',' or ']' in an address, found '-'"},
      {"ret;;",
       "line 5, column 5: expected an instruction, a label, a directive or '}', found ';'"},
      {"mov (%r1);", "line 5, column 5: expected an operand, found '('"},
      {"mov %tid .x;", "line 5, column 10: expected ',' or ';' after %tid, found '.x'"},
      {"mov !5;", "line 5, column 6: expected a predicate after '!', found '5'"},
      {"mov --5;", "line 5, column 6: expected a register or a number after '-', found '-'"},
      {"mov -18446744073709551615;",
       "line 5, column 6: -18446744073709551615 has more than 64 bits"},
      {"mov %r1|5;", "line 5, column 9: expected a register or '_' after '|', found '5'"},
      {"mov \"a\";", "line 5, column 5: expected an operand, found '\"a\"'"},
      {"@5 ret;", "line 5, column 2: expected a predicate after '@', found '5'"},
      {"@%p1 { ret; }", "line 5, column 6: expected an instruction, found '{'"},
      {".loc 1 2", "line 6, column 1: expected a column, found '}'"},
      {".loc 1 2 3, function_name a, at", "line 5, column 30: expected inlined_at, found 'at'"},
      {".regs .b32 a;",
       "line 5, column 1: expected a directive that may stand here, found '.regs'"},
      {"5;", "line 5, column 1: expected an instruction, a label, a directive or '}', found '5'"},
      {"t: .branchtargets ;", "line 5, column 19: expected the name of a target, found ';'"},
      {"t: .callprototype (.b32 _) _;",
       "line 5, column 20: expected .param, .reg or ')', found '.b32'"},
      {"} ret;", "line 5, column 3: expected a directive, found 'ret'"},
  };
  for (const Refusal& one : cases) {
    EXPECT_EQ(message_of(entry_of(one.text)), one.message) << one.text;
  }
}

std::string times(size_t count, const std::string& text) {
  std::string all;
  for (size_t i = 0; i < count; ++i) all += text;
  return all;
}

TEST(PtxRefusals, DepthIsBounded) {
  constexpr size_t kMany = 100000;
  EXPECT_EQ(message_of(entry_of(times(127, "{") + times(127, "}"))), "was accepted");
  EXPECT_EQ(message_of(entry_of(times(kMany, "{"))),
            "line 5, column 128: more than 128 blocks in each other");
  EXPECT_EQ(message_of(entry_of("mov " + times(kMany, "{"))),
            "line 5, column 9: an operand of more than 4 parts in each other");
  EXPECT_EQ(message_of(entry_of("mov " + times(kMany, "[a, "))),
            "line 5, column 21: an operand of more than 4 parts in each other");
  EXPECT_EQ(message_of(entry_of("call " + times(kMany, "("))),
            "line 5, column 7: expected an operand, found '('");
  EXPECT_EQ(message_of(module_of(".global .b8 a" + times(kMany, "[1]"))),
            "line 4, column 62: an array of more than 16 dimensions");
  EXPECT_EQ(message_of(module_of(".global .b8 a[4] = " + times(kMany, "{"))),
            "line 4, column 21: expected an initial value, found '{'");
}

TEST(PtxRefusals, EveryTruncationIsAnAnswer) {
  const std::string text = entry_of(R"(  .reg .b32 %r<4>;
  .loc 1 2 3, function_name $L1, inlined_at 1 5 3
  { .reg .pred p; @!p ld.global.v2.b32 {%r1, _}, [%rd1+-8]; }
$L1: call.uni (r), f, (a, 0f3F800000);
  ts: .branchtargets $L1;)");
  ASSERT_EQ(message_of(text), "was accepted");
  const size_t header = std::string(kHeader).size();
  for (size_t length = 0; length + 1 < text.size();
       ++length) {  // without the last newline it is whole
    const std::string message = message_of(text.substr(0, length));
    if (message == "was accepted") {
      EXPECT_TRUE(length + 1 == header || length == header) << length;
    } else {
      EXPECT_EQ(message.find("line "), 0u) << length;
    }
  }
}

}  // namespace
}  // namespace fa4::emu::ptx
