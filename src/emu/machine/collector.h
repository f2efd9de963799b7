// SPDX-License-Identifier: Apache-2.0
// The collector buffer of a CTA, or of a pair's first: the A that a tcgen05.mma with `.collector::a::fill` left there
// (PTX ISA 9.0, 9.7.16.10.9.1). Of its contents only the name is kept, for an mma takes A from memory in any case.
#pragma once

#include <cstdint>

namespace fa4::emu {

struct Instr;

enum class CollectorUse : uint8_t { Discard, Fill, Use, LastUse };

struct Collector {
  bool filled = false;
  const Instr* site = nullptr;  // that filled it, or after which it is empty; null: nobody has
  uint64_t a = 0;               // a matrix descriptor, or an address
  uint32_t shape = 0;           // M, type and the like of A, some number
};

}  // namespace fa4::emu
