// SPDX-License-Identifier: Apache-2.0
// Races about operands of tcgen05.mma in shared memory: a copy is under way to what it multiplies, or overwrites that before
// anybody knows of its end. Kernels multiply more rows than they have (M is 64 or 128), and beside their tile lies
// whatever the next slot of a ring holds; that is no mistake until somebody reads what comes of it. So such a race is
// kept with the cells of D that it reaches, and reported where one of them is read.
#pragma once

#include <cstdint>
#include <deque>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "emu/machine/shadow.h"
#include "emu/machine/tmem.h"

namespace fa4::emu {

// Which cells of D come of bytes of an operand. It outlives the operation.
class OperandReach {
 public:
  struct Cells {
    Cta* cta;
    TmemRange range;
  };

  OperandReach(uint32_t of_id, const Instr* of_site) : id(of_id), site(of_site) {}
  virtual ~OperandReach() = default;
  OperandReach(const OperandReach&) = delete;
  OperandReach& operator=(const OperandReach&) = delete;

  const uint32_t id;  // the operation's
  const Instr* const site;

  // `units`: places of 16 bytes in the shadow, ascending.
  virtual std::vector<Cells> cells_of(std::span<const uint32_t> units) const = 0;
};

// Of a cluster.
class OperandRaces {
 public:
  struct Race {
    std::string code, text;
    const Instr* site;  // of the mma
  };

  void reset();
  // Of the operation that has just been issued; the oldest are forgotten.
  void add(std::unique_ptr<OperandReach> reach);
  // The operand was in flight when the operation was issued.
  void meet(const OperandReach& reach, std::span<const uint32_t> units, const std::string& code,
            const std::string& text);
  // Operands are overwritten before the end of their operations is known. False: somebody has read what came of them,
  // or may have.
  bool overwrite(const std::vector<Shadow::LateRead>& reads, const std::string& code,
                 const std::string& text);
  const Race& race(uint32_t number) const { return races_[number - 1]; }

 private:
  static constexpr size_t kMost = 4096;

  uint32_t number_of(const std::string& code, const std::string& text, const Instr* site);
  const OperandReach* find(uint32_t id) const;

  std::vector<Race> races_;                            // of one code at one mma the first
  std::deque<std::unique_ptr<OperandReach>> reaches_;  // by id
};

}  // namespace fa4::emu
