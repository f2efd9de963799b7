// SPDX-License-Identifier: Apache-2.0
// No variant of the Blackwell forward spills, whatever a plan chooses: elements, scores, left bound, claims and head dims
// multiply to 1632 kernels for each architecture. A few that have the fewest registers to spare every time; with FA4_COMPILE_ALL=1
// (make soak) all of them. Needs NVRTC and no GPU.
#include <algorithm>
#include <cstdlib>
#include <string_view>
#include <thread>
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
          variant("sm_103a", 192, 128, Scores::Scaled, 1),
          variant("sm_103a", 192, 128, Scores::Capped, 1),
          variant("sm_100a", 192, 128, Scores::Scaled, 1, 1),
          variant("sm_100a", 192, 128, Scores::Capped, 1)};
}

std::vector<Variant> all_variants() {
  std::vector<Variant> all;
  for (const char* arch : {"sm_100a", "sm_103a"}) {
    for (const ElementType element : {ElementType::BFloat16, ElementType::Float16}) {
      for (const Scores scores : {Scores::Plain, Scores::Scaled, Scores::Capped}) {
        for (const u32 flags : {0u, 1u, 2u, 3u}) {
          for (u32 d = 16; d <= kMostHeadDim; d += 16) {
            for (u32 dv = 16; dv <= std::min(d, kMostValueDim); dv += 16) {
              all.push_back(variant(arch, d, dv, scores, flags & 1, flags >> 1, element));
            }
          }
        }
      }
    }
  }
  return all;
}

// Compiled without a cache, so that what is counted is today's code.
TEST(Sm100Spills, NoForwardSpills) {
  FA4_NEEDS_NVRTC();
  const char* asks_all = std::getenv("FA4_COMPILE_ALL");
  const bool all = asks_all != nullptr && *asks_all == '1';
  std::vector<Wanted> wanted;
  for (const Variant& v : all ? all_variants() : tightest_variants()) {
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

}  // namespace
}  // namespace fa4::jit
