// SPDX-License-Identifier: Apache-2.0
#include "jit/compiler.h"

#include <atomic>
#include <chrono>
#include <cstdio>
#include <thread>

#include "jit/sha256.h"

namespace fa4::jit {
namespace {

// Of keys: nothing for cubins, whose keys are older than the other kind.
std::string kind_text(CodeKind kind) { return kind == CodeKind::Ptx ? " as PTX" : ""; }

// "sm_90a" -> "compute_90a"
std::string virtual_arch(const std::string& arch) {
  return "compute_" + arch.substr(arch.find('_') + 1);
}

}  // namespace

Compiler::Compiler(Settings settings)
    : settings_(std::move(settings)), disk_(settings_.cache_dir, settings_.cache_bytes) {
  for (const std::string& path : settings_.packs) {
    PackState& state = packs_.emplace_back();
    state.path = path;
    state.status = Pack::open(path, &state.pack);
    if (!state.status.ok()) say(Verbosity::Compilations, state.status.message);
  }
}

void Compiler::say(Verbosity least, const std::string& sentence) const {
  if (settings_.verbosity < least) return;
  std::fprintf(stderr, "fa4: %s\n", sentence.c_str());
}

Status Compiler::find_sources() {
  std::call_once(sources_once_, [this] {
    if (settings_.kernel_dir.empty()) {
      bundle_ = Bundle::embedded();
    } else {
      sources_status_ = Bundle::from_folder(settings_.kernel_dir, &bundle_);
    }
  });
  return sources_status_;
}

Status Compiler::nvrtc_file(NvrtcFile* file) {
  std::call_once(nvrtc_once_,
                 [this] { nvrtc_status_ = find_nvrtc(settings_.nvrtc, &nvrtc_file_); });
  *file = nvrtc_file_;
  return nvrtc_status_;
}

Compiled Compiler::get(const Wanted& wanted) {
  Unit unit;
  Compiled failed;
  failed.status = find_sources();
  if (failed.status.ok()) {
    failed.status = make_unit(bundle_, wanted.spec, wanted.arch, settings_.fmad, &unit);
  }
  if (!failed.status.ok()) return failed;
  std::promise<Compiled> promise;
  std::shared_future<Compiled> future;
  const std::string name = unit.key + wanted.driver + kind_text(wanted.kind);
  {
    const std::lock_guard lock(mutex_);
    const auto found = images_.find(name);
    if (found != images_.end()) {
      future = found->second;
    } else {
      images_.emplace(name, promise.get_future().share());
    }
  }
  if (future.valid()) return future.get();
  Compiled result;
  try {
    result = find_or_compile(unit, wanted);
  } catch (const std::exception& exception) {  // out of memory: those who wait must hear of it
    result.status = {FA4_ERROR_INTERNAL, exception.what()};
  }
  promise.set_value(result);
  if (!result.status.ok()) {  // what is missing now may be there at the next call
    const std::lock_guard lock(mutex_);
    images_.erase(name);
  }
  return result;
}

bool Compiler::find_in_packs(const Unit& unit, Image* image, Status* damage) const {
  for (const PackState& state : packs_) {
    if (!state.status.ok()) continue;
    bool found = false;
    const Status status = state.pack.find(unit.key, image, &found);
    if (found && status.ok()) return true;
    if (!status.ok()) *damage = status;
  }
  return false;
}

Compiled Compiler::find_or_compile(const Unit& unit, const Wanted& wanted) {
  Compiled result;
  result.key = unit.key;
  auto image = std::make_shared<Image>();
  image->kind = wanted.kind;
  Status damage;
  const bool may_be_packed = wanted.kind == CodeKind::Cubin;
  if (!may_be_packed || !find_in_packs(unit, image.get(), &damage)) {
    if (!damage.ok()) say(Verbosity::Compilations, damage.message);
    NvrtcFile file;
    result.status = nvrtc_file(&file);
    if (!result.status.ok()) {
      result.status.message =
          fmt::format("kernel {} for {} {} cannot be compiled: {}", unit.entry, unit.arch,
                      may_be_packed ? "is in no pack and" : "as PTX", result.status.message);
      return result;
    }
    const std::string key =
        Sha256().add(unit.key).add(file.identity).add(wanted.driver + kind_text(wanted.kind)).hex();
    if (!disk_.find(key, image.get())) {
      result.status = compile(unit, file, image.get());
      if (!result.status.ok()) return result;
      const Status kept = disk_.put(key, *image);
      if (!kept.ok()) say(Verbosity::Compilations, "the cache is not used: " + kept.message);
    }
  }
  image->entry = unit.entry;
  image->arch = unit.arch;
  say(Verbosity::Everything, fmt::format("{} for {}: {}", unit.entry, unit.arch, image->origin));
  result.image = std::move(image);
  return result;
}

Status Compiler::compile(const Unit& unit, const NvrtcFile& file, Image* image) {
  using Clock = std::chrono::steady_clock;
  const auto start = Clock::now();
  const Nvrtc* nvrtc = nullptr;
  FA4_RETURN_IF_ERROR(Nvrtc::open(file, &nvrtc));
  FA4_RETURN_IF_ERROR(
      nvrtc->compile(unit, image->kind == CodeKind::Ptx ? virtual_arch(unit.arch) : unit.arch,
                     &image->code, &image->log));
  image->source = unit.source;
  image->resources = resources_of(image->log);
  image->origin =
      fmt::format("compiled in {:.2f} s by NVRTC {}",
                  std::chrono::duration<double>(Clock::now() - start).count(), nvrtc->version());
  if (settings_.verbosity == Verbosity::Compilations) {
    say(Verbosity::Compilations, fmt::format("{} for {} {}", unit.entry, unit.arch, image->origin));
  }
  return {};
}

std::vector<Compiled> Compiler::compile_all(std::span<const Wanted> all, unsigned num_threads,
                                            const Progress& progress) {
  std::vector<Compiled> results(all.size());
  std::atomic<size_t> next{0};
  std::mutex telling;
  size_t done = 0;
  const auto work = [&] {
    for (size_t i = next++; i < all.size(); i = next++) {
      results[i] = get(all[i]);
      const std::lock_guard lock(telling);
      ++done;
      if (progress) progress(done, all.size(), all[i], results[i]);
    }
  };
  std::vector<std::thread> threads;
  for (unsigned i = 1; i < num_threads && i < all.size(); ++i) threads.emplace_back(work);
  work();
  for (std::thread& thread : threads) thread.join();
  return results;
}

Status Compiler::ptx_of(const Wanted& wanted, std::string* ptx) {
  Wanted as_ptx = wanted;
  as_ptx.kind = CodeKind::Ptx;
  as_ptx.driver.clear();
  const Compiled compiled = get(as_ptx);
  FA4_RETURN_IF_ERROR(compiled.status);
  *ptx = compiled.image->code;
  return {};
}

Compiler& compiler() {
  static Compiler& instance = *new Compiler(settings_from_environment());
  return instance;
}

}  // namespace fa4::jit
