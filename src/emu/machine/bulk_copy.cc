// SPDX-License-Identifier: Apache-2.0
#include "emu/machine/bulk_copy.h"

#include <cstring>

#include "emu/machine/cluster.h"

namespace fa4::emu {
namespace {

constexpr uint32_t kBulkChunk = 16;
constexpr uint32_t kTileAlignment = 128;

}  // namespace

StagedCopy::StagedCopy(Warp& issuer, int lane, AsyncGroup group, const char* name)
    : AsyncOp(issuer, group), name_(name), lane_(lane) {}

void StagedCopy::set_units(uint32_t count, uint32_t bytes) {
  num_units_ = count;
  unit_bytes_ = bytes;
}

void StagedCopy::set_signal(uint64_t mbarrier) {
  if (!check_barrier(*warp, mbarrier, lane_)) return;
  signal_ = static_cast<uint32_t>(mbarrier);
  signals_ = true;
}

void StagedCopy::step(size_t index) {
  const uint32_t parts = num_parts();
  const auto part = static_cast<uint32_t>(index) % parts;
  const uint32_t begin = num_units_ * part / parts, end = num_units_ * (part + 1) / parts;
  if (index == 0) {
    staged_ = std::make_unique_for_overwrite<std::byte[]>(size_t{num_units_} * unit_bytes_);
  }
  std::byte* staged = staged_.get() + size_t{begin} * unit_bytes_;
  if (index < parts) {
    read(begin, end, staged);
  } else {
    write(begin, end, staged);
  }
}

void StagedCopy::complete() {
  if (!signals_) return;
  complete_tx(*warp->cta->cluster, signal_, int64_t{num_units_} * unit_bytes_, *this);
}

BytesCopy::BytesCopy(Warp& issuer, int lane, AsyncGroup group, const char* name, uint32_t bytes)
    : StagedCopy(issuer, lane, group, name), bytes_(bytes) {
  set_units(bytes / kBulkChunk, kBulkChunk);
}

void BytesCopy::from_global(uint64_t address) {
  from_ = resolve(*warp, Space::Global, address, lane(), bytes_, Access::Read, kBulkChunk);
}

void BytesCopy::from_shared(uint64_t address) {
  from_ = note_source(*this, address, lane(), bytes_, kBulkChunk);
}

void BytesCopy::to_global(uint64_t address, const BulkReduction& reduction) {
  reduction_ = reduction;
  to_ = resolve(*warp, Space::Global, address, lane(), bytes_, Access::Write, kBulkChunk);
}

void BytesCopy::to_shared(uint64_t address, const BulkReduction& reduction) {
  reduction_ = reduction;
  to_ = note_target(*this, address, lane(), bytes_, kBulkChunk, reduction.apply != nullptr);
}

void BytesCopy::read(uint32_t begin, uint32_t end, std::byte* to) {
  const size_t bytes = size_t{end - begin} * kBulkChunk;
  if (from_ == nullptr) {
    std::memset(to, kPoisonByte, bytes);
  } else {
    std::memcpy(to, from_ + size_t{begin} * kBulkChunk, bytes);
  }
}

void BytesCopy::write(uint32_t begin, uint32_t end, const std::byte* from) {
  if (to_ == nullptr) return;
  const uint32_t bytes = (end - begin) * kBulkChunk;
  std::byte* to = to_ + size_t{begin} * kBulkChunk;
  if (reduction_.apply == nullptr) {
    std::memcpy(to, from, bytes);
  } else {
    reduction_.apply(to, from, bytes / reduction_.element_bytes);
  }
}

BoxCopy::BoxCopy(Warp& issuer, int lane, AsyncGroup group, const char* name, const TensorBox& box)
    : StagedCopy(issuer, lane, group, name), box_(box) {
  set_units(box_.num_rows(), box_.row_bytes());
}

void BoxCopy::to_tile(uint64_t address) {
  check_tensor(false);
  set_tile(address, false);
}

void BoxCopy::from_tile(uint64_t address, BulkReduce reduction) {
  stores_ = true;
  reduction_ = reduction;
  check_tensor(true);
  set_tile(address, true);
}

// The part of the box that lies in the tensor must be allocated. Row by row only where the whole is not, and for a store
// where the range remembers what has been written.
void BoxCopy::check_tensor(bool stores) {
  const BoxExtent extent = box_.extent(stores);
  if (extent.begin == extent.end) return;
  const GlobalRange* range = warp->cta->memory->find(extent.begin, extent.end - extent.begin);
  if (range != nullptr && (!stores || (range->writable && range->written == nullptr))) return;
  const Access access = !stores                 ? Access::Read
                        : reduction_ == nullptr ? Access::Write
                                                : Access::Atomic;
  for (uint32_t index = 0; index < box_.num_rows(); ++index) {
    const BoxRow part = stores ? box_.stored_row(index) : box_.row(index);
    if (part.first == part.last) continue;
    const uint32_t bytes = (part.last - part.first) * box_.map().element_bytes();
    if (resolve(*warp, Space::Global, part.address, lane(), bytes, access, 1) != nullptr) continue;
    bad_rows_.resize(box_.num_rows());
    bad_rows_[index] = true;
  }
}

// A tile of rows that leave gaps is told to the shadow chunk by chunk.
void BoxCopy::set_tile(uint64_t address, bool stores) {
  address_ = static_cast<uint32_t>(address);
  const auto note = [&](uint64_t at, uint32_t bytes, uint32_t alignment) {
    return stores ? note_source(*this, at, lane(), bytes, alignment)
                  : note_target(*this, at, lane(), bytes, alignment);
  };
  if (box_.row_pitch() == box_.row_bytes()) {
    tile_ = note(address, box_.bytes(), kTileAlignment);
    return;
  }
  for (uint32_t index = 0; index < box_.num_rows(); ++index) {
    for (uint32_t chunk = 0; chunk < box_.row_bytes() / kBulkChunk; ++chunk) {
      const uint32_t place = box_.place_in_tile(address_, index, chunk);
      std::byte* at = note(address + place, kBulkChunk, kBulkChunk);
      if (at == nullptr) {
        tile_ = nullptr;
        return;
      }
      tile_ = at - place;
    }
  }
}

void BoxCopy::read(uint32_t begin, uint32_t end, std::byte* to) {
  const uint32_t row_bytes = box_.row_bytes();
  if (stores_) {
    if (tile_ != nullptr) box_.from_tile(address_, tile_, begin, end, to);
    return;
  }
  if (bad_rows_.empty()) {
    box_.read(begin, end, to);
    return;
  }
  for (uint32_t index = begin; index < end; ++index, to += row_bytes) {
    if (bad_rows_[index]) {
      std::memset(to, kPoisonByte, row_bytes);
    } else {
      box_.read(index, index + 1, to);
    }
  }
}

void BoxCopy::write(uint32_t begin, uint32_t end, const std::byte* from) {
  if (tile_ == nullptr) return;
  if (!stores_) {
    box_.to_tile(address_, tile_, begin, end, from);
    return;
  }
  const auto write_rows = [&](uint32_t first, uint32_t last, const std::byte* rows) {
    if (reduction_ == nullptr) {
      box_.write(first, last, rows);
    } else {
      box_.reduce(first, last, rows, reduction_);
    }
  };
  if (bad_rows_.empty()) {
    write_rows(begin, end, from);
    return;
  }
  for (uint32_t index = begin; index < end; ++index, from += box_.row_bytes()) {
    if (!bad_rows_[index]) write_rows(index, index + 1, from);
  }
}

}  // namespace fa4::emu
