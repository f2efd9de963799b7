// SPDX-License-Identifier: Apache-2.0
// cp.async of a warp: up to 16 bytes for each lane, from global to shared memory, the rest filled with zeros.
#pragma once

#include <array>

#include "emu/machine/async.h"

namespace fa4::emu {

class CpAsync final : public AsyncOp {
 public:
  explicit CpAsync(Warp& issuer) : AsyncOp(issuer, AsyncGroup::CpAsync) {}

  // A lane's part. It is checked here; a bad source gives poison.
  void add(int lane, uint64_t to, uint64_t from, uint32_t bytes, uint32_t source_bytes);

  // Parts of so many lanes that lie side by side on both sides. False: something may be wrong with one of them, and
  // nothing has been noted.
  bool add_run(int count, uint64_t to, uint64_t from, uint32_t bytes);

  const char* what() const override { return "cp.async"; }
  size_t num_steps() const override { return 2 * num_parts_; }
  size_t num_reads() const override { return num_parts_; }
  void step(size_t index) override;
  bool step_all() override;

 private:
  struct Part {
    std::byte* to;
    const std::byte* from;  // null: the source was bad
    uint32_t bytes, source_bytes;
  };
  // What is written where the source is bad or shorter.
  static void fill_rest(const Part& part, std::byte* to);

  std::array<Part, kLanes> parts_;
  std::array<std::array<std::byte, 16>, kLanes> staged_;
  size_t num_parts_ = 0;
};

}  // namespace fa4::emu
