// SPDX-License-Identifier: Apache-2.0
// Streams, events, and graphs made by capture, of the runtime and, where the arguments are the same, of the driver.
#include "emurun/stream.h"

namespace fa4::emurun {
namespace {

struct InstantiateParams {  // cudaGraphInstantiateParams
  unsigned long long flags;
  void* upload_stream;
  void* error_node;
  int result;
};

Graph* copy_of(const Graph* graph, const char* self) {
  return new Graph(checked(graph, self, "graph"));
}

}  // namespace
}  // namespace fa4::emurun

using namespace fa4::emurun;  // NOLINT

FA4_CUDA Status cudaStreamCreateWithPriority(void** stream, unsigned flags, int priority) {
  return runtime_call(__func__, [&](const char* self) {
    checked(stream, self, "pStream") = make_stream(flags, priority);
  });
}
FA4_CUDA_ALSO(cudaStreamCreateWithPriority, cuStreamCreateWithPriority);

FA4_CUDA Status cudaStreamCreateWithFlags(void** stream, unsigned flags) {
  return cudaStreamCreateWithPriority(stream, flags, 0);
}
FA4_CUDA_ALSO(cudaStreamCreateWithFlags, cuStreamCreate);

FA4_CUDA Status cudaStreamCreate(void** stream) {
  return cudaStreamCreateWithPriority(stream, 0, 0);
}

FA4_CUDA Status cudaStreamDestroy(void* stream) {
  return runtime_call(__func__, [&](const char* self) { destroy_stream(stream, self); });
}
FA4_CUDA_ALSO(cudaStreamDestroy, cuStreamDestroy);
FA4_CUDA_ALSO(cudaStreamDestroy, cuStreamDestroy_v2);

// What was asked for has been done.
FA4_CUDA Status cudaStreamSynchronize(void* stream) {
  return runtime_call(__func__, [&](const char* self) { stream_of(stream, self); });
}
FA4_CUDA_ALSO(cudaStreamSynchronize, cudaStreamSynchronize_ptsz);
FA4_CUDA_ALSO(cudaStreamSynchronize, cudaStreamQuery);
FA4_CUDA_ALSO(cudaStreamSynchronize, cudaStreamQuery_ptsz);
FA4_CUDA_ALSO(cudaStreamSynchronize, cuStreamSynchronize);
FA4_CUDA_ALSO(cudaStreamSynchronize, cuStreamSynchronize_ptsz);
FA4_CUDA_ALSO(cudaStreamSynchronize, cuStreamQuery);
FA4_CUDA_ALSO(cudaStreamSynchronize, cuStreamQuery_ptsz);

FA4_CUDA Status cudaStreamWaitEvent(void* stream, void* event, unsigned /*flags*/) {
  return runtime_call(__func__, [&](const char* self) { wait_event(stream, event, self); });
}
FA4_CUDA_ALSO(cudaStreamWaitEvent, cudaStreamWaitEvent_ptsz);
FA4_CUDA_ALSO(cudaStreamWaitEvent, cuStreamWaitEvent);
FA4_CUDA_ALSO(cudaStreamWaitEvent, cuStreamWaitEvent_ptsz);

FA4_CUDA Status cudaStreamGetFlags(void* stream, unsigned* flags) {
  return runtime_call(__func__, [&](const char* self) {
    checked(flags, self, "flags") = stream_of(stream, self).flags;
  });
}
FA4_CUDA_ALSO(cudaStreamGetFlags, cudaStreamGetFlags_ptsz);
FA4_CUDA_ALSO(cudaStreamGetFlags, cuStreamGetFlags);

FA4_CUDA Status cudaStreamGetPriority(void* stream, int* priority) {
  return runtime_call(__func__, [&](const char* self) {
    checked(priority, self, "priority") = stream_of(stream, self).priority;
  });
}
FA4_CUDA_ALSO(cudaStreamGetPriority, cudaStreamGetPriority_ptsz);
FA4_CUDA_ALSO(cudaStreamGetPriority, cuStreamGetPriority);

FA4_CUDA Status cudaStreamGetId(void* stream, unsigned long long* id) {
  return runtime_call(__func__, [&](const char* self) {
    checked(id, self, "streamId") = stream_of(stream, self).id;
  });
}
FA4_CUDA_ALSO(cudaStreamGetId, cudaStreamGetId_ptsz);
FA4_CUDA_ALSO(cudaStreamGetId, cuStreamGetId);

FA4_CUDA Status cudaStreamGetDevice(void* /*stream*/, int* index) {
  return runtime_call(__func__, [&](const char* self) { checked(index, self, "device") = 0; });
}
FA4_CUDA_ALSO(cudaStreamGetDevice, cudaStreamGetDevice_ptsz);

// Attributes of a stream are about caches and time.
FA4_CUDA Status cudaStreamSetAttribute(void* /*stream*/, int /*attribute*/, const void* /*value*/) {
  return kSuccess;
}
FA4_CUDA_ALSO(cudaStreamSetAttribute, cudaStreamSetAttribute_ptsz);
FA4_CUDA_ALSO(cudaStreamSetAttribute, cuStreamSetAttribute);

FA4_CUDA Status cudaStreamAttachMemAsync(void* /*stream*/, void* /*pointer*/, size_t /*bytes*/,
                                         unsigned /*flags*/) {
  return kSuccess;
}
FA4_CUDA_ALSO(cudaStreamAttachMemAsync, cudaStreamAttachMemAsync_ptsz);

FA4_CUDA Status cudaLaunchHostFunc(void* stream, void (*function)(void*), void* data) {
  return runtime_call(__func__,
                      [&](const char* self) { enqueue(stream, self, [=] { function(data); }); });
}
FA4_CUDA_ALSO(cudaLaunchHostFunc, cudaLaunchHostFunc_ptsz);
FA4_CUDA_ALSO(cudaLaunchHostFunc, cuLaunchHostFunc);

FA4_CUDA Status cudaStreamAddCallback(void* stream, void (*function)(void*, Status, void*),
                                      void* data, unsigned /*flags*/) {
  return runtime_call(__func__, [&](const char* self) {
    enqueue(stream, self, [=] { function(stream, kSuccess, data); });
  });
}
FA4_CUDA_ALSO(cudaStreamAddCallback, cudaStreamAddCallback_ptsz);
FA4_CUDA_ALSO(cudaStreamAddCallback, cuStreamAddCallback);

FA4_CUDA Status cudaEventCreateWithFlags(void** event, unsigned flags) {
  return runtime_call(__func__,
                      [&](const char* self) { checked(event, self, "event") = make_event(flags); });
}
FA4_CUDA_ALSO(cudaEventCreateWithFlags, cuEventCreate);

FA4_CUDA Status cudaEventCreate(void** event) { return cudaEventCreateWithFlags(event, 0); }

FA4_CUDA Status cudaEventDestroy(void* event) {
  return runtime_call(__func__, [&](const char* self) { destroy_event(event, self); });
}
FA4_CUDA_ALSO(cudaEventDestroy, cuEventDestroy);
FA4_CUDA_ALSO(cudaEventDestroy, cuEventDestroy_v2);

FA4_CUDA Status cudaEventRecord(void* event, void* stream) {
  return runtime_call(__func__, [&](const char* self) { record_event(event, stream, self); });
}
FA4_CUDA_ALSO(cudaEventRecord, cudaEventRecord_ptsz);
FA4_CUDA_ALSO(cudaEventRecord, cuEventRecord);
FA4_CUDA_ALSO(cudaEventRecord, cuEventRecord_ptsz);

FA4_CUDA Status cudaEventRecordWithFlags(void* event, void* stream, unsigned /*flags*/) {
  return cudaEventRecord(event, stream);
}
FA4_CUDA_ALSO(cudaEventRecordWithFlags, cudaEventRecordWithFlags_ptsz);
FA4_CUDA_ALSO(cudaEventRecordWithFlags, cuEventRecordWithFlags);

FA4_CUDA Status cudaEventSynchronize(void* event) {
  return runtime_call(__func__, [&](const char* self) { event_of(event, self); });
}
FA4_CUDA_ALSO(cudaEventSynchronize, cudaEventQuery);
FA4_CUDA_ALSO(cudaEventSynchronize, cuEventSynchronize);
FA4_CUDA_ALSO(cudaEventSynchronize, cuEventQuery);

FA4_CUDA Status cudaEventElapsedTime(float* milliseconds, void* begin, void* end) {
  return runtime_call(__func__, [&](const char* self) {
    checked(milliseconds, self, "ms") = milliseconds_between(begin, end, self);
  });
}
FA4_CUDA_ALSO(cudaEventElapsedTime, cudaEventElapsedTime_v2);
FA4_CUDA_ALSO(cudaEventElapsedTime, cuEventElapsedTime);
FA4_CUDA_ALSO(cudaEventElapsedTime, cuEventElapsedTime_v2);

FA4_CUDA Status cudaStreamBeginCapture(void* stream, int /*mode*/) {
  return runtime_call(__func__, [&](const char* self) { begin_capture(stream, self); });
}
FA4_CUDA_ALSO(cudaStreamBeginCapture, cudaStreamBeginCapture_ptsz);
FA4_CUDA_ALSO(cudaStreamBeginCapture, cuStreamBeginCapture_v2);

FA4_CUDA Status cudaStreamEndCapture(void* stream, Graph** graph) {
  return runtime_call(__func__, [&](const char* self) {
    checked(graph, self, "pGraph") = end_capture(stream, self);
  });
}
FA4_CUDA_ALSO(cudaStreamEndCapture, cudaStreamEndCapture_ptsz);
FA4_CUDA_ALSO(cudaStreamEndCapture, cuStreamEndCapture);

FA4_CUDA Status cudaStreamIsCapturing(void* stream, int* status) {
  return runtime_call(__func__, [&](const char* self) {
    checked(status, self, "pCaptureStatus") = stream_of(stream, self).capture != nullptr ? 1 : 0;
  });
}
FA4_CUDA_ALSO(cudaStreamIsCapturing, cudaStreamIsCapturing_ptsz);
FA4_CUDA_ALSO(cudaStreamIsCapturing, cuStreamIsCapturing);

// The graph within a capture, and its nodes, are not handed out.
FA4_CUDA Status cudaStreamGetCaptureInfo(void* stream, int* status, unsigned long long* id) {
  return runtime_call(__func__, [&](const char* self) {
    const Stream& asked = stream_of(stream, self);
    checked(status, self, "captureStatus_out") = asked.capture != nullptr ? 1 : 0;
    if (id != nullptr && asked.capture != nullptr) *id = asked.capture->id;
  });
}
FA4_CUDA_ALSO(cudaStreamGetCaptureInfo, cudaStreamGetCaptureInfo_ptsz);
FA4_CUDA_ALSO(cudaStreamGetCaptureInfo, cudaStreamGetCaptureInfo_v2);

FA4_CUDA Status cudaThreadExchangeStreamCaptureMode(int* /*mode*/) { return kSuccess; }

FA4_CUDA Status cudaGraphCreate(Graph** graph, unsigned /*flags*/) {
  return runtime_call(__func__,
                      [&](const char* self) { checked(graph, self, "pGraph") = new Graph; });
}

FA4_CUDA Status cudaGraphClone(Graph** clone, const Graph* graph) {
  return runtime_call(__func__, [&](const char* self) {
    checked(clone, self, "pGraphClone") = copy_of(graph, self);
  });
}

FA4_CUDA Status cudaGraphInstantiate(Graph** exec, const Graph* graph, unsigned long long) {
  return cudaGraphClone(exec, graph);
}
FA4_CUDA_ALSO(cudaGraphInstantiate, cudaGraphInstantiateWithFlags);
FA4_CUDA_ALSO(cudaGraphInstantiate, cuGraphInstantiateWithFlags);

FA4_CUDA Status cudaGraphInstantiateWithParams(Graph** exec, const Graph* graph,
                                               InstantiateParams* params) {
  if (params != nullptr) params->result = 0;
  return cudaGraphClone(exec, graph);
}
FA4_CUDA_ALSO(cudaGraphInstantiateWithParams, cudaGraphInstantiateWithParams_ptsz);

FA4_CUDA Status cudaGraphExecUpdate(Graph* exec, const Graph* graph, void* result) {
  return runtime_call(__func__, [&](const char* self) {
    checked(exec, self, "hGraphExec").steps = checked(graph, self, "hGraph").steps;
    if (result != nullptr) *static_cast<int*>(result) = 0;
  });
}

FA4_CUDA Status cudaGraphLaunch(const Graph* exec, void* stream) {
  return runtime_call(__func__, [&](const char* self) {
    const Graph graph = checked(exec, self, "graphExec");
    enqueue(stream, self, [graph] { replay(graph); });
  });
}
FA4_CUDA_ALSO(cudaGraphLaunch, cudaGraphLaunch_ptsz);
FA4_CUDA_ALSO(cudaGraphLaunch, cuGraphLaunch);

FA4_CUDA Status cudaGraphUpload(const Graph* /*exec*/, void* /*stream*/) { return kSuccess; }
FA4_CUDA_ALSO(cudaGraphUpload, cudaGraphUpload_ptsz);

FA4_CUDA Status cudaGraphDestroy(Graph* graph) {
  delete graph;
  return kSuccess;
}
FA4_CUDA_ALSO(cudaGraphDestroy, cudaGraphExecDestroy);
FA4_CUDA_ALSO(cudaGraphDestroy, cuGraphDestroy);
FA4_CUDA_ALSO(cudaGraphDestroy, cuGraphExecDestroy);
