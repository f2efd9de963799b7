// SPDX-License-Identifier: Apache-2.0
// Bulk copies (PTX ISA 9.0, 9.7.9.25.5 and 9.7.9.27): the operations of cp.async.bulk and its kin, each of one lane and
// with one destination. They move in up to eight parts, each read and later written.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

#include "emu/machine/async.h"
#include "emu/machine/tensor_box.h"

namespace fa4::emu {

// What a bulk copy does to its destination: nothing but writing, or an operation on elements.
struct BulkReduction {
  BulkReduce apply = nullptr;
  uint32_t element_bytes = 1;
};

// Units, rows or chunks of 16 bytes, pass through memory of the operation's own.
class StagedCopy : public AsyncOp {
 public:
  StagedCopy(Warp& issuer, int lane, AsyncGroup group, const char* name);

  const char* what() const final { return name_; }
  size_t num_steps() const final { return 2 * num_parts(); }
  size_t num_reads() const final { return num_parts(); }
  void step(size_t index) final;
  void complete() final;

  // Its bytes are counted by the mbarrier there, which is checked now.
  void set_signal(uint64_t mbarrier);

 protected:
  int lane() const { return lane_; }
  void set_units(uint32_t count, uint32_t bytes);
  virtual void read(uint32_t begin, uint32_t end, std::byte* to) = 0;
  virtual void write(uint32_t begin, uint32_t end, const std::byte* from) = 0;

 private:
  uint32_t num_parts() const { return num_units_ < 8 ? num_units_ : 8; }

  const char* name_;
  int lane_;
  uint32_t num_units_ = 0, unit_bytes_ = 0;
  std::unique_ptr<std::byte[]> staged_;
  uint32_t signal_ = 0;  // the barrier's shared address, with the rank
  bool signals_ = false;
};

// Bytes that lie one behind another on both sides, which are given by one of the first and one of the last functions each. A
// bad source gives poison, a bad destination stays as it is; both have been reported.
class BytesCopy final : public StagedCopy {
 public:
  BytesCopy(Warp& issuer, int lane, AsyncGroup group, const char* name, uint32_t bytes);

  void from_global(uint64_t address);
  void from_shared(uint64_t address);
  void to_global(uint64_t address, const BulkReduction& reduction);
  void to_shared(uint64_t address, const BulkReduction& reduction);

 private:
  void read(uint32_t begin, uint32_t end, std::byte* to) override;
  void write(uint32_t begin, uint32_t end, const std::byte* from) override;

  uint32_t bytes_;
  const std::byte* from_ = nullptr;
  std::byte* to_ = nullptr;
  BulkReduction reduction_;
};

// A box between a tensor and a tile of shared memory.
class BoxCopy final : public StagedCopy {
 public:
  BoxCopy(Warp& issuer, int lane, AsyncGroup group, const char* name, const TensorBox& box);

  void to_tile(uint64_t address);
  void from_tile(uint64_t address, BulkReduce reduction);  // null: a store

 private:
  void read(uint32_t begin, uint32_t end, std::byte* to) override;
  void write(uint32_t begin, uint32_t end, const std::byte* from) override;
  void check_tensor(bool stores);
  void set_tile(uint64_t address, bool stores);

  TensorBox box_;
  bool stores_ = false;
  BulkReduce reduction_ = nullptr;
  uint32_t address_ = 0;
  std::byte* tile_ = nullptr;      // null: it was bad
  std::vector<bool> bad_rows_;     // outside of what is allocated; empty: none is
};

}  // namespace fa4::emu
