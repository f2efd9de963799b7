// SPDX-License-Identifier: Apache-2.0
#include "emurun/stream.h"

#include <map>

namespace fa4::emurun {
namespace {

constexpr unsigned kEventDisableTiming = 2;

struct Handles {
  std::map<void*, std::unique_ptr<Stream>> streams;
  std::map<void*, std::unique_ptr<Event>> events;
  Stream default_stream;
  uint64_t number = 0;
};

Handles& handles() {
  static auto* const all = new Handles;
  return *all;
}

}  // namespace

Stream& stream_of(void* handle, const char* function) {
  if (reinterpret_cast<uintptr_t>(handle) <= 2) return handles().default_stream;
  const auto found = handles().streams.find(handle);
  if (found != handles().streams.end()) return *found->second;
  fail(kInvalidHandle, "{}: {} is no stream", function, handle);
}

Event& event_of(void* handle, const char* function) {
  const auto found = handles().events.find(handle);
  if (found != handles().events.end()) return *found->second;
  fail(kInvalidHandle, "{}: {} is no event", function, handle);
}

void* make_stream(unsigned flags, int priority) {
  auto made = std::make_unique<Stream>();
  made->id = ++handles().number;
  made->flags = flags;
  made->priority = priority;
  void* const handle = made.get();
  handles().streams[handle] = std::move(made);
  return handle;
}

void destroy_stream(void* handle, const char* function) {
  stream_of(handle, function);
  handles().streams.erase(handle);
}

void* make_event(unsigned flags) {
  auto made = std::make_unique<Event>();
  made->timed = (flags & kEventDisableTiming) == 0;
  void* const handle = made.get();
  handles().events[handle] = std::move(made);
  return handle;
}

void destroy_event(void* handle, const char* function) {
  event_of(handle, function);
  handles().events.erase(handle);
}

void record_event(void* event, void* stream, const char* function) {
  Event& recorded = event_of(event, function);
  recorded.capture = stream_of(stream, function).capture;
  recorded.recorded = true;
  recorded.time = std::chrono::steady_clock::now();
}

// A stream that waits for an event of a captured stream is captured with it.
void wait_event(void* stream, void* event, const char* function) {
  Stream& waiting = stream_of(stream, function);
  const Event& awaited = event_of(event, function);
  if (awaited.capture != nullptr && waiting.capture == nullptr) waiting.capture = awaited.capture;
}

float milliseconds_between(void* begin, void* end, const char* function) {
  const Event& first = event_of(begin, function);
  const Event& last = event_of(end, function);
  if (!first.recorded || !last.recorded || !first.timed || !last.timed) {
    fail(kInvalidHandle, "{}: an event has not been recorded, or takes no time", function);
  }
  return std::chrono::duration<float, std::milli>(last.time - first.time).count();
}

void enqueue(void* stream, const char* function, Work work) {
  const Stream& on = stream_of(stream, function);
  if (on.capture != nullptr) {
    on.capture->steps.push_back(std::move(work));
  } else {
    work();
  }
}

void begin_capture(void* stream, const char* function) {
  Stream& captured = stream_of(stream, function);
  if (&captured == &handles().default_stream) {
    fail(kNotSupported, "{}: the default stream cannot be captured", function);
  }
  if (captured.capture != nullptr) fail(kCaptureUnmatched, "{}: it is captured already", function);
  captured.capture = std::make_shared<Graph>();
  captured.capture->id = ++handles().number;
  captured.capture_began_here = true;
}

Graph* end_capture(void* stream, const char* function) {
  Stream& captured = stream_of(stream, function);
  if (captured.capture == nullptr || !captured.capture_began_here) {
    fail(kCaptureUnmatched, "{}: no capture has begun in this stream", function);
  }
  const std::shared_ptr<Graph> graph = captured.capture;
  for (auto& [handle, other] : handles().streams) {
    if (other->capture == graph) other->capture.reset();
  }
  for (auto& [handle, event] : handles().events) {
    if (event->capture == graph) event->capture.reset();
  }
  captured.capture_began_here = false;
  return new Graph(*graph);
}

void replay(const Graph& graph) {
  for (const Work& step : graph.steps) step();
}

}  // namespace fa4::emurun
