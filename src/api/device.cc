// SPDX-License-Identifier: Apache-2.0
// Memory, copies and events of a device, for programs without a framework.
#include <memory>

#include "api/error.h"
#include "api/tensors.h"
#include "device/cuda_device.h"

struct fa4_event {
  const fa4::device::Device* device;
  void* handle;
};

namespace fa4::api {
namespace {

// The device, or null for host memory.
Status find_device(DLDevice named, const char* name, const device::Device** device) {
  Place place;
  FA4_RETURN_IF_ERROR(read_device(named, name, &place));
  *device = nullptr;
  if (place.kind == Place::Kind::Host) return {};
  return device::cuda_devices().find(place.index, device);
}

Status find_no_host(DLDevice named, const device::Device** device) {
  FA4_RETURN_IF_ERROR(find_device(named, "device", device));
  if (*device != nullptr) return {};
  return invalid_argument("device is host memory; it must be a CUDA device");
}

Status copy(DLDevice to_device, void* to, DLDevice from_device, const void* from, size_t size) {
  const device::Device *target = nullptr, *source = nullptr;
  FA4_RETURN_IF_ERROR(find_device(to_device, "to", &target));
  FA4_RETURN_IF_ERROR(find_device(from_device, "from", &source));
  if ((target == nullptr) == (source == nullptr)) {
    return invalid_argument("to and from are both {}; one of them must be host memory",
                            target == nullptr ? "host memory" : "on a device");
  }
  if (size == 0) return {};
  if (to == nullptr || from == nullptr) {
    return invalid_argument("{} is null, but size is {}", to == nullptr ? "to" : "from", size);
  }
  return target != nullptr ? target->copy_in(to, from, size) : source->copy_out(to, from, size);
}

}  // namespace
}  // namespace fa4::api

extern "C" {

fa4_status fa4_device_allocate(DLDevice device, size_t size, void** data) {
  return fa4::api::guarded([&]() -> fa4::Status {
    if (data == nullptr) return fa4::invalid_argument("data is null; it must point to a pointer");
    *data = nullptr;
    const fa4::device::Device* found = nullptr;
    FA4_RETURN_IF_ERROR(fa4::api::find_no_host(device, &found));
    return size == 0 ? fa4::Status{} : found->allocate(size, data);
  });
}

fa4_status fa4_device_free(DLDevice device, void* data) {
  return fa4::api::guarded([&]() -> fa4::Status {
    const fa4::device::Device* found = nullptr;
    FA4_RETURN_IF_ERROR(fa4::api::find_no_host(device, &found));
    return data == nullptr ? fa4::Status{} : found->free(data);
  });
}

fa4_status fa4_device_copy(DLDevice to_device, void* to, DLDevice from_device, const void* from,
                           size_t size) {
  return fa4::api::guarded([&] { return fa4::api::copy(to_device, to, from_device, from, size); });
}

fa4_status fa4_device_synchronize(DLDevice device, void* stream) {
  return fa4::api::guarded([&]() -> fa4::Status {
    const fa4::device::Device* found = nullptr;
    FA4_RETURN_IF_ERROR(fa4::api::find_no_host(device, &found));
    return found->synchronize(stream);
  });
}

fa4_status fa4_event_create(DLDevice device, fa4_event** event) {
  return fa4::api::guarded([&]() -> fa4::Status {
    if (event == nullptr) return fa4::invalid_argument("event is null; it must point to a pointer");
    *event = nullptr;
    auto made = std::make_unique<fa4_event>();
    FA4_RETURN_IF_ERROR(fa4::api::find_no_host(device, &made->device));
    FA4_RETURN_IF_ERROR(made->device->create_event(&made->handle));
    *event = made.release();
    return {};
  });
}

void fa4_event_destroy(fa4_event* event) {
  if (event == nullptr) return;
  fa4::api::guarded([&] { return event->device->destroy_event(event->handle); });
  delete event;
}

fa4_status fa4_event_record(fa4_event* event, void* stream) {
  return fa4::api::guarded([&]() -> fa4::Status {
    if (event == nullptr) return fa4::invalid_argument("event is null");
    return event->device->record_event(event->handle, stream);
  });
}

fa4_status fa4_event_elapsed(fa4_event* start, fa4_event* stop, double* milliseconds) {
  return fa4::api::guarded([&]() -> fa4::Status {
    if (start == nullptr || stop == nullptr || milliseconds == nullptr) {
      return fa4::invalid_argument("start, stop and milliseconds must not be null");
    }
    if (start->device != stop->device) {
      return fa4::invalid_argument("start and stop are events of different devices");
    }
    return stop->device->elapsed(start->handle, stop->handle, milliseconds);
  });
}

}  // extern "C"
