// SPDX-License-Identifier: Apache-2.0
// fa4 trace on the PTX machine, and the picture of a trace made by hand.
#include <map>
#include <set>

#include "command.h"
#include "fa4/error.h"
#include "fa4/trace_svg.h"

namespace fa4::cli {
namespace {

class Trace : public CommandTest {};

// Tags of an SVG that open and close, in order.
bool is_well_formed(const std::string& svg) {
  std::vector<std::string> open;
  for (size_t at = svg.find('<'); at != std::string::npos; at = svg.find('<', at + 1)) {
    const size_t end = svg.find('>', at);
    if (end == std::string::npos) return false;
    const std::string tag = svg.substr(at + 1, end - at - 1);
    if (tag.ends_with('/')) continue;
    const std::string name = tag.substr(0, tag.find(' '));
    if (!name.starts_with('/')) {
      open.push_back(name);
    } else if (open.empty() || "/" + open.back() != name) {
      return false;
    } else {
      open.pop_back();
    }
  }
  return open.empty() && svg.starts_with("<svg ");
}

Json slice(int thread, int begin, int length, const char* category, const char* name) {
  return {{"ph", "X"},     {"pid", 1},        {"tid", thread}, {"ts", begin},
          {"dur", length}, {"cat", category}, {"name", name},  {"args", {{"at", "a <b> & \"c\""}}}};
}

Json named(int thread, const char* name) {
  return {{"ph", "M"},
          {"pid", 1},
          {"tid", thread},
          {"name", "thread_name"},
          {"args", {{"name", name}}}};
}

TEST(TracePicture, HasABandForEachRoleAndEngine) {
  const Json trace = {
      {"otherData", {{"kernel", "k"}, {"policy", "lazy"}}},
      {"traceEvents",
       {named(0, "Softmax (warp 0)"), named(1, "Softmax (warp 1)"), named(2, "Load (warp 2)"),
        named(1000, "TMA"), slice(0, 0, 300, "run", "run"), slice(1, 100, 100, "wait", "full[0]"),
        slice(2, 0, 300, "run", "run"), slice(1000, 110, 50, "operation", "TMA load")}}};
  const std::string svg = draw_trace(trace, "a case");
  EXPECT_TRUE(is_well_formed(svg)) << svg;
  for (const char* text : {">Softmax<", ">Load<", ">TMA<", ">full[0]<", ">TMA load<", "not time",
                           "a &lt;b&gt; &amp; &quot;c&quot;"}) {
    EXPECT_NE(svg.find(text), std::string::npos) << text;
  }
  EXPECT_EQ(svg.find("<b>"), std::string::npos);
  EXPECT_EQ(svg, draw_trace(trace, "a case"));
}

TEST(TracePicture, WithoutEventsIsRefused) {
  EXPECT_THROW(draw_trace({{"traceEvents", Json::array()}}, ""), Failure);
}

TEST_F(Trace, WantsTheMachineAndAFile) {
  expect_refusal("trace --shape 1,1,1,8,8,16 --backend cpu --json a", 2,
                 "only the PTX machine is traced");
  expect_refusal("trace --shape 1,1,1,8,8,16 --backend emulated:sm_80", 2, "needs --json or --svg");
  expect_refusal("trace --backend emulated:sm_80 --json a", 2, "trace needs --shape");
}

// Slices of a track follow one another, every track has a name, and each operation has an issuer.
void expect_complete(const Json& trace) {
  std::map<std::pair<int64_t, int64_t>, int64_t> ends;
  std::set<std::pair<int64_t, int64_t>> names;
  std::map<std::string, int> categories, phases;
  for (const Json& event : trace["traceEvents"]) {
    const std::string phase = event["ph"];
    ++phases[phase];
    const std::pair track{event["pid"].get<int64_t>(), event["tid"].get<int64_t>()};
    if (phase == "M" && event["name"] == "thread_name") names.insert(track);
    if (phase != "X") continue;
    ++categories[event["cat"].get<std::string>()];
    EXPECT_TRUE(names.contains(track)) << event.dump();
    EXPECT_GE(event["ts"].get<int64_t>(), ends[track]) << event.dump();
    EXPECT_GT(event["dur"].get<int64_t>(), 0) << event.dump();
    ends[track] = event["ts"].get<int64_t>() + event["dur"].get<int64_t>();
  }
  EXPECT_GT(categories["run"], 0);
  EXPECT_GT(categories["wait"], 0);
  EXPECT_GT(categories["operation"], 0);
  EXPECT_EQ(phases["s"], categories["operation"]);
  EXPECT_EQ(phases["f"], categories["operation"]);
}

TEST_F(Trace, DrawsBlackwellsRolesAndEngines) {
  const Answer answer = fa4(
      "trace --backend emulated:sm_100a --kernel sm100 --shape 1,1,1,256,256,64 --dtype bf16 --causal --check "
      "--json a.json --svg a.svg");
  if (answer.exit == 3) GTEST_SKIP() << answer.err;
  ASSERT_EQ(answer.exit, 0) << answer.err << answer.out;
  const Json trace = Json::parse(read_text(path("a.json")));
  EXPECT_EQ(trace["otherData"]["lost"], 0);
  expect_complete(trace);
  std::map<std::string, int> operations, waits;
  for (const Json& event : trace["traceEvents"]) {
    if (event["ph"] != "X") continue;
    const std::string name = event["name"];
    if (event["cat"] == "operation") ++operations[name];
    if (event["cat"] == "wait") ++waits[name.substr(0, name.find('['))];
  }
  // Of two query tiles and two blocks of keys: Q, K and V; S in four steps and P V in eight.
  EXPECT_EQ(operations["TMA load"], 2 + 2 + 2);
  EXPECT_EQ(operations["tcgen05.mma"], 2 * 2 * (4 + 8));
  EXPECT_EQ(operations["TMA store"], 2);
  for (const char* barrier : {"q_full", "kv_full", "s_full", "p_ready", "out_full"}) {
    EXPECT_GT(waits[barrier], 0) << barrier;
  }
  const std::string svg = read_text(path("a.svg"));
  EXPECT_TRUE(is_well_formed(svg));
  for (const char* band :
       {"Softmax0", "Softmax1", "Correction", "Mma", "Load", "Store", "TMA", "tensor core"}) {
    EXPECT_NE(svg.find(std::string(">") + band + "<"), std::string::npos) << band;
  }
}

TEST_F(Trace, DrawsThePortableKernelAndIsTheSameAgain) {
  const std::string command =
      "trace --backend emulated:sm_80 --shape 1,1,1,128,256,64 --dtype bf16 --causal --check --json a.json --svg ";
  const Answer answer = fa4(command + "a.svg");
  if (answer.exit == 3) GTEST_SKIP() << answer.err;
  ASSERT_EQ(answer.exit, 0) << answer.err << answer.out;
  const std::string text = read_text(path("a.json"));
  const Json trace = Json::parse(text);
  EXPECT_EQ(trace["otherData"]["axis"], "scheduler steps, not time");
  EXPECT_EQ(trace["otherData"]["policy"], "lazy");
  EXPECT_EQ(trace["otherData"]["lost"], 0);
  expect_complete(trace);
  const std::string svg = read_text(path("a.svg"));
  EXPECT_TRUE(is_well_formed(svg));
  EXPECT_NE(svg.find(">cp.async<"), std::string::npos);
  ASSERT_EQ(fa4(command + "b.svg").exit, 0);
  EXPECT_EQ(read_text(path("a.json")), text);
  EXPECT_EQ(read_text(path("b.svg")), svg);
}

}  // namespace
}  // namespace fa4::cli
