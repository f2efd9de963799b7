// SPDX-License-Identifier: Apache-2.0
// Streams, events and graphs. Work is done when it is asked for, in the order of the calls, so a stream is a name; but while
// it is captured, what would be done is kept in a graph instead. The order of the calls is one that the graph allows.
#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "emurun/base.h"

namespace fa4::emurun {

using Work = std::function<void()>;

// Also an executable graph, which is a copy of one.
struct Graph {
  uint64_t id = 0;
  std::vector<Work> steps;
};

struct Stream {
  uint64_t id = 0;
  unsigned flags = 0;
  int priority = 0;
  std::shared_ptr<Graph> capture;  // null: none
  bool capture_began_here = false;
};

struct Event {
  std::chrono::steady_clock::time_point time;
  bool recorded = false;
  bool timed = true;
  std::shared_ptr<Graph> capture;  // of the stream in which it was recorded
};

// Of a cudaStream_t; 0, 1 and 2 are the default stream. Throws Failure if it is none.
Stream& stream_of(void* handle, const char* function);
Event& event_of(void* handle, const char* function);

void* make_stream(unsigned flags, int priority);
void destroy_stream(void* handle, const char* function);
void* make_event(unsigned flags);
void destroy_event(void* handle, const char* function);
void record_event(void* event, void* stream, const char* function);
void wait_event(void* stream, void* event, const char* function);
float milliseconds_between(void* begin, void* end, const char* function);

// Does the work, or keeps it if the stream is captured.
void enqueue(void* stream, const char* function, Work work);

void begin_capture(void* stream, const char* function);
Graph* end_capture(void* stream, const char* function);  // the caller's
void replay(const Graph& graph);

}  // namespace fa4::emurun
