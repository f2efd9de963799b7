// SPDX-License-Identifier: Apache-2.0
// The Blackwell forward on the machine with any PTX in place of its own. One CTA walks over all tiles, so that every
// phase wraps.
#pragma once

#include "abi/sm100_forward.h"
#include "emu/family_run.h"

namespace fa4::emu::test {

enum class ForwardRows : uint8_t {
  Dense,  // causal, three heads, four blocks of keys: some rows rescale, some blocks are masked; O leaves by TMA
  Packed,  // four sequences, one without keys: V rows are cleared, O leaves row by row
};

// bf16.
struct ForwardKind {
  int64_t head_dim = 128, value_dim = 128;
  bool claims_tiles =
      false;  // then a CTA per tile is launched, of which the first may claim the others
};

class Sm100ForwardRun : public FamilyRun {
 public:
  Sm100ForwardRun(ForwardRows rows, const ForwardKind& kind);

 private:
  void make_dense();
  void make_packed();
};

}  // namespace fa4::emu::test
