// SPDX-License-Identifier: Apache-2.0
// A ring of SMEM slots between a producer and its consumers. Each slot has two barriers: `full`
// says that the data is in, `empty` that its readers are done. The two ends are different types,
// because the producer's first lap must not wait: a fresh barrier counts as past parity 1.
#pragma once

#include "ptx/address.h"
#include "ptx/cluster.h"
#include "ptx/mbarrier.h"

namespace fa4 {

FA4_DEVICE void wait_for_phase(u32 barrier, u32 phase) {
  while (!ptx::mbarrier_try_wait_parity(barrier, phase)) {
  }
}

// Slot and phase move together; the phase flips with each lap.
template <u32 kStages>
class RingCursor {
 public:
  FA4_DEVICE explicit RingCursor(u32 first_phase) : phase_(first_phase) {}

  // Waits on this slot's barrier among `barriers`, steps on, and returns the slot.
  FA4_DEVICE u32 wait_and_step(u32 barriers) {
    const u32 slot = slot_;
    wait_for_phase(barriers + slot * sizeof(Mbarrier), phase_);
    slot_ = slot + 1 == kStages ? 0 : slot + 1;
    phase_ ^= slot_ == 0;
    return slot;
  }

  FA4_DEVICE u32 phase() const { return phase_; }

 private:
  u32 slot_ = 0;
  u32 phase_;
};

template <u32 kStages>
class ProducerRing {
 public:
  FA4_DEVICE ProducerRing(const Mbarrier* full, const Mbarrier* empty)
      : full_(ptx::smem_address(full)), empty_(ptx::smem_address(empty)) {}

  // The next slot, once all its readers in all CTAs of the cluster have released it.
  FA4_DEVICE u32 acquire() { return cursor_.wait_and_step(empty_); }

  // The barrier that the slot's bytes are to be counted on.
  FA4_DEVICE u32 full(u32 slot) const { return full_ + slot * sizeof(Mbarrier); }

  // All slots, once their readers have released them: nobody will arrive at `empty` any more.
  FA4_DEVICE void drain() {
    for (u32 i = 0; i < kStages; ++i) acquire();
  }

 private:
  RingCursor<kStages> cursor_{1};
  u32 full_, empty_;
};

// What consumers have in common: their first lap waits.
template <u32 kStages>
class FullSlots {
 public:
  FA4_DEVICE explicit FullSlots(const Mbarrier* full) : full_(ptx::smem_address(full)) {}

  // The next slot, once its data is in SMEM.
  FA4_DEVICE u32 acquire() { return cursor_.wait_and_step(full_); }

 private:
  RingCursor<kStages> cursor_{0};
  u32 full_;
};

// A consumer that reads by its own instructions: one thread speaks for its warp, or for a warpgroup whose wgmma ends as
// one, to each CTA that may write the slot.
template <u32 kStages>
class ConsumerRing : public FullSlots<kStages> {
 public:
  // A thread that `signals` tells CTA `cta` of the cluster.
  FA4_DEVICE ConsumerRing(const Mbarrier* full, const Mbarrier* empty, bool signals, u32 cta)
      : FullSlots<kStages>(full),
        signals_(signals),
        empty_(ptx::mapa(ptx::smem_address(empty), signals ? cta : 0)) {}

  // Gives the slot back; every read of it must be over.
  FA4_DEVICE void release(u32 slot) const {
    if (signals_) ptx::mbarrier_arrive_cluster(empty_ + slot * sizeof(Mbarrier));
  }

 private:
  bool signals_;
  u32 empty_;
};

// A consumer whose reads are tcgen05.mma of one lane, which gives the slot back by a commit at `empty`.
template <u32 kStages>
class MmaRing : public FullSlots<kStages> {
 public:
  FA4_DEVICE MmaRing(const Mbarrier* full, const Mbarrier* empty)
      : FullSlots<kStages>(full), empty_(ptx::smem_address(empty)) {}

  FA4_DEVICE u32 empty(u32 slot) const { return empty_ + slot * sizeof(Mbarrier); }

 private:
  u32 empty_;
};

}  // namespace fa4
