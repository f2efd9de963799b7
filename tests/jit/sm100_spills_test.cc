// SPDX-License-Identifier: Apache-2.0
// No variant of the Blackwell forward spills, whatever a plan chooses: elements, scores, left bound, claims and head dims
// multiply to 1632 kernels for each architecture. A few that have the fewest registers to spare every time; with FA4_COMPILE_ALL=1
// (make soak) all of them. Needs NVRTC and no GPU.
#include <algorithm>
#include <cstdlib>
#include <string_view>
#include <thread>
#include <tuple>
#include <vector>

#include "jit/fixture.h"
#include "plan/sm100_forward.h"

namespace fa4::jit {
namespace {

using sm100::forward::kMostHeadDim;
using sm100::forward::kMostValueDim;

struct Variant {
  const char* arch;
  Sm100ForwardConfig config;
};

// As the planner does: sm_103a lets the load find the maximum and leaves the exponentials where they are.
Variant variant(const char* arch, u32 head_dim, u32 value_dim, Scores scores, u32 left_bound = 0,
                u32 claims = 0, ElementType element = ElementType::BFloat16) {
  const bool is_103 = std::string_view(arch) == "sm_103a";
  return {arch,
          {.element = element,
           .head_dim = head_dim,
           .value_dim = value_dim,
           .scores = scores,
           .left_bound = left_bound,
           .exp2 = {.period = is_103           ? 0u
                              : head_dim > 128 ? 32u
                                               : 16u},
           .maximum_by_load = is_103,
           .claims_tiles = claims}};
}

std::vector<Variant> tightest_variants() {
  return {variant("sm_103a", 128, 128, Scores::Scaled),
          variant("sm_103a", 128, 128, Scores::Plain, 0, 1),
          variant("sm_103a", 192, 128, Scores::Plain, 1, 1),
          variant("sm_103a", 144, 96, Scores::Plain, 1, 1),
          variant("sm_103a", 192, 128, Scores::Capped, 1),
          variant("sm_100a", 192, 64, Scores::Plain),
          variant("sm_100a", 192, 128, Scores::Scaled, 1, 1),
          variant("sm_100a", 192, 128, Scores::Capped, 1)};
}

// All head dims of what is given.
std::vector<Variant> variants_of(const char* arch, ElementType element, Scores scores, u32 flags) {
  std::vector<Variant> all;
  for (u32 d = 16; d <= kMostHeadDim; d += 16) {
    for (u32 dv = 16; dv <= std::min(d, kMostValueDim); dv += 16) {
      all.push_back(variant(arch, d, dv, scores, flags & 1, flags >> 1, element));
    }
  }
  return all;
}

bool asks_for_all() {
  const char* asks_all = std::getenv("FA4_COMPILE_ALL");
  return asks_all != nullptr && *asks_all == '1';
}

// Compiled without a cache, so that what is counted is today's code.
void expect_no_spills(const std::vector<Variant>& variants) {
  std::vector<Wanted> wanted;
  for (const Variant& v : variants) {
    wanted.push_back({plan::sm100_forward_spec(v.config), v.arch, ""});
  }
  Settings settings = settings_from_environment();
  settings.cache_dir.clear();
  settings.packs.clear();
  settings.verbosity = Verbosity::Quiet;
  Compiler compiler(settings);
  const std::vector<Compiled> done =
      compiler.compile_all(wanted, std::thread::hardware_concurrency());
  ASSERT_EQ(done.size(), wanted.size());
  for (size_t i = 0; i < done.size(); ++i) {
    ASSERT_TRUE(done[i].status.ok()) << done[i].status.message;
    const Resources& used = done[i].image->resources;
    EXPECT_GT(used.registers, 0u) << wanted[i].spec.entry;
    EXPECT_EQ(used.spill_store_bytes + used.spill_load_bytes, 0u)
        << wanted[i].spec.entry << " for " << wanted[i].arch;
  }
}

TEST(Sm100Spills, NoTightForwardSpills) {
  FA4_NEEDS_NVRTC();
  expect_no_spills(tightest_variants());
}

// A test for each architecture, element, scores, and left bound with claims, so that processes can share the work.
class Sm100SpillsOfAll
    : public testing::TestWithParam<std::tuple<const char*, ElementType, Scores, u32>> {};

TEST_P(Sm100SpillsOfAll, NoForwardSpills) {
  FA4_NEEDS_NVRTC();
  const auto& [arch, element, scores, flags] = GetParam();
  expect_no_spills(variants_of(arch, element, scores, flags));
}

INSTANTIATE_TEST_SUITE_P(
    Soak, Sm100SpillsOfAll,
    testing::Combine(testing::ValuesIn(asks_for_all()
                                           ? std::vector<const char*>{"sm_100a", "sm_103a"}
                                           : std::vector<const char*>{}),
                     testing::Values(ElementType::BFloat16, ElementType::Float16),
                     testing::Values(Scores::Plain, Scores::Scaled, Scores::Capped),
                     testing::Values(0u, 1u, 2u, 3u)));
GTEST_ALLOW_UNINSTANTIATED_PARAMETERIZED_TEST(Sm100SpillsOfAll);

}  // namespace
}  // namespace fa4::jit
