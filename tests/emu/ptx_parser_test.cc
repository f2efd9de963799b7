// SPDX-License-Identifier: Apache-2.0
// What the tree says of each thing that PTX can say.
#include "emu/ptx_text.h"

namespace fa4::emu::ptx {
namespace {

using OperandKind = Operand::Kind;

Instruction instruction_of(const Module& module, size_t index = 0) {
  return statement_at<Instruction>(module, index);
}

TEST(PtxParser, HeaderIsVersionTargetAndAddressSize) {
  const Module module = parse(".version 8.12\n.target sm_90a, debug\n.address_size 32\n");
  EXPECT_EQ(module.version_major, 8u);
  EXPECT_EQ(module.version_minor, 12u);
  EXPECT_EQ(module.target, "sm_90a");
  ASSERT_EQ(module.target_options.size(), 1u);
  EXPECT_EQ(module.target_options[0], "debug");
  EXPECT_EQ(module.address_size, 32u);
  EXPECT_TRUE(module.items.empty());
}

TEST(PtxParser, AMovedModuleKeepsItsNames) {
  Module module = parse(entry_of("mov.b32 %r1, 5;"));
  const Module moved = std::move(module);
  module = {};
  EXPECT_EQ(instruction_of(moved).operands[0].name, "%r1");
}

TEST(PtxParser, VariablesKeepAllThatIsSaidOfThem) {
  const Module module = parse(module_of(R"(
    .visible .global .align 4 .b8 a[2][2] = {{1, 0xFF}, {-1, 0}};
    .extern .shared .align 1024 .b8 smem[];
    .const .v4 .f32 c = {0f3F800000, 1.0, -2.5, 0};
    .global .attribute(.managed) .s32 m, n = -7;
    .weak .global .u64 p = generic(a)+8;
    .global .u64 q[3] = {a, a+4, generic(a)+-2+4};
    .global .b8 bytes[2] = {0xFF(a), 0xFF00(generic(a)+16)};
    .common .global .u32 zero;)"));
  const auto& a = item_at<Variable>(module, 0);
  EXPECT_EQ(a.linkage, "visible");
  EXPECT_EQ(a.space, "global");
  EXPECT_EQ(a.type, "b8");
  EXPECT_EQ(a.alignment, 4u);
  EXPECT_EQ(a.name, "a");
  EXPECT_EQ(a.extents, (std::vector<int64_t>{2, 2}));
  ASSERT_EQ(a.values.size(), 4u);
  EXPECT_EQ(a.values[1].bits, 0xFFu);
  EXPECT_EQ(a.values[2].bits, ~uint64_t{0});
  const auto& smem = item_at<Variable>(module, 1);
  EXPECT_EQ(smem.extents, (std::vector<int64_t>{-1}));
  EXPECT_EQ(smem.alignment, 1024u);
  EXPECT_FALSE(smem.initialized);
  const auto& c = item_at<Variable>(module, 2);
  EXPECT_EQ(c.vector, 4u);
  EXPECT_EQ(c.values[0].kind, OperandKind::Float32);
  EXPECT_EQ(c.values[2].kind, OperandKind::Float64);
  EXPECT_EQ(c.values[2].bits, 0xC004000000000000u);
  EXPECT_EQ(c.values[3].kind, OperandKind::Integer);
  EXPECT_EQ(item_at<Variable>(module, 3).attributes, (std::vector<std::string_view>{"managed"}));
  EXPECT_EQ(item_at<Variable>(module, 4).values[0].bits, static_cast<uint64_t>(-7));
  EXPECT_EQ(item_at<Variable>(module, 4).attributes, (std::vector<std::string_view>{"managed"}));
  const Initializer p = item_at<Variable>(module, 5).values[0];
  EXPECT_EQ(p.kind, OperandKind::Name);
  EXPECT_EQ(p.symbol, "a");
  EXPECT_TRUE(p.generic);
  EXPECT_EQ(p.offset, 8);
  const auto& q = item_at<Variable>(module, 6);
  EXPECT_FALSE(q.values[1].generic);
  EXPECT_EQ(q.values[1].offset, 4);
  EXPECT_EQ(q.values[2].offset, 2);
  const auto& bytes = item_at<Variable>(module, 7);
  EXPECT_EQ(bytes.values[0].bits, 0xFFu);
  EXPECT_EQ(bytes.values[1].bits, 0xFF00u);
  EXPECT_TRUE(bytes.values[1].generic);
  EXPECT_EQ(bytes.values[1].offset, 16);
  EXPECT_EQ(item_at<Variable>(module, 8).linkage, "common");
}

TEST(PtxParser, InnerBracesAreFlattened) {
  const Module module =
      parse(module_of(".global .s32 o[][2] = {{-1, 0}, {0, -1}, {5, 6}};\n"
                      ".global .v2 .s32 v[2] = {{1, 2}};"));
  const auto& o = item_at<Variable>(module, 0);
  EXPECT_EQ(o.values.size(), 6u);
  EXPECT_EQ(o.extents, (std::vector<int64_t>{-1, 2}));
  EXPECT_EQ(item_at<Variable>(module, 1).values.size(), 2u);
  const std::string printed = print(module);
  EXPECT_NE(printed.find("o[][2] = {{-1, 0}, {0, -1}, {5, 6}};"), std::string::npos) << printed;
  EXPECT_NE(printed.find("v[2] = {{1, 2}};"), std::string::npos) << printed;
}

TEST(PtxParser, EntriesAndFunctions) {
  const Module module = parse(module_of(R"(
    .visible .entry e(.param .align 64 .b8 p[640], .param .u64 .ptr .global .align 16 q)
    .maxntid 128, 2, 1 .minnctapersm 2 .explicitcluster .reqnctapercluster 2
    { ret; }
    .extern .func (.param .b32 r) vprintf (.param .b64 f, .param .b64 a) ;
    .func stop .noreturn;
    .weak .func (.reg .b32 %rv) g(.reg .b32 %ra) { ret; }
    .alias h, g;)"));
  const auto& e = item_at<Function>(module, 0);
  EXPECT_TRUE(e.entry);
  EXPECT_EQ(e.linkage, "visible");
  ASSERT_EQ(e.parameters.size(), 2u);
  EXPECT_EQ(e.parameters[0].alignment, 64u);
  EXPECT_EQ(e.parameters[1].alignment, 0u) << "16 is of what q points to";
  EXPECT_EQ(e.parameters[1].attributes, (std::vector<std::string_view>{"ptr .global .align 16"}));
  ASSERT_EQ(e.directives.size(), 4u);
  EXPECT_EQ(e.directives[0].name, "maxntid");
  EXPECT_EQ(e.directives[0].values, (std::vector<uint32_t>{128, 2, 1}));
  EXPECT_TRUE(e.directives[2].values.empty());
  const auto& vprintf = item_at<Function>(module, 1);
  EXPECT_FALSE(vprintf.entry);
  EXPECT_FALSE(vprintf.body.has_value());
  EXPECT_EQ(vprintf.returns.at(0).name, "r");
  EXPECT_EQ(vprintf.parameters.size(), 2u);
  EXPECT_EQ(item_at<Function>(module, 2).directives.at(0).name, "noreturn");
  EXPECT_EQ(item_at<Function>(module, 3).parameters.at(0).space, "reg");
  EXPECT_EQ(item_at<Directive>(module, 4).text, ".alias h, g;");
}

TEST(PtxParser, RegistersComeInRangesAndLists) {
  const Module module = parse(entry_of(".reg .pred %p<3>, q; .reg .v2 .f32 v;"));
  EXPECT_EQ(statement_at<Variable>(module, 0).count, 3u);
  EXPECT_EQ(statement_at<Variable>(module, 0).type, "pred");
  EXPECT_EQ(statement_at<Variable>(module, 1).count, 0u);
  EXPECT_EQ(statement_at<Variable>(module, 1).name, "q");
  EXPECT_EQ(statement_at<Variable>(module, 2).vector, 2u);
}

TEST(PtxParser, InstructionsHaveGuardOpcodeModifiersOperands) {
  const Module module = parse(entry_of(
      "@!%p1 mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32\n {%f1, _}, {%r1}, %r2, -5;\n"
      "exit;"));
  const Instruction mma = instruction_of(module);
  EXPECT_EQ(mma.guard, "%p1");
  EXPECT_TRUE(mma.guard_negated);
  EXPECT_EQ(mma.opcode, "mma");
  EXPECT_EQ(mma.modifiers.size(), 9u);
  EXPECT_EQ(mma.modifiers[2], "m16n8k16");
  EXPECT_EQ(mma.place.line, 5u);
  EXPECT_EQ(mma.place.column, 7u);
  ASSERT_EQ(mma.operands.size(), 4u);
  EXPECT_EQ(mma.operands[0].kind, OperandKind::Vector);
  EXPECT_EQ(mma.operands[0].parts[0].name, "%f1");
  EXPECT_EQ(mma.operands[0].parts[1].kind, OperandKind::Sink);
  EXPECT_EQ(mma.operands[0].place.line, 6u);
  EXPECT_EQ(mma.operands[3].kind, OperandKind::Integer);
  EXPECT_EQ(static_cast<int64_t>(mma.operands[3].bits), -5);
  EXPECT_TRUE(instruction_of(module, 1).operands.empty());
}

struct OperandCase {
  const char* text;
  OperandKind kind;
  const char* printed;
};

TEST(PtxParser, OperandsOfEveryShape) {
  const OperandCase cases[] = {
      {"%r1", OperandKind::Name, "%r1"},
      {"%cluster_ctaid.x", OperandKind::Name, "%cluster_ctaid.x"},
      {"%r1.b0", OperandKind::Name, "%r1.b0"},
      {"symbol + 8", OperandKind::Name, "symbol+8"},
      {"symbol+-8", OperandKind::Name, "symbol+-8"},
      {"0x7fffffff", OperandKind::Integer, "2147483647"},
      {"-0x8000000000000000", OperandKind::Integer, "-9223372036854775808"},
      {"18446744073709551615", OperandKind::Integer, "-1"},
      {"0f00000000", OperandKind::Float32, "0f00000000"},
      {"-0f3f800000", OperandKind::Float32, "0fBF800000"},
      {"-1.5", OperandKind::Float64, "0dBFF8000000000000"},
      {"{%r1,5,_}", OperandKind::Vector, "{%r1, 5, _}"},
      {"[%rd1]", OperandKind::Address, "[%rd1]"},
      {"[%rd1+-160]", OperandKind::Address, "[%rd1+-160]"},
      {"[%rd1+-160+4]", OperandKind::Address, "[%rd1+-156]"},
      {"[16]", OperandKind::Address, "[16]"},
      {"[map, {%r1, 0}]", OperandKind::Address, "[map, {%r1, 0}]"},
      {"%r1|%p1", OperandKind::Pair, "%r1|%p1"},
      {"_|%p1", OperandKind::Pair, "_|%p1"},
      {"!%p1", OperandKind::Not, "!%p1"},
      {"-%r1", OperandKind::Negated, "-%r1"},
      {"_", OperandKind::Sink, "_"},
  };
  for (const OperandCase& one : cases) {
    const Module module = parse(entry_of(std::string("op.x ") + one.text + ";"));
    const Instruction instruction = instruction_of(module);
    ASSERT_EQ(instruction.operands.size(), 1u) << one.text;
    EXPECT_EQ(instruction.operands[0].kind, one.kind) << one.text;
    EXPECT_EQ(print(instruction), std::string("op.x ") + one.printed);
  }
}

TEST(PtxParser, AddressesHaveTheirBaseFirst) {
  const Module module = parse(entry_of("ld.b32 %r1, [%rd1+-8, {%r2}];"));
  const Operand address = instruction_of(module).operands[1];
  ASSERT_EQ(address.parts.size(), 2u);
  EXPECT_EQ(address.parts[0].name, "%rd1");
  EXPECT_EQ(address.parts[0].offset, -8);
  EXPECT_EQ(address.parts[1].kind, OperandKind::Vector);
}

TEST(PtxParser, CallsHaveLists) {
  const Module module = parse(
      entry_of("call.uni (retval0), vprintf, (param0, 5);\ncall (), %rd1, (), proto;\ncall g;"));
  const Instruction first = instruction_of(module);
  ASSERT_EQ(first.operands.size(), 3u);
  EXPECT_EQ(first.operands[0].kind, OperandKind::List);
  EXPECT_EQ(first.operands[1].name, "vprintf");
  EXPECT_EQ(first.operands[2].parts.size(), 2u);
  EXPECT_EQ(print(first), "call.uni (retval0), vprintf, (param0, 5)");
  EXPECT_EQ(print(instruction_of(module, 1)), "call (), %rd1, (), proto");
  EXPECT_EQ(print(instruction_of(module, 2)), "call g");
}

TEST(PtxParser, BlocksLabelsAndTargets) {
  const Module module = parse(entry_of(R"(
$L1:
  { .reg .b32 tmp; mov.b64 {tmp, %r1}, %rd1; { LAB: bra LAB; } }
  ts: .branchtargets $L1, $L2;
  fs: .calltargets f, g;
  proto : .callprototype (.param .b32 _) _ (.param .b64 _, .param .align 8 .b8 _[16]) ;
  none : .callprototype ()_ () .noreturn;
  brx.idx %r1, ts;)"));
  EXPECT_EQ(statement_at<Label>(module, 0).name, "$L1");
  const auto& block = *statement_at<std::unique_ptr<Block>>(module, 1);
  ASSERT_EQ(block.statements.size(), 3u);
  EXPECT_EQ(std::get<std::unique_ptr<Block>>(block.statements[2])->statements.size(), 2u);
  const auto& branch = statement_at<Targets>(module, 2);
  EXPECT_EQ(branch.label, "ts");
  EXPECT_EQ(branch.directive, "branchtargets");
  EXPECT_EQ(branch.names, (std::vector<std::string_view>{"$L1", "$L2"}));
  EXPECT_EQ(statement_at<Targets>(module, 3).directive, "calltargets");
  const auto& prototype = statement_at<Targets>(module, 4);
  EXPECT_EQ(prototype.text, "(.param .b32 _) _ (.param .b64 _, .param .align 8 .b8 _[16])");
  EXPECT_EQ(statement_at<Targets>(module, 5).text, "()_ () .noreturn");
}

TEST(PtxParser, InstructionsKnowTheirSourceLine) {
  const Module module = parse(module_of(R"(.entry f() {
  ret;
  .loc 1 25 3
  ret;
  .loc  2 113 7, function_name $L__info_string0+4, inlined_at 1 5 3
  ret;
}
.entry g() { ret; }
.file 1 "a.cu"
.file 2 "b.h", 1700000000, 512
.section .debug_str
{
$L__info_string0:
.b8 95,90,0
.b32 .debug_abbrev
}
.pragma "nounroll";)"));
  const auto& body = item_at<Function>(module, 0).body->statements;
  EXPECT_EQ(std::get<Instruction>(body[0]).source.file, 0u);
  EXPECT_EQ(std::get<Instruction>(body[2]).source.line, 25u);
  const SourceLine inlined = std::get<Instruction>(body[4]).source;
  EXPECT_EQ(inlined.file, 2u);
  EXPECT_EQ(inlined.line, 113u);
  EXPECT_EQ(inlined.column, 7u);
  EXPECT_EQ(std::get<Instruction>(item_at<Function>(module, 1).body->statements[0]).source.file, 0u)
      << "a function begins anew";
  EXPECT_EQ(module.files, (std::vector<std::string_view>{"", "a.cu", "b.h"}));
  EXPECT_EQ(item_at<Directive>(module, 4).text,
            ".section .debug_str\n{\n$L__info_string0:\n.b8 95,90,0\n.b32 .debug_abbrev\n}");
  EXPECT_EQ(item_at<Directive>(module, 5).text, ".pragma \"nounroll\";");
}

}  // namespace
}  // namespace fa4::emu::ptx
