// SPDX-License-Identifier: Apache-2.0
// Who did what when: what `fa4 trace` draws. Watches the scheduler's turns from outside; nothing is chosen otherwise
// because of it, and a launch without it pays one test of a pointer per turn.
//
// Note [Scheduler steps]
// The machine has no time. A step here is an instruction of a warp: each warp has a clock that counts its own
// instructions, and when it goes on after a wait, its clock is put to that of the turn which let it go on, if it is behind.
// An operation begins when it is issued and its engine is free, and takes as many steps as the machine makes of it. What
// a turn issues or signals counts at the turn's end. So overlap and order are right, and lengths are not cycles.
#pragma once

#include <cstdint>
#include <map>
#include <mutex>
#include <string>
#include <tuple>
#include <unordered_map>
#include <vector>

#include "emu/machine/cluster.h"
#include "emu/run/machine.h"

namespace fa4::emu {

struct TraceSlice {
  enum class Kind : uint8_t { Run, Wait, Operation };
  Kind kind;
  uint32_t rank;   // of the CTA
  uint32_t track;  // the warp, of its CTA; of an operation: the engine
  uint64_t begin, end;
  std::string name;     // "run", "kv_full[1]", "tcgen05.mma"
  std::string site;     // where the run or the operation begins
  uint32_t issuer = 0;  // of an operation: the warp
  uint64_t issued = 0;  // and when
};

// Engines, in the order in which they are drawn.
enum class Engine : uint8_t { Tma, Tensor, TensorMemory, Copies, Other };
constexpr uint32_t kNumEngines = 5;
const char* name_of(Engine engine);

// Of one cluster.
class ClusterTrace {
 public:
  explicit ClusterTrace(const Describer& names) : names_(&names) {}

  void begin(const Cluster& cluster);
  // A split can go on: the turn that has just ended has seen to it.
  void note_ready(const Warp& warp, const Split& split);
  // A turn of a warp, from its instruction `first` to `last`, at which it waits.
  void begin_turn(const Warp& warp);
  void end_turn(const Warp& warp, const Instr* first, const Instr* last);
  void begin_step(const AsyncOp& op);
  void end_step();

  const std::vector<TraceSlice>& slices() const { return slices_; }
  uint64_t num_lost() const { return num_lost_; }

 private:
  struct Agent {
    uint64_t clock = 0;
    uint64_t operations = 0;  // when the last of its operations ended
    bool is_ready = true;
    uint64_t ready = 0;     // when its wait ended
    std::string waits_for;  // since the end of its last turn; empty: for nobody else
    std::string waits_at;
  };

  void add(TraceSlice slice);
  void note_arrivals(const Warp& warp);
  void find_issued();
  uint64_t ready_time(const Warp& warp, const WaitOn& wait) const;
  std::string name_of_wait(const WaitOn& wait) const;

  const Describer* names_;
  const Cluster* cluster_ = nullptr;
  std::vector<Agent> agents_;
  std::vector<uint64_t> engine_free_;              // by rank and engine
  std::unordered_map<uint64_t, uint64_t> issued_;  // unfinished operations by number: when
  std::unordered_map<uint64_t, uint64_t> ended_;   // finished ones
  std::map<std::tuple<uint32_t, uint64_t, uint32_t>, uint64_t>
      arrivals_;  // at an mbarrier: index, phase, agent
  std::map<std::tuple<uint32_t, uint32_t, uint64_t>, uint64_t>
      barriers_;  // the last to come: rank, named barrier, generation
  uint64_t last_turn_end_ = 0;
  uint64_t last_operation_ = 0;  // the highest number that has been seen
  uint64_t turn_retired_ = 0;
  TraceSlice step_{};  // of the operation that makes steps
  uint64_t step_number_ = 0, step_length_ = 0;
  uint32_t step_agent_ = 0;
  const Instr* step_site_ = nullptr;
  std::vector<TraceSlice> slices_;
  uint64_t num_lost_ = 0;
};

// A file of trace events (the format of chrome://tracing and Perfetto) that launches are added to.
class TraceWriter {
 public:
  explicit TraceWriter(const std::string& path);

  // Of the launch that runs. Threads of the host that run different clusters ask at once.
  void add(const Cluster& cluster, const ClusterTrace& trace);
  // Writes all that has been added. Throws MachineError.
  void end_launch(const KernelLaunch& launch, const MachineOptions& options);

 private:
  std::string path_, events_;
  uint32_t num_launches_ = 0;
  uint64_t num_lost_ = 0;
  std::mutex mutex_;
  std::map<uint32_t, std::string> clusters_;  // of this launch, by index
};

}  // namespace fa4::emu
