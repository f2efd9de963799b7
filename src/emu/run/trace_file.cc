// SPDX-License-Identifier: Apache-2.0
// Traces as trace events: a process for each CTA, a thread for each warp and each engine, flows from the warp that has
// issued an operation to the operation.
#include <fmt/format.h>

#include <cerrno>
#include <cstring>
#include <set>

#include "emu/run/trace.h"

namespace fa4::emu {
namespace {

constexpr uint32_t kFirstEngineThread = 1000;  // behind the warps
constexpr uint32_t kCtasOfLaunch = 1 << 20;    // between the processes of two launches

std::string json_text(std::string_view text) {
  std::string quoted = "\"";
  for (const char c : text) {
    if (c == '"' || c == '\\') {
      quoted += '\\';
      quoted += c;
    } else if (static_cast<unsigned char>(c) < 0x20) {
      quoted += fmt::format("\\u{:04x}", static_cast<unsigned>(static_cast<unsigned char>(c)));
    } else {
      quoted += c;
    }
  }
  return quoted + "\"";
}

std::string metadata(uint64_t process, uint32_t thread, std::string_view what,
                     std::string_view name) {
  return fmt::format(
      "{{\"ph\":\"M\",\"pid\":{},\"tid\":{},\"name\":\"{}\",\"args\":{{\"name\":{}}}}},\n", process,
      thread, what, json_text(name));
}

const char* category_of(TraceSlice::Kind kind) {
  switch (kind) {
    case TraceSlice::Kind::Run:
      return "run";
    case TraceSlice::Kind::Wait:
      return "wait";
    case TraceSlice::Kind::Operation:
      return "operation";
  }
  return "";
}

uint32_t thread_of(const TraceSlice& slice) {
  return slice.track + (slice.kind == TraceSlice::Kind::Operation ? kFirstEngineThread : 0);
}

std::string text_of_slice(const TraceSlice& slice, uint64_t process) {
  return fmt::format(
      "{{\"ph\":\"X\",\"pid\":{},\"tid\":{},\"ts\":{},\"dur\":{},\"cat\":\"{}\",\"name\":{},\"args\":{{"
      "\"at\":{}}}}},\n",
      process, thread_of(slice), slice.begin, slice.end - slice.begin, category_of(slice.kind),
      json_text(slice.name), json_text(slice.site));
}

std::string text_of_flow(const TraceSlice& slice, uint64_t process, uint64_t flow) {
  const auto end = [&](const char* which, uint32_t thread, uint64_t at) {
    return fmt::format(
        "{{\"ph\":\"{}\",\"pid\":{},\"tid\":{},\"ts\":{},\"id\":{},\"cat\":\"issue\",\"name\":{}}},\n",
        which, process, thread, at, flow, json_text(slice.name));
  };
  return end("s", slice.issuer, slice.issued) + end("f", thread_of(slice), slice.begin);
}

}  // namespace

TraceWriter::TraceWriter(const std::string& path) : path_(path) {
  std::FILE* file = std::fopen(path.c_str(), "w");
  if (file == nullptr) {
    throw MachineError(fmt::format("trace {} cannot be written: {}", path, std::strerror(errno)));
  }
  std::fclose(file);
}

void TraceWriter::add(const Cluster& cluster, const ClusterTrace& trace) {
  const auto process_of = [&](uint32_t rank) {
    return uint64_t{num_launches_} * kCtasOfLaunch + cluster.index * cluster.ctas.size() + rank + 1;
  };
  std::string text;
  for (const auto& cta : cluster.ctas) {
    const uint64_t process = process_of(cta->rank);
    std::string name = fmt::format("CTA ({}, {}, {})", cta->index[0], cta->index[1], cta->index[2]);
    if (num_launches_ != 0) name = fmt::format("launch {}: {}", num_launches_ + 1, name);
    text += metadata(process, 0, "process_name", name);
    for (const Warp& warp : cta->warps) {
      const std::string role = cta->describer->role(warp.index);
      text += metadata(process, warp.index, "thread_name",
                       role.empty() ? fmt::format("warp {}", warp.index)
                                    : fmt::format("{} (warp {})", role, warp.index));
    }
    std::set<uint32_t> engines;
    for (const TraceSlice& slice : trace.slices()) {
      if (slice.rank == cta->rank && slice.kind == TraceSlice::Kind::Operation) {
        engines.insert(slice.track);
      }
    }
    for (const uint32_t engine : engines) {
      text += metadata(process, kFirstEngineThread + engine, "thread_name",
                       name_of(static_cast<Engine>(engine)));
    }
  }
  uint64_t flow = process_of(0) << 24;
  for (const TraceSlice& slice : trace.slices()) {
    text += text_of_slice(slice, process_of(slice.rank));
    if (slice.kind == TraceSlice::Kind::Operation) {
      text += text_of_flow(slice, process_of(slice.rank), flow++);
    }
  }
  const std::lock_guard lock(mutex_);
  clusters_[cluster.index] = std::move(text);
  num_lost_ += trace.num_lost();
}

void TraceWriter::end_launch(const KernelLaunch& launch, const MachineOptions& options) {
  for (const auto& [index, text] : clusters_) events_ += text;
  clusters_.clear();
  ++num_launches_;
  std::string events = events_;
  if (events.size() > 2) events.resize(events.size() - 2);  // the last comma
  const std::string text = fmt::format(
      "{{\"displayTimeUnit\":\"ns\",\n\"otherData\":{{\"axis\":\"scheduler steps, not time\","
      "\"kernel\":{},\"policy\":{},\"seed\":{},\"launches\":{},\"lost\":{}}},\n"
      "\"traceEvents\":[\n{}\n]}}\n",
      json_text(launch.entry), json_text(policy_text(options)), options.seed, num_launches_,
      num_lost_, events);
  std::FILE* file = std::fopen(path_.c_str(), "w");
  const bool written =
      file != nullptr && std::fwrite(text.data(), 1, text.size(), file) == text.size();
  if (file == nullptr || std::fclose(file) != 0 || !written) {
    throw MachineError(fmt::format("trace {} cannot be written: {}", path_, std::strerror(errno)));
  }
}

}  // namespace fa4::emu
