// SPDX-License-Identifier: Apache-2.0
// Registers that a tcgen05.ld of a warp will write. An instruction that reads or writes one of them has the load made
// first: a true dependence delivers the value without tcgen05.wait::ld, as the assembler sees to it on silicon. The warp
// then knows that the load has read tensor memory.
#pragma once

#include <cstdint>
#include <deque>
#include <span>
#include <vector>

namespace fa4::emu {

class AsyncOp;
struct Warp;

class TensorLoads {
 public:
  void reset();
  // Whether any load is neither used nor waited for.
  bool in_use() const { return num_open_ != 0; }

  // A load has been issued that writes these rows, which stay where they are; its number. `id` is Shadow's.
  uint32_t add(uint32_t id, AsyncOp* op, std::span<const uint32_t> rows, uint32_t num_rows);
  // It is made.
  void note_made(uint32_t number);
  // An ordinary instruction reads or writes rows.
  void touch(Warp& warp, uint32_t first, uint32_t count) {
    for (uint32_t row = first; row < first + count; ++row) {
      const uint32_t number = row < owners_.size() ? owners_[row] : 0;
      if (number > num_closed_) use(warp, number);
    }
  }
  // The warp has waited for all of them, which are made.
  void waited(Warp& warp);

 private:
  struct Load {
    uint32_t id;
    AsyncOp* op;  // null: made
    bool used;
  };
  void use(Warp& warp, uint32_t number);
  void close();

  std::deque<Load> loads_;        // from number num_closed_ + 1 on
  std::vector<uint32_t> owners_;  // of a row: the number of the last load that writes it
  uint32_t num_closed_ = 0;       // loads, the first ones, that are used or waited for
  uint32_t num_open_ = 0;
};

}  // namespace fa4::emu
