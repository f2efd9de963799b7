// SPDX-License-Identifier: Apache-2.0
// Tested in tests/gpu; what needs no GPU in tests/unit.
#include "device/cuda_device.h"

#include <cstring>
#include <memory>
#include <mutex>
#include <vector>

#include "device/cuda_context.h"
#include "device/driver.h"
#include "device/models.h"

namespace fa4::device {
namespace {

Address address_of(const void* pointer) {
  return static_cast<Address>(reinterpret_cast<uintptr_t>(pointer));
}
void* pointer_to(Address address) {
  return reinterpret_cast<void*>(static_cast<uintptr_t>(address));
}

class CudaDevice final : public Device {
 public:
  CudaDevice(const Driver& driver, int index) : driver_(driver), index_(index) {}

  Status open() {
    const auto what = fmt::format("CUDA device {} cannot be opened", index_);
    FA4_RETURN_IF_ERROR(driver_.check(driver_.device_get(&device_, index_), what));
    char name[256] = "";
    FA4_RETURN_IF_ERROR(driver_.check(driver_.device_name(name, sizeof(name), device_), what));
    description_ = name;
    FA4_RETURN_IF_ERROR(read_facts(what));
    FA4_RETURN_IF_ERROR(driver_.check(driver_.retain_primary(&primary_, device_), what));
    return make_pool();
  }

  const plan::DeviceFacts& facts() const override { return facts_; }
  std::string description() const override { return description_; }
  Code code() const override { return Code::Cubin; }
  std::string driver() const override { return driver_version_text(driver_.version); }

  // A library belongs to no context, so one serves whatever contexts callers launch in. It is loaded into
  // the present one here, so that the first launch, which may be captured, loads nothing.
  Status load(const std::string& image, const plan::KernelSpec& spec,
              Kernel* kernel) const override {
    ContextScope scope(driver_);
    FA4_RETURN_IF_ERROR(scope.enter(device_, primary_, nullptr));
    const auto what = fmt::format("kernel {} cannot be loaded", spec.entry);
    void *library = nullptr, *function = nullptr;
    FA4_RETURN_IF_ERROR(driver_.check(
        driver_.library_load(&library, image.data(), nullptr, nullptr, 0, nullptr, nullptr, 0),
        what));
    *kernel = {.threads = spec.threads, .smem_bytes = spec.smem_bytes};
    FA4_RETURN_IF_ERROR(
        driver_.check(driver_.library_kernel(&kernel->handle, library, spec.entry.c_str()), what));
    FA4_RETURN_IF_ERROR(driver_.check(
        driver_.set_kernel_attribute(kFunctionMaxDynamicSmem, static_cast<int>(spec.smem_bytes),
                                     kernel->handle, device_),
        fmt::format("{} with {} bytes of shared memory", what, spec.smem_bytes)));
    FA4_RETURN_IF_ERROR(driver_.check(driver_.kernel_function(&function, kernel->handle), what));
    int registers = 0;
    size_t offset = 0, size = 0;
    if (driver_.kernel_attribute(&registers, kFunctionRegisters, kernel->handle, device_) == 0) {
      kernel->registers = static_cast<uint32_t>(registers);
    }
    if (driver_.kernel_param_info != nullptr &&
        driver_.kernel_param_info(kernel->handle, 0, &offset, &size) == 0) {
      kernel->param_bytes = static_cast<uint32_t>(size);
    }
    return {};
  }

  Status launch(std::span<const Step> steps, std::span<const Buffer>, void* stream) const override {
    if (steps.empty()) return {};
    ContextScope scope(driver_);
    FA4_RETURN_IF_ERROR(scope.enter(device_, primary_, stream));
    for (const Step& step : steps) FA4_RETURN_IF_ERROR(launch_one(step, stream));
    return {};
  }

  Status take_scratch(size_t bytes, void* stream, void** address) const override {
    ContextScope scope(driver_);
    FA4_RETURN_IF_ERROR(scope.enter(device_, primary_, stream));
    Address taken = 0;
    FA4_RETURN_IF_ERROR(driver_.check(
        driver_.pool_allocate(&taken, bytes, pool_, stream),
        fmt::format("cannot take a workspace of {} bytes on CUDA device {}", bytes, index_)));
    *address = pointer_to(taken);
    return {};
  }
  Status return_scratch(void* address, void* stream) const override {
    ContextScope scope(driver_);
    FA4_RETURN_IF_ERROR(scope.enter(device_, primary_, stream));
    return driver_.check(driver_.pool_free(address_of(address), stream),
                         "the workspace cannot be given back");
  }

  Status allocate(size_t bytes, void** address) const override {
    Address taken = 0;
    FA4_RETURN_IF_ERROR(inside([&] { return driver_.allocate(&taken, bytes); },
                               "cannot allocate {} bytes on CUDA device {}", bytes, index_));
    *address = pointer_to(taken);
    return {};
  }
  Status free(void* address) const override {
    return inside([&] { return driver_.free(address_of(address)); },
                  "memory of CUDA device {} cannot be freed", index_);
  }
  Status copy_in(void* to, const void* from, size_t bytes) const override {
    return inside([&] { return driver_.copy_in(address_of(to), from, bytes); },
                  "cannot copy {} bytes to CUDA device {}", bytes, index_);
  }
  Status copy_out(void* to, const void* from, size_t bytes) const override {
    return inside([&] { return driver_.copy_out(to, address_of(from), bytes); },
                  "cannot copy {} bytes from CUDA device {}", bytes, index_);
  }
  Status synchronize(void* stream) const override {
    return inside([&] { return driver_.stream_synchronize(stream); },
                  "CUDA device {} reports a failure of earlier work", index_);
  }
  Status create_event(void** event) const override {
    return inside([&] { return driver_.event_create(event, 0); },
                  "cannot make an event on CUDA device {}", index_);
  }
  Status destroy_event(void* event) const override {
    return inside([&] { return driver_.event_destroy(event); }, "an event of CUDA device {}",
                  index_);
  }
  Status record_event(void* event, void* stream) const override {
    return inside([&] { return driver_.event_record(event, stream); },
                  "cannot record an event on CUDA device {}", index_);
  }
  Status elapsed(void* start, void* stop, double* milliseconds) const override {
    float time = 0;
    FA4_RETURN_IF_ERROR(inside(
        [&] {
          const int waited = driver_.event_synchronize(stop);
          return waited != 0 ? waited : driver_.event_elapsed(&time, start, stop);
        },
        "the time between two events of CUDA device {}", index_));
    *milliseconds = static_cast<double>(time);
    return {};
  }

 private:
  Status read_facts(const std::string& what) {
    int major = 0, minor = 0, sms = 0, block = 0, sm = 0, l2 = 0;
    const std::pair<int*, int> wanted[] = {{&major, kAttributeCapabilityMajor},
                                           {&minor, kAttributeCapabilityMinor},
                                           {&sms, kAttributeNumSms},
                                           {&block, kAttributeSmemPerBlockOptin},
                                           {&sm, kAttributeSmemPerSm},
                                           {&l2, kAttributeL2Bytes}};
    for (const auto& [value, attribute] : wanted) {
      FA4_RETURN_IF_ERROR(driver_.check(driver_.device_attribute(value, attribute, device_), what));
    }
    const int capability = major * 10 + minor;
    facts_ = {.arch = arch_of(capability),
              .compute_capability = capability,
              .num_sms = sms,
              .smem_per_block_bytes = block,
              .smem_per_sm_bytes = sm,
              .l2_bytes = l2};
    return {};
  }

  // A pool of our own, so that the application's default pool keeps its settings.
  Status make_pool() {
    uint64_t keep_bytes = uint64_t{64} << 20;
    const PoolProperties properties{.location_id = device_};
    FA4_RETURN_IF_ERROR(driver_.check(driver_.pool_create(&pool_, &properties),
                                      "no memory pool for one-shot workspaces"));
    return driver_.check(driver_.pool_set(pool_, kPoolReleaseThreshold, &keep_bytes),
                         "the memory pool for one-shot workspaces");
  }

  Status launch_one(const Step& step, void* stream) const {
    const Kernel& kernel = *step.kernel;
    const plan::Launch& launch = *step.launch;
    if (kernel.param_bytes != 0 && kernel.param_bytes != launch.params.size()) {
      return {FA4_ERROR_INTERNAL,
              fmt::format("a kernel takes a parameter of {} bytes, but {} are passed; its sources "
                          "do not belong to this library",
                          kernel.param_bytes, launch.params.size())};
    }
    if (launch.maps.empty()) return launch_with(kernel, launch, launch.params.data(), stream);
    // A map must lie at a multiple of 64 bytes while it is encoded; the driver copies the parameter.
    struct alignas(64) Block {
      std::byte bytes[64];
    };
    std::vector<Block> storage((launch.params.size() + sizeof(Block) - 1) / sizeof(Block));
    auto* const params = reinterpret_cast<std::byte*>(storage.data());
    std::memcpy(params, launch.params.data(), launch.params.size());
    for (const plan::TensorMapSpec& map : launch.maps) {
      FA4_RETURN_IF_ERROR(encode(map, params + map.offset));
    }
    return launch_with(kernel, launch, params, stream);
  }

  Status encode(const plan::TensorMapSpec& map, std::byte* to) const {
    constexpr int kPromoteTo256Bytes = 3;
    const std::vector<uint32_t> steps(map.sizes.size(), 1);
    return driver_.check(
        driver_.encode_tensor_map(
            to, static_cast<int>(map.data_type), static_cast<unsigned>(map.sizes.size()),
            const_cast<void*>(map.address), map.sizes.data(), map.strides.data(), map.box.data(),
            steps.data(), 0, static_cast<int>(map.swizzle), kPromoteTo256Bytes, 0),
        "a tensor map cannot be encoded");
  }

  Status launch_with(const Kernel& kernel, const plan::Launch& launch, const std::byte* bytes,
                     void* stream) const {
    void* params[] = {const_cast<std::byte*>(bytes)};
    return driver_.check(
        driver_.launch(kernel.handle, launch.grid[0], launch.grid[1], launch.grid[2],
                       kernel.threads, 1, 1, kernel.smem_bytes, stream, params, nullptr),
        fmt::format("launch of {}x{}x{} blocks of {} threads", launch.grid[0], launch.grid[1],
                    launch.grid[2], kernel.threads));
  }

  template <class Call, class... Args>
  Status inside(Call call, fmt::format_string<Args...> what, Args&&... args) const {
    ContextScope scope(driver_);
    FA4_RETURN_IF_ERROR(scope.enter(device_, primary_, nullptr));
    const int result = call();
    if (result == 0) return {};
    return driver_.check(result, fmt::format(what, std::forward<Args>(args)...));
  }

  const Driver& driver_;
  int index_;
  int device_ = 0;
  void* primary_ = nullptr;
  void* pool_ = nullptr;
  plan::DeviceFacts facts_;
  std::string description_;
};

class CudaDevices final : public Devices {
 public:
  Status available() const override { return open().status; }
  int count() const override { return static_cast<int>(open().devices.size()); }

  Status find(int index, const Device** device) const override {
    State& state = open();
    FA4_RETURN_IF_ERROR(state.status);
    if (index < 0 || index >= count()) {
      return invalid_argument("CUDA device {} is not here; there are {}", index, count());
    }
    const std::lock_guard lock(state.mutex);
    std::unique_ptr<CudaDevice>& slot = state.devices[static_cast<size_t>(index)];
    if (slot == nullptr) {
      auto opened = std::make_unique<CudaDevice>(*state.driver, index);
      FA4_RETURN_IF_ERROR(opened->open());
      slot = std::move(opened);
    }
    *device = slot.get();
    return {};
  }

 private:
  struct State {
    const Driver* driver = nullptr;
    Status status;
    std::mutex mutex;
    std::vector<std::unique_ptr<CudaDevice>> devices;
  };

  // Never destroyed: contexts may be in use by other threads when the process ends.
  static State& open() {
    static State& state = *[] {
      auto* made = new State;
      made->status = find_driver(&made->driver);
      int count = 0;
      if (made->status.ok()) {
        made->status = made->driver->check(made->driver->device_count(&count), "no CUDA device");
      }
      if (made->status.ok() && count == 0) made->status = unsupported("no CUDA device is here");
      made->devices.resize(static_cast<size_t>(count));
      return made;
    }();
    return state;
  }
};

}  // namespace

const Devices& cuda_devices() {
  static const CudaDevices instance;
  return instance;
}

}  // namespace fa4::device
