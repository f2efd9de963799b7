// SPDX-License-Identifier: Apache-2.0
// Who wrote and read each word of a cluster's shared memory last, and what is ordered before what: races, reads of
// what nobody has written, and uses of what an operation has not finished (design: FastTrack's epochs, Flanagan and
// Freund 2009).
//
// The agents are the warps of the cluster, then each of them again, as far as its writes are fenced for the asynchronous
// proxy (shadow_proxy.cc), then its channels, which stand for mbarriers. A warp has a vector clock;
// barriers join them. Of a channel it holds how many phases it knows to be complete, so that an operation which
// completes a transaction in a phase is known to whoever has observed that phase, and to whoever they told. Lanes of
// one warp are taken as ordered. Offsets are of the cluster: the rank times a CTA's bytes, and the offset therein.
#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <unordered_map>
#include <utility>
#include <vector>

#include "emu/machine/row.h"

namespace fa4::emu {

// What an access collided with.
struct Conflict {
  enum class Kind : uint8_t {
    None,
    WriteWrite,   // an unordered write, overwritten
    WriteRead,    // an unordered write, read
    ReadWrite,    // an unordered read, overwritten
    CopyPending,  // bytes that an operation writes, which has not been waited for
    CopyReading,  // bytes that an operation reads, which has not been waited for
    MmaReading,   // likewise of a tcgen05.mma: LateRead
    AddressRelaxed,  // WriteRead, of an address of tensor memory, behind a barrier with relaxed arrivals
    Unfenced,  // bytes that an operation reads, and no proxy fence has carried an ordinary write of them over
    PipeOrder,  // as CopyPending or CopyReading, by an operation of the same thread's pipe that is not ordered before
    UnfencedLanes,  // likewise: each lane has fenced for itself, and no warp barrier has told the one that issues
    Unwritten,  // bytes that nobody has written
  };
  Kind kind = Kind::None;
  uint32_t warp = 0;           // the other agent
  const void* site = nullptr;  // its instruction
};

using Clocks = std::vector<uint32_t>;  // by agent

// Operations that are ordered within a pipe without a wait, some of them (machine/tensor_op.h).
enum class TensorKind : uint8_t { Mma, Copy, NarrowCopy, Shift };  // NarrowCopy: tcgen05.cp.4x256b

// Whether the earlier of two operations of a pipe is made before the later one (PTX ISA 9.0, 9.7.16.6.2): mma before the
// mma of the same accumulator and shape (the same key), cp and shift before mma, mma before shift, shift before
// cp.4x256b.
constexpr bool is_pipelined(TensorKind earlier, uint64_t earlier_key, TensorKind later,
                            uint64_t later_key) {
  if (later == TensorKind::Mma) return earlier != TensorKind::Mma || earlier_key == later_key;
  if (later == TensorKind::Shift) return earlier == TensorKind::Mma;
  return later == TensorKind::NarrowCopy && earlier == TensorKind::Shift;
}

class Shadow {
 public:
  // For `bytes` of shared memory and so many warps. Not enabled: every question is answered by None.
  void reset(bool enabled, uint32_t bytes, uint32_t num_warps);
  bool enabled() const { return enabled_; }

  Conflict read(uint32_t warp, const void* site, uint32_t offset, uint32_t bytes);
  // Of several lanes, each of so many bytes, of which 4 is a divisor, at a multiple of 4. Returns the lanes whose read
  // collides: made once more, it changes nothing, and says with what.
  LaneMask read_lanes(uint32_t warp, const void* site, LaneMask lanes, const uint32_t* offsets,
                      uint32_t bytes);
  Conflict write(uint32_t warp, const void* site, uint32_t offset, uint32_t bytes);

  // A write, by a store or by an operation, that collides with nothing. False: it may, and nothing has been noted.
  bool try_write(uint32_t warp, const void* site, uint32_t offset, uint32_t bytes,
                 uint32_t copy = 0);

  // Of several lanes in turn, as read_lanes has them. Returns the lanes from the first one on that may collide: nothing has
  // been noted of them.
  LaneMask try_write_lanes(uint32_t warp, const void* site, LaneMask lanes, const uint32_t* offsets,
                           uint32_t bytes);

  // Atomics do not race with one another; they need a value to begin with.
  Conflict atomic(uint32_t warp, uint32_t offset, uint32_t bytes) const;

  // Nor do strong accesses, nor with atomics: they only must not meet unordered ordinary ones.
  Conflict strong_read(uint32_t warp, uint32_t offset, uint32_t bytes) const;
  Conflict strong_write(uint32_t warp, const void* site, uint32_t offset, uint32_t bytes);

  // Release and acquire by strong accesses and atomics of one address (of the host): a release gives what the warp knows,
  // a relaxed one what it knew at its last fence; an acquire takes what was given, a relaxed one does at the next fence.
  void fence(uint32_t warp);
  void give(uint32_t warp, const void* address, bool releases, bool replaces);
  void take(uint32_t warp, const void* address, bool acquires);

  // An operation reads and writes ranges from its issue on, until somebody knows that it is done. What it reads lies in
  // whole 16 bytes.
  uint32_t begin_copy(uint32_t warp);
  // Operations of a queue are made in the order in which they enter it, and who learns that one is done has learned it of
  // those before it. A number that is not 0.
  void enter_queue(uint32_t copy, uint32_t queue);
  Conflict copy_reads(uint32_t copy, const void* site, uint32_t offset, uint32_t bytes);
  Conflict copy_writes(uint32_t copy, const void* site, uint32_t offset, uint32_t bytes);
  // The same for many ranges of whole 16 bytes, where nothing is to be said of them. False: something is, and copy_reads has
  // to be asked. `unwritten`: bytes that nobody has written are nothing to speak of.
  struct Reads {
    uint32_t copy;
    const void* site;
    bool unwritten;
    uint64_t clean =
        ~uint64_t{0};      // what the cells that were found clean last hold; no cell holds this
    uint32_t implied = 0;  // a reader of which the operation's issuer knows
  };
  bool try_reads(Reads& reads, uint32_t offset, uint32_t bytes);
  // Whether nothing is to be said of a warp that reads 16 bytes, of which is not taken note. `clean`: as above.
  bool is_known(uint32_t warp, uint32_t offset, uint64_t* clean) const;
  // As an atomic does. Of several that are under way the last is known.
  Conflict copy_changes(uint32_t copy, const void* site, uint32_t offset, uint32_t bytes);

  // What a warp has just written to these four bytes is the address that tcgen05.alloc answers.
  void note_address(uint32_t warp, uint32_t offset);

  // Tensor memory: cells behind those of shared memory, a byte for each lane of a column, 16 lanes together. Returns where
  // they begin. Only the questions that follow may be asked of it.
  uint32_t add_memory(uint32_t bytes);
  // An operation is known to be done when its pipe, a channel, has come to a position.
  void enter_pipe(uint32_t copy, uint32_t channel, uint32_t position, TensorKind kind,
                  uint64_t key);
  // What somebody knows together with all of a pipe until a position.
  Clocks with_pipe(Clocks knowing, uint32_t channel, uint32_t position) const;
  // As copy_reads and copy_writes; `unwritten`: bytes that nobody has written are no conflict. They are none for a write
  // that does not accumulate.
  Conflict tensor_reads(uint32_t copy, const void* site, uint32_t offset, uint32_t bytes,
                        bool unwritten);
  Conflict tensor_writes(uint32_t copy, const void* site, uint32_t offset, uint32_t bytes,
                         bool accumulates);
  bool is_any_written(uint32_t offset, uint32_t bytes);
  bool is_all_written(uint32_t offset, uint32_t bytes);
  // The memory is given up by a warp; nobody has written there afterwards.
  Conflict forget(uint32_t warp, uint32_t offset, uint32_t bytes);

  // Bytes that a tcgen05.mma reads, overwritten before its end is known: what came of them has perhaps not been read
  // (operand_race.h).
  struct LateRead {
    uint32_t copy;
    uint32_t offset;  // of 16 bytes
  };
  // Those that the last question found.
  std::vector<LateRead> take_late_reads() { return std::exchange(late_reads_, {}); }

  // fence.proxy.async by so many lanes of a warp, and a barrier among its lanes.
  void fence_proxy(uint32_t warp, int lanes);
  void lanes_meet(uint32_t warp);
  // Before copy_reads: the lanes that issue are all that fenced.
  void issued_by_all(uint32_t warp) { lanes_meet(warp); }

  // A warp knows from now on that an operation is done, or that it has read its sources. Up to four warps.
  void waited(uint32_t copy, uint32_t warp);
  void waited_read(uint32_t copy, uint32_t warp);
  // Whoever knows that a channel's current phase is complete knows that the operation is done.
  void signalled(uint32_t copy, uint32_t channel);

  // Release and acquire by a barrier: those who wait know what each that came knew.
  void join(std::span<const uint32_t> came, std::span<const uint32_t> waiting);

  // Release and acquire by a channel: who observes a phase knows what each that arrived until its end knew.
  uint32_t add_channel();
  void arrive(uint32_t channel, uint32_t warp);
  // Gives what the warp knew at its last fence; but what it has done before comes before.
  void arrive_relaxed(uint32_t channel, uint32_t warp);
  void arrive(uint32_t channel, const Clocks& knowing);
  void complete(uint32_t channel);
  void observe(uint32_t channel, uint32_t warp);
  // How many phases of a channel a warp knows to be complete.
  uint32_t known_phases(uint32_t channel, uint32_t warp) const;
  // What a warp knows now; empty if not enabled.
  Clocks knowledge_of(uint32_t warp) const;

 private:
  // Who has written or read. Cells name it by its index, so that equal histories are equal numbers.
  struct Event {
    uint32_t warp = 0;
    uint32_t clock = 0;   // 0: nobody has
    uint32_t copy = 0;    // the operation that wrote; 0: a store
    bool strong = false;  // a strong one
    const void* site = nullptr;
    bool address = false;  // note_address
    bool operator==(const Event&) const = default;
  };
  // Several warps that have read the same cells since their last write.
  struct Readers {
    Clocks clocks;  // by warp; 0: has not
    const void* site = nullptr;
    uint32_t num_cells = 0;
  };
  // What has happened to four bytes: the event of the last write, that of the last read since (or Readers), and three times
  // a bit for each byte: written by anyone ever, by the last write, read since.
  struct Cell {
    uint64_t bits = 0;
    static constexpr uint32_t kReader = 26, kWritten = 52, kLast = 56, kRead = 60;
    static constexpr uint32_t kMany = 1u << 25;  // of a reader: an index of readers_
    static Cell of(uint32_t writer, uint32_t reader, uint32_t written, uint32_t last,
                   uint32_t read) {
      return {writer | uint64_t{reader} << kReader | uint64_t{written} << kWritten |
              uint64_t{last} << kLast | uint64_t{read} << kRead};
    }
    uint32_t writer() const { return static_cast<uint32_t>(bits) & (2 * kMany - 1); }
    uint32_t reader() const { return static_cast<uint32_t>(bits >> kReader) & (2 * kMany - 1); }
    uint32_t written() const { return static_cast<uint32_t>(bits >> kWritten) & 0xf; }
    uint32_t last() const { return static_cast<uint32_t>(bits >> kLast) & 0xf; }
    uint32_t read() const { return static_cast<uint32_t>(bits >> kRead) & 0xf; }
    bool operator==(const Cell&) const = default;
  };
  // What the reads of one event have made of a whole cell last; they do the same to every equal one.
  struct Memo {
    bool valid = false;
    Cell before, after;
  };
  struct Known {
    uint32_t agent = 0;
    uint32_t clock = 0;  // of the agent, from which on it is known; 0: by nobody
  };
  struct Copy {
    uint32_t warp = 0;
    std::array<Known, 4> done;
    Known read;  // its sources
    const void* site = nullptr;
    uint32_t pipe = 0;   // a channel, plus 1; 0: none
    uint32_t queue = 0;  // 0: none
    TensorKind kind = TensorKind::Mma;
    uint64_t key = 0;
  };
  struct Sources {  // 16 bytes that operations read
    uint32_t copy = 0;
    uint32_t others = 0;  // lists_[others]
  };
  // Neighbouring cells of tensor memory. Where all are equal the block has them, and what cells_ holds is old: a product
  // writes thousands of cells at once.
  struct Block {
    Cell cell;
    bool all_equal = true;
    bool any_source = false;  // of its sources_; if not, they are all empty
  };
  static constexpr uint32_t kBlockBytes = 256;  // 16 columns of 16 lanes
  struct Channel {
    Clocks arrived;    // what those know who came until now
    Clocks completed;  // until the end of the last phase
    Clocks came_before,
        ended_before;  // what those had done who came so, relaxed or not; until the end of the last phase
    uint32_t phases = 0;
  };
  struct Fence {             // of the asynchronous proxy, by a warp
    uint32_t pending = 0;    // its clock at the last one of several lanes, each for its own writes
    uint32_t lanes_met = 0;  // its clock at the last barrier among its lanes
  };

  bool ordered(uint32_t warp, const Event& write, Conflict* conflict) const;
  bool is_fenced(uint32_t warp, const Event& write, Conflict* conflict) const;
  uint32_t fenced_of(uint32_t warp) const { return num_warps_ + warp; }  // agents
  uint32_t agent_of(uint32_t channel) const { return 2 * num_warps_ + channel; }
  bool knows(uint32_t warp, const Known& known) const;
  bool knows_done(uint32_t warp, const Copy& copy) const;
  uint32_t& clock(uint32_t warp, uint32_t of) { return clocks_[warp * stride_ + of]; }
  uint32_t clock(uint32_t warp, uint32_t of) const { return clocks_[warp * stride_ + of]; }
  // How many of so many cells, one or more, are as the first one is, from it on; and all made like one (shadow_scan.cc).
  static uint32_t equal_cells(const Cell* cells, uint32_t most);
  static void fill_cells(Cell* cells, uint32_t count, Cell with);
  // Calls body(first, count, bytes) for runs of equal cells; bytes: which of each.
  template <class Body>
  void for_runs(uint32_t offset, uint32_t bytes, Body body) const;
  void begin_read(uint32_t warp, const void* site);
  Conflict read_cells(uint32_t warp, uint32_t offset, uint32_t bytes);
  uint32_t event_now(uint32_t warp, const void* site, uint32_t copy, bool strong);
  void forget_events();
  template <uint32_t kCells>
  LaneMask read_lanes_of(uint32_t warp, LaneMask lanes, const uint32_t* offsets, uint32_t bytes);
  bool read_plainly(uint32_t warp, uint32_t event, Cell before, Cell* after) const;
  Cell after_read(uint32_t warp, uint32_t event, Cell before, uint32_t bytes, uint32_t num_cells);
  uint32_t add_readers(Readers readers);
  void leave_readers(uint32_t reader, uint32_t num_cells);
  void check_cell(uint32_t warp, Cell cell, uint32_t bytes, Conflict* conflict) const;
  // `plain`: whether all are whole cells, of which none has Readers; then to note the write is to make them equal.
  Conflict check_write(uint32_t warp, uint32_t offset, uint32_t bytes, bool* plain = nullptr) const;
  void note_write(uint32_t warp, const void* site, uint32_t offset, uint32_t bytes, uint32_t copy,
                  bool strong, bool plain = false);
  Conflict write_strongly(uint32_t warp, const void* site, uint32_t offset, uint32_t bytes,
                          uint32_t copy);
  Conflict write_range(uint32_t warp, const void* site, uint32_t offset, uint32_t bytes,
                       uint32_t copy);
  void overwrite_sources(uint32_t warp, uint32_t offset, uint32_t bytes, Conflict* conflict);
  void check_source(uint32_t warp, uint32_t copy, Conflict* conflict) const;
  static bool pipelined(const Copy& earlier, const Copy& later);
  template <class Body>
  void for_blocks(uint32_t offset, uint32_t bytes, Body body);
  template <class Body>
  void for_tensor_cells(uint32_t offset, uint32_t bytes, Body body);
  template <class Next>
  void replace_tensor_cells(uint32_t offset, uint32_t bytes, Next next);
  void spread(Block& block);
  void overwrite_tensor_sources(const Copy& by, uint32_t offset, uint32_t bytes,
                                Conflict* conflict);
  bool tensor_ordered(const Copy& by, const Event& write, Conflict* conflict) const;
  void check_tensor_sources(const Copy& by, Sources& sources, Conflict* conflict);
  bool is_clean(Reads& reads, const Cell* cells) const;
  void add_source(uint32_t copy, Sources& sources);
  void leave_list(Sources& sources);
  void add_sources(uint32_t copy, uint32_t offset, uint32_t bytes, uint32_t* implied);
  void learn(uint32_t warp, const Clocks& from);

  bool enabled_ = false;
  uint32_t num_warps_ = 0;
  uint32_t num_agents_ = 0;
  uint32_t stride_ = 0;  // of clocks_
  std::vector<uint32_t> clocks_;
  std::vector<Cell> cells_;
  std::vector<Copy> copies_;
  std::vector<Event> events_;     // 0: nobody
  std::vector<uint32_t> recent_;  // events, by a hash of their contents
  size_t most_events_ = 0;        // before those are forgotten that no cell names
  std::vector<Readers> readers_;
  std::vector<uint32_t> free_readers_;
  Event reading_;  // the event of the last read
  uint32_t reading_event_ = 0;
  Memo memo_;
  std::vector<Sources> sources_;  // of 16 bytes; none until an operation reads
  std::vector<std::vector<uint32_t>> lists_;
  std::vector<uint32_t> free_lists_;  // empty ones
  std::vector<LateRead> late_reads_;
  uint32_t tensor_base_ = 0;       // where tensor memory's cells begin
  std::vector<Block> blocks_;      // of it
  std::vector<Channel> channels_;  // agent agent_of(index)
  std::vector<Fence> fences_;      // by warp
  std::unordered_map<const void*, Clocks> given_;
  std::vector<Clocks> fenced_;  // by warp: what it knew at its last fence
  std::vector<Clocks>
      before_;                 // by warp: what came before by relaxed arrivals, without being known
  std::vector<Clocks> taken_;  // by warp: what its next fence will teach it
};

}  // namespace fa4::emu
