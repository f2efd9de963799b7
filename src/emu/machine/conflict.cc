// SPDX-License-Identifier: Apache-2.0
#include "emu/machine/conflict.h"

#include <fmt/format.h>

#include <algorithm>
#include <iterator>

#include "emu/machine/cluster.h"
#include "emu/machine/warp_report.h"

namespace fa4::emu {
namespace {

// A sentence has two places: {0} the access, {1} what it meets, with who and where.
struct ConflictRow {
  Conflict::Kind kind;
  const char* code;
  const char* sentence;
  const char* other;  // what it meets
};
constexpr ConflictRow kConflicts[] = {
    {Conflict::Kind::WriteWrite, "race.write_vs_write", "race: no barrier orders {0} after the {1}",
     "write"},
    {Conflict::Kind::WriteRead, "race.write_vs_read", "race: no barrier orders {0} after the {1}",
     "write"},
    {Conflict::Kind::AddressRelaxed, "race.relaxed_barrier",
     "order assumed: {0} comes behind a barrier with relaxed arrivals, which orders no memory, after the {1}",
     "write"},
    {Conflict::Kind::ReadWrite, "race.read_vs_write", "race: no barrier orders {0} after the {1}",
     "read"},
    {Conflict::Kind::CopyPending, "race.copy_pending",
     "race: {0} meets the {1}, for which its warp has not waited", "asynchronous copy"},
    {Conflict::Kind::CopyReading, "race.copy_pending",
     "race: {0} meets the {1}, which reads it, and for which nobody has waited",
     "asynchronous operation"},
    {Conflict::Kind::MmaReading, "race.copy_pending",
     "race: {0} meets the {1}, which reads it, and for which nobody has waited", "tcgen05.mma"},
    {Conflict::Kind::Unfenced, "proxy.unfenced",
     "race: {0} is of the asynchronous proxy, and no fence.proxy.async comes after the {1}",
     "write"},
    {Conflict::Kind::UnfencedLanes, "proxy.unfenced_lanes",
     "race: {0} is of the asynchronous proxy; each lane has fenced for itself the {1}, and no warp "
     "barrier has told this one",
     "write"},
    {Conflict::Kind::Unwritten, "smem.uninit", "uninitialised read: nobody has written what is {0}",
     nullptr},
};

}  // namespace

ConflictText describe_conflict(const Warp& warp, const Conflict& conflict, uint32_t offset,
                               int lane, Access access) {
  const ConflictRow& row =
      *std::find_if(std::begin(kConflicts), std::end(kConflicts),
                    [&](const ConflictRow& one) { return one.kind == conflict.kind; });
  const std::string here =
      fmt::format("lane {}'s {} of shared offset {:#x}", lane, verb_of(access), offset);
  std::string other;
  if (row.other != nullptr) {
    other = fmt::format("{} of {} at {}", row.other, warp.cta->cluster->name_of(conflict.warp),
                        warp.cta->describer->site(*static_cast<const Instr*>(conflict.site)));
  }
  return {row.code, fmt::format(fmt::runtime(row.sentence), here, other)};
}

void report_conflict(Warp& warp, const Conflict& conflict, uint32_t offset, int lane,
                     Access access) {
  if (conflict.kind == Conflict::Kind::None) return;
  const ConflictText says = describe_conflict(warp, conflict, offset, lane, access);
  Cluster& cluster = *warp.cta->cluster;
  const std::vector<Shadow::LateRead> late = cluster.shadow.take_late_reads();
  const bool unread = late.empty() || cluster.operand_races.overwrite(late, says.code, says.text);
  if (conflict.kind == Conflict::Kind::MmaReading && unread) return;
  const uint32_t first = warp.cta->first_agent;
  const bool own = conflict.warp >= first && conflict.warp < first + warp.cta->warps.size();
  const bool harmless = conflict.kind == Conflict::Kind::AddressRelaxed && own;
  report(warp, harmless ? Level::Warning : Level::Error, says.code, says.text);
}

}  // namespace fa4::emu
