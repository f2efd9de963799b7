// SPDX-License-Identifier: Apache-2.0
// Allocation of tensor memory (PTX ISA 9.0, 9.7.16.7).
#include "emu/machine/tmem.h"

#include <fmt/format.h>

#include <algorithm>
#include <bit>

#include "emu/machine/cluster.h"
#include "emu/machine/warp_report.h"

namespace fa4::emu {
namespace {

std::string columns_text(uint32_t column, uint32_t count) {
  return fmt::format("columns [{}, {})", column, column + count);
}

// What a warp knows of an agent; without checks that it has come to be.
uint32_t clock_of(const Shadow& shadow, const Warp& warp, uint32_t agent) {
  return shadow.enabled() ? shadow.knowledge_of(warp.agent).at(agent) : 1;
}

void tmem_misuse(Warp& warp, const char* code, const std::string& text) {
  report(warp, Level::Error, code, "tensor memory: " + text);
}

}  // namespace

Cta* peer_of(const Cta& cta) {
  const auto& ctas = cta.cluster->ctas;
  const uint32_t rank = cta.rank ^ 1;
  return rank < ctas.size() ? ctas[rank].get() : nullptr;
}

void Tmem::reset() {
  allocated_.clear();
  freed_.clear();
  requests_.clear();
  permit_ = true;
  relinquished_at_ = nullptr;
  most_columns_ = kTmemColumns;
  group_ = 0;
  shadow_base_ = 0;
  taint.reset();
  collector = {};
}

const Tmem::Block* Tmem::block_at(const std::vector<Block>& blocks, uint32_t column) const {
  const auto found = std::ranges::find_if(blocks, [&](const Block& block) {
    return column >= block.column && column - block.column < block.num_columns;
  });
  return found == blocks.end() ? nullptr : &*found;
}

const Tmem::Request* Tmem::request_of(const Warp& warp) const {
  const auto found = std::ranges::find_if(
      requests_, [&](const Request& request) { return request.warp == &warp; });
  return found == requests_.end() ? nullptr : &*found;
}

void Tmem::check_group(Warp& warp, uint32_t group) {
  if (group_ != 0 && group_ != group) {
    tmem_misuse(warp, "tmem.group",
                fmt::format("this says cta_group::{}; other instructions of the kernel have said "
                            "cta_group::{}, and all must say the same",
                            group, group_));
  }
  group_ = group;
  if (group == 2 && peer_of(*warp.cta) == nullptr) {
    tmem_misuse(warp, "tmem.group",
                "cta_group::2 needs a pair of CTAs, and this one has no peer in its cluster");
    throw Stop("no pair");
  }
}

void Tmem::check_request(Warp& warp, uint32_t num_columns, uint32_t group) {
  check_group(warp, group);
  if (num_columns < kTmemUnit || num_columns > kTmemColumns || !std::has_single_bit(num_columns)) {
    tmem_misuse(warp, "tmem.bad_columns",
                fmt::format("it asks for {} columns; they must be a power of two from 32 to 512",
                            num_columns));
    throw Stop("bad allocation");
  }
  if (num_columns > most_columns_) {
    tmem_misuse(warp, "tmem.bad_columns",
                fmt::format("it asks for {} columns after an allocation of {}; a CTA's "
                            "allocations may not grow",
                            num_columns, most_columns_));
  }
  most_columns_ = num_columns;
  if (!permit_) {
    tmem_misuse(warp, "tmem.no_permit",
                fmt::format("the CTA has given up its right to allocate, at {}",
                            warp.cta->describer->site(*relinquished_at_)));
  }
}

uint32_t Tmem::room_for(const Cta& cta, const Cta* peer, uint32_t num_columns) {
  const auto is_free = [&](const Cta& of, uint32_t column) {
    return std::ranges::none_of(of.tmem.allocated_, [&](const Block& block) {
      return column < block.column + block.num_columns && block.column < column + num_columns;
    });
  };
  for (uint32_t column = 0; column + num_columns <= kTmemColumns; column += kTmemUnit) {
    if (is_free(cta, column) && (peer == nullptr || is_free(*peer, column))) return column;
  }
  return kTmemColumns;
}

const Tmem::Request* Tmem::counterpart(const Cta& cta, const Request& request) {
  // The n-th request of a CTA belongs to the n-th of its peer.
  const auto& own = cta.tmem.requests_;
  const auto waits = [](const Request& other) { return !other.served && other.group == 2; };
  std::ptrdiff_t before = 0;
  for (const Request& other : own) {
    if (&other == &request) break;
    if (waits(other)) ++before;
  }
  for (const Request& other : peer_of(cta)->tmem.requests_) {
    if (waits(other) && before-- == 0) return &other;
  }
  return nullptr;
}

bool Tmem::is_servable(const Cta& cta, const Request& request) {
  if (request.served) return true;
  const Cta* const peer = request.group == 2 ? peer_of(cta) : nullptr;
  if (peer != nullptr && counterpart(cta, request) == nullptr) return false;
  return room_for(cta, peer, request.num_columns) != kTmemColumns;
}

bool Tmem::can_allocate(const Warp& warp) {
  const Request* const request = warp.cta->tmem.request_of(warp);
  return request == nullptr || is_servable(*warp.cta, *request);
}

std::string Tmem::what_allocation_waits_for(const Warp& warp) const {
  const Request* const request = request_of(warp);
  if (request == nullptr) return "wait for tensor memory";
  std::string text = fmt::format("wait for {} columns of tensor memory", request->num_columns);
  if (request->group == 2 && counterpart(*warp.cta, *request) == nullptr) {
    return text + ", which the other CTA of the pair has not asked for";
  }
  const std::string here = leftovers();
  return text + (here.empty() ? "" : "; here are " + here);
}

void Tmem::take(Cta& cta, Request& request, uint32_t column) {
  request.served = true;
  request.column = column;
  if (words_.empty()) words_.resize(size_t{kTmemColumns} * kTmemLanes);
  std::fill_n(this->column(column), size_t{request.num_columns} * kTmemLanes, 0xffffffffu);
  if (shadow_base_ == 0) {
    shadow_base_ = cta.cluster->shadow.add_memory(kTmemLanes * kTmemColumns);
  }
  allocated_.push_back({column, request.num_columns, request.warp->current});
  std::erase_if(freed_, [&](const Block& block) {
    return block.column < column + request.num_columns && column < block.column + block.num_columns;
  });
}

bool Tmem::allocate(Warp& warp, uint32_t num_columns, uint32_t group, uint32_t* column) {
  Cta& cta = *warp.cta;
  if (request_of(warp) == nullptr) {
    check_request(warp, num_columns, group);
    requests_.push_back({&warp, num_columns, group});
    note_progress(*cta.cluster);
  }
  auto& request = const_cast<Request&>(*request_of(warp));
  if (!is_servable(cta, request)) return false;
  if (!request.served) {
    Cta* const peer = group == 2 ? peer_of(cta) : nullptr;
    Request* const other =
        peer == nullptr ? nullptr : const_cast<Request*>(counterpart(cta, request));
    if (other != nullptr && other->num_columns != num_columns) {
      tmem_misuse(
          warp, "tmem.bad_columns",
          fmt::format("it asks for {} columns, and the other CTA of the pair for {}, at {}",
                      num_columns, other->num_columns, cta.describer->site(*other->warp->current)));
      throw Stop("bad allocation");
    }
    const uint32_t at = room_for(cta, peer, num_columns);
    take(cta, request, at);
    if (other != nullptr) peer->tmem.take(*peer, *other, at);
    note_progress(*cta.cluster);
  }
  *column = request.column;
  const auto block = std::ranges::find(allocated_, request.column, &Block::column);
  block->agent = warp.agent;
  block->clock = clock_of(cta.cluster->shadow, warp, warp.agent);
  std::erase_if(requests_, [&](const Request& done) { return done.warp == &warp; });
  return true;
}

// A pair that frees before the other CTA's alloc is done does not survive it on a B300 (NVIDIA/cutlass issue 3435).
void Tmem::check_peer_has_it(Warp& warp, uint32_t column) const {
  const Cta* const peer = peer_of(*warp.cta);
  const auto block = std::ranges::find(peer->tmem.allocated_, column, &Block::column);
  if (block == peer->tmem.allocated_.end()) return;  // it has freed it before
  if (block->clock == 0) {
    tmem_misuse(
        warp, "tmem.peer",
        fmt::format("it frees columns of the pair, and the other CTA is still at its alloc: "
                    "{}",
                    warp.cta->describer->site(*block->site)));
  } else if (clock_of(warp.cta->cluster->shadow, warp, block->agent) < block->clock) {
    report(warp, Level::Warning, "tmem.peer",
           fmt::format("order assumed: it frees columns of the pair, and nothing orders that after "
                       "the alloc of the other CTA: {}",
                       warp.cta->describer->site(*block->site)));
  }
}

void Tmem::release(Warp& warp, uint32_t address, uint32_t num_columns, uint32_t group) {
  check_group(warp, group);
  const uint32_t column = address & 0xffff;
  const auto block = std::ranges::find_if(allocated_, [&](const Block& other) {
    return other.column == column && other.num_columns == num_columns;
  });
  if (block == allocated_.end() || address >> 16 != 0) {
    const Block* const freed = block_at(freed_, column);
    if (freed != nullptr && block_at(allocated_, column) == nullptr) {
      return tmem_misuse(
          warp, "tmem.double_free",
          fmt::format("{} have been freed before, at {}", columns_text(column, num_columns),
                      warp.cta->describer->site(*freed->site)));
    }
    const std::string here = leftovers();
    return tmem_misuse(
        warp, "tmem.bad_columns",
        fmt::format("it frees {} columns at {:#x}, which nobody has allocated so; allocated {}",
                    num_columns, address, here.empty() ? "is nothing" : "are " + here));
  }
  if (group == 2) check_peer_has_it(warp, column);
  note_tmem_freed(warp, column, num_columns);
  std::fill_n(this->column(column), size_t{num_columns} * kTmemLanes, 0xffffffffu);
  allocated_.erase(block);
  freed_.push_back({column, num_columns, warp.current});
  note_progress(*warp.cta->cluster);
}

void Tmem::relinquish(Warp& warp, uint32_t group) {
  check_group(warp, group);
  permit_ = false;
  relinquished_at_ = warp.current;
}

std::string Tmem::why_not(const Cta& cta, uint32_t column, uint32_t num_columns) const {
  if (column + num_columns > kTmemColumns) return "there are 512 columns";
  for (uint32_t at = column; at < column + num_columns;
       at = at / kTmemUnit * kTmemUnit + kTmemUnit) {
    if (block_at(allocated_, at) != nullptr) continue;
    if (const Block* const freed = block_at(freed_, at)) {
      return fmt::format("{} have been freed at {}",
                         columns_text(freed->column, freed->num_columns),
                         cta.describer->site(*freed->site));
    }
    const std::string here = leftovers();
    return fmt::format("column {} is not allocated; allocated {}", at,
                       here.empty() ? "is nothing" : "are " + here);
  }
  return "";
}

std::string Tmem::leftovers() const {
  std::string text;
  for (const Block& block : allocated_) {
    text += (text.empty() ? "" : ", ") + columns_text(block.column, block.num_columns);
  }
  return text;
}

}  // namespace fa4::emu
