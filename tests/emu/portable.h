// SPDX-License-Identifier: Apache-2.0
// The portable kernels on the machine with any PTX in place of their own.
#pragma once

#include "emu/family_run.h"

namespace fa4::emu::test {

class PortableRun : public FamilyRun {
 public:
  // bf16, head dim 64, grouped heads, causal, several tiles of queries and of keys. The backward is the deterministic
  // one, whose bits do not depend on the order of events.
  explicit PortableRun(Pass pass);
};

}  // namespace fa4::emu::test
