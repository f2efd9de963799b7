// SPDX-License-Identifier: Apache-2.0
// Tested in tests/unit with a device that records its launches, in tests/gpu on real ones.
#include "gpu/backend.h"

#include <algorithm>
#include <thread>

#include "device/cuda_device.h"
#include "device/emulated_device.h"
#include "device/models.h"
#include "gpu/buffers.h"
#include "gpu/families.h"
#include "plan/roofline.h"

namespace fa4::gpu {
namespace {

// What a plan keeps: Blueprint::details.
struct Prepared {
  const plan::KernelFamily* family = nullptr;
  plan::DeviceFacts facts;
  plan::FamilyPlan plan;
  std::vector<device::Kernel> kernels;  // of `plan`, once they are loaded
};

Prepared& prepared_of(const Blueprint& blueprint) {
  return *static_cast<Prepared*>(blueprint.details.get());
}

std::string loaded_key(const device::Device& device, const plan::KernelSpec& spec) {
  return fmt::format("{} {} {} {} {}", static_cast<const void*>(&device), spec.entry, spec.threads,
                     spec.smem_bytes, spec.config);
}

std::vector<device::Step> steps_of(const Prepared& prepared,
                                   const std::vector<plan::Launch>& launches) {
  std::vector<device::Step> steps;
  for (const plan::Launch& launch : launches) {
    steps.push_back({&prepared.kernels.at(launch.kernel), &launch});
  }
  return steps;
}

jit::CodeKind kind_for(const device::Device& device) {
  return device.code() == device::Code::Ptx ? jit::CodeKind::Ptx : jit::CodeKind::Cubin;
}

unsigned num_compiling_threads() { return std::max(1U, std::thread::hardware_concurrency()); }

}  // namespace

std::vector<KernelInfo> GpuBackend::kernels() const {
  std::vector<KernelInfo> infos;
  for (const plan::KernelFamily* family : families_) {
    infos.push_back({std::string(family->name()), std::string(family->summary()), Status{}});
  }
  return infos;
}

Status GpuBackend::reaches(const Place& place) const {
  if (tensors_ == Place::Kind::Host) return Backend::reaches(place);
  if (place.kind != Place::Kind::Host) return {};
  return unsupported(
      "the tensors are in host memory; backend \"gpu\" works on those of a CUDA device");
}

const plan::KernelFamily* GpuBackend::find_family(std::string_view kernel) const {
  const auto found =
      std::find_if(families_.begin(), families_.end(),
                   [&](const plan::KernelFamily* family) { return family->name() == kernel; });
  return found == families_.end() ? nullptr : *found;
}

Status GpuBackend::facts_of(const Place& place, plan::DeviceFacts* facts) const {
  if (place.kind == Place::Kind::Model) {
    const device::Model* model = device::find_model(place.arch);
    if (model == nullptr) {
      return invalid_argument("{} is no architecture that is known; there are {}", place.arch,
                              device::model_names());
    }
    *facts = model->facts;
    return {};
  }
  const device::Device* found = nullptr;
  FA4_RETURN_IF_ERROR(devices_.find(place.index, &found));
  *facts = found->facts();
  return {};
}

Status GpuBackend::supports(const Problem& problem, Pass pass, std::string_view kernel) const {
  plan::DeviceFacts facts;
  FA4_RETURN_IF_ERROR(facts_of(problem.place, &facts));
  return find_family(kernel)->supports(problem, pass, facts);
}

Blueprint GpuBackend::prepare(const Problem& problem, Pass pass, std::string_view kernel) const {
  auto prepared = std::make_shared<Prepared>();
  prepared->family = find_family(kernel);
  // supports() has found the device, which does not go away.
  if (!facts_of(problem.place, &prepared->facts).ok()) return {};
  prepared->plan = prepared->family->prepare(problem, pass, prepared->facts);
  Blueprint blueprint{
      .kernel = std::string(kernel),
      .tiles = prepared->plan.tiles,
      .grid = prepared->plan.grid,
      .threads = 0,
      .workspace_bytes = prepared->plan.workspace_bytes,
      .compiled = {},
      .roofline = plan::roofline(problem, pass, prepared->facts, prepared->plan.fma_exponentials),
      .details = {}};
  for (const plan::KernelSpec& spec : prepared->plan.kernels) {
    CompiledKernel& kernel_text = blueprint.compiled.emplace_back();
    kernel_text.entry = spec.entry;
    kernel_text.threads = spec.threads;
    kernel_text.smem_bytes = spec.smem_bytes;
    blueprint.threads = std::max(blueprint.threads, static_cast<int32_t>(spec.threads));
  }
  blueprint.details = std::move(prepared);
  return blueprint;
}

Status GpuBackend::load(const Problem& problem, Blueprint* blueprint) const {
  if (problem.place.kind == Place::Kind::Model) return {};
  const device::Device* device = nullptr;
  FA4_RETURN_IF_ERROR(device_of(problem, &device));
  Prepared& prepared = prepared_of(*blueprint);
  std::vector<jit::Wanted> wanted;
  for (const plan::KernelSpec& spec : prepared.plan.kernels) {
    wanted.push_back({spec, prepared.facts.arch, device->driver(), kind_for(*device)});
  }
  const std::vector<jit::Compiled> compiled =
      compiler_().compile_all(wanted, num_compiling_threads());
  for (size_t i = 0; i < wanted.size(); ++i) {
    FA4_RETURN_IF_ERROR(compiled[i].status);
    const plan::KernelSpec& spec = wanted[i].spec;
    CompiledKernel& text = blueprint->compiled[i];
    text.origin = compiled[i].image->origin;
    text.registers = compiled[i].image->resources.registers;
    text.spill_bytes = compiled[i].image->resources.spill_store_bytes;
    const std::lock_guard lock(mutex_);
    const std::string key = loaded_key(*device, spec) + compiled[i].key;
    auto found = loaded_.find(key);
    if (found == loaded_.end()) {
      device::Kernel kernel;
      FA4_RETURN_IF_ERROR(device->load(compiled[i].image->code, spec, &kernel));
      found = loaded_.emplace(key, kernel).first;
    }
    prepared.kernels.push_back(found->second);
  }
  return {};
}

Status GpuBackend::device_of(const Problem& problem, const device::Device** device) const {
  return devices_.find(problem.place.index, device);
}

Status GpuBackend::forward(const Problem& problem, const Blueprint& blueprint,
                           const ForwardTensors& tensors, void* workspace, void* stream) const {
  const Prepared& prepared = prepared_of(blueprint);
  const device::Device* device = nullptr;
  FA4_RETURN_IF_ERROR(device_of(problem, &device));
  const std::vector<plan::Launch> launches =
      prepared.family->forward_launches(problem, prepared.plan, prepared.facts, tensors, workspace);
  std::vector<device::Buffer> buffers;
  if (device->names_buffers()) {
    buffers = forward_buffers(problem, tensors, workspace, blueprint.workspace_bytes);
  }
  return device->launch(steps_of(prepared, launches), buffers, stream);
}

Status GpuBackend::backward(const Problem& problem, const Blueprint& blueprint,
                            const BackwardTensors& tensors, void* workspace, void* stream) const {
  const Prepared& prepared = prepared_of(blueprint);
  const device::Device* device = nullptr;
  FA4_RETURN_IF_ERROR(device_of(problem, &device));
  const std::vector<plan::Launch> launches = prepared.family->backward_launches(
      problem, prepared.plan, prepared.facts, tensors, workspace);
  std::vector<device::Buffer> buffers;
  if (device->names_buffers()) {
    buffers = backward_buffers(problem, tensors, workspace, blueprint.workspace_bytes);
  }
  return device->launch(steps_of(prepared, launches), buffers, stream);
}

Status GpuBackend::artifact(const Problem& problem, const Blueprint& blueprint, size_t kernel,
                            std::string_view kind, std::string* bytes) const {
  const Prepared& prepared = prepared_of(blueprint);
  if (kernel >= prepared.plan.kernels.size()) {
    return invalid_argument("kernel is {}; the plan has {}", kernel, prepared.plan.kernels.size());
  }
  jit::Wanted wanted{prepared.plan.kernels[kernel], prepared.facts.arch, "", jit::CodeKind::Cubin};
  if (problem.place.kind == Place::Kind::Cuda) {
    const device::Device* device = nullptr;
    FA4_RETURN_IF_ERROR(device_of(problem, &device));
    wanted.driver = device->driver();
  }
  if (kind == "source") {
    *bytes = jit::generated_source(wanted.spec);
    return {};
  }
  if (kind == "ptx") return compiler_().ptx_of(wanted, bytes);
  if (kind != "cubin" && kind != "log") {
    return invalid_argument("kind is \"{}\"; it must be source, ptx, cubin or log", kind);
  }
  const jit::Compiled compiled = compiler_().get(wanted);
  FA4_RETURN_IF_ERROR(compiled.status);
  *bytes = kind == "cubin" ? compiled.image->code : compiled.image->log;
  return {};
}

Status GpuBackend::wanted_kernels(const Problem& problem, Pass pass, std::string_view kernel,
                                  const std::string& arch, std::vector<jit::Wanted>* wanted) const {
  plan::DeviceFacts facts;
  FA4_RETURN_IF_ERROR(facts_of({.kind = Place::Kind::Model, .arch = arch}, &facts));
  std::string reasons;
  for (const plan::KernelFamily* family : families_) {
    if (kernel != "auto" && kernel != family->name()) continue;
    const Status status = family->supports(problem, pass, facts);
    if (!status.ok()) {
      reasons +=
          fmt::format("{}{}: {}", reasons.empty() ? "" : "; ", family->name(), status.message);
      continue;
    }
    for (const plan::KernelSpec& spec : family->prepare(problem, pass, facts).kernels) {
      wanted->push_back({spec, facts.arch, "", jit::CodeKind::Cubin});
    }
    return {};
  }
  return unsupported("no kernel serves this {} problem on {}: {}", name_of(pass), arch, reasons);
}

const GpuBackend& backend() {
  static const GpuBackend instance(families(), device::cuda_devices(), &jit::compiler);
  return instance;
}

std::span<const GpuBackend* const> emulated_backends() {
  static const std::vector<const GpuBackend*>& list = *[] {
    auto* made = new std::vector<const GpuBackend*>;
    for (const char* arch : {"sm_80", "sm_86", "sm_89", "sm_90a", "sm_100a", "sm_103a", "sm_120"}) {
      made->push_back(
          new GpuBackend(families(), device::emulated_devices(*device::find_model(arch)),
                         &jit::compiler, fmt::format("emulated:{}", arch), Place::Kind::Host));
    }
    return made;
  }();
  return list;
}

}  // namespace fa4::gpu
