// SPDX-License-Identifier: Apache-2.0
#include "emu/machine/tensor_loads.h"

#include <algorithm>

#include "emu/machine/cluster.h"

namespace fa4::emu {

void TensorLoads::reset() { *this = {}; }

uint32_t TensorLoads::add(uint32_t id, AsyncOp* op, std::span<const uint32_t> rows,
                          uint32_t num_rows) {
  if (owners_.size() < num_rows) owners_.resize(num_rows, 0);
  loads_.push_back({id, op, false});
  ++num_open_;
  const auto number = num_closed_ + static_cast<uint32_t>(loads_.size());
  for (const uint32_t row : rows) owners_[row] = number;
  return number;
}

void TensorLoads::note_made(uint32_t number) {
  if (number > num_closed_) loads_[number - num_closed_ - 1].op = nullptr;
}

void TensorLoads::use(Warp& warp, uint32_t number) {
  Load& load = loads_[number - num_closed_ - 1];
  if (load.used) return;
  load.used = true;
  --num_open_;
  Cluster& cluster = *warp.cta->cluster;
  if (AsyncOp* const op = load.op; op != nullptr) {
    while (!op->finished()) op->advance();
    op->retire();
    std::erase_if(cluster.operations, [&](const auto& other) { return other.get() == op; });
  }
  cluster.shadow.waited(load.id, warp.agent);
  close();
}

void TensorLoads::close() {
  while (!loads_.empty() && loads_.front().used) {
    loads_.pop_front();
    ++num_closed_;
  }
}

void TensorLoads::waited(Warp& warp) {
  Shadow& shadow = warp.cta->cluster->shadow;
  for (const Load& load : loads_) {
    if (!load.used) shadow.waited(load.id, warp.agent);
  }
  num_closed_ += static_cast<uint32_t>(loads_.size());
  num_open_ = 0;
  loads_.clear();
}

}  // namespace fa4::emu
