// SPDX-License-Identifier: Apache-2.0
// Operations of the tensor core of sm_100: tcgen05.mma, cp and shift. Each is in the pipe of the thread that issued it; a
// commit tells of all of a pipe until then. Of two operations in a pipe the later one waits for the earlier one where
// the manual says so (PTX ISA 9.0, 9.7.16.6.2), and nowhere else.
//
//   class MmaOp final : public TensorOp { ... };
//   auto op = std::make_unique<MmaOp>(warp, lane, TensorKind::Mma, key);   // enters the pipe
//   note_tmem_write(*op, cta, range, accumulates, "D");
//   issue(std::move(op));
//
// Who knows of a commit made at position n of a pipe knows that the operations up to n are done: for the shadow a pipe is a
// channel, and a position its clock. `Commit` of the pipe: known_at_issue of the operation that signals, with_pipe().
#pragma once

#include <cstdint>
#include <deque>
#include <vector>

#include "emu/machine/async.h"
#include "emu/machine/tmem.h"

namespace fa4::emu {

class TensorOp;

struct TensorPipe {
  uint32_t channel = 0;              // Shadow's
  uint32_t position = 0;             // operations that have entered, ever
  std::deque<TensorOp*> operations;  // unfinished, oldest first
  // Numbers of the commits that have not signalled: they do in their order, as widely used kernels rely on, whose CTAs
  // exit when they have seen the last one.
  std::deque<uint32_t> commits;
};

// Of the thread that is a lane of a warp.
TensorPipe& tensor_pipe(Warp& warp, int lane);

class TensorOp : public AsyncOp {
 public:
  // `key`: of an mma, whatever must be the same for two of them to be ordered: accumulator, shape, group.
  TensorOp(Warp& issuer, int lane, TensorKind kind, uint64_t key);

  TensorPipe& pipe;
  const TensorKind kind;
  const uint64_t key;
  const uint32_t position;

  // By the doors of tensor memory: what it reads and writes there. Operations of a pipe that meet in it are made in their
  // order, which widely used kernels rely on; where the manual does not say so, `tmem.pipe_order` warns.
  void touch(const Cta& cta, const TmemRange& range, bool writes);
  bool meets(const TensorOp& other) const;

  // No operation is unfinished that must be made before it.
  bool enabled() const override;
  std::string why_disabled() const override;
  // Derived classes that have one of their own call this too.
  void complete() override;

 private:
  struct Touched {
    const Cta* cta;
    TmemRange range;
    bool writes;
  };
  std::vector<Touched> touched_;
};

}  // namespace fa4::emu
