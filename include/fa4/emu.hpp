// SPDX-License-Identifier: Apache-2.0
// libfa4emu opened at run time: the functions of emu.h as members, and RAII over its handles. A program that never asks
// for the machine needs no libfa4emu. Header only; link with the system's dl library.
#ifndef FA4_EMU_HPP_
#define FA4_EMU_HPP_

#include <dlfcn.h>

#include <cstdint>
#include <cstdlib>
#include <deque>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "fa4/emu.h"

namespace fa4 {
inline namespace emu_face {  // its own names, whatever else a program links

// What a kernel calls its warps, shared memory and tensor memory (fa4emu_labels), with the names themselves.
class MachineLabels {
 public:
  MachineLabels() = default;
  MachineLabels(MachineLabels&&) = default;
  MachineLabels& operator=(MachineLabels&&) = default;

  // Warps of a CTA.
  void add_warps(std::string name, uint32_t first, uint32_t last) {
    warps_.push_back({first, last, keep(std::move(name))});
  }
  // `count` elements from `offset` on, in bytes from the start of the dynamic shared memory.
  void add_shared(std::string name, uint32_t offset, uint32_t bytes, uint32_t count) {
    shared_.push_back({keep(std::move(name)), offset, bytes, count, 0});
  }
  // `count` elements from `column` on.
  void add_tensor(std::string name, uint32_t column, uint32_t columns, uint32_t count) {
    tensor_.push_back({keep(std::move(name)), column, columns, count});
  }

  // As a launch takes them. Valid while this object lives and gets no more of them.
  fa4emu_labels given() const {
    return {sizeof(fa4emu_labels), warps_.data(),  warps_.size(), shared_.data(),
            shared_.size(),        tensor_.data(), tensor_.size()};
  }

 private:
  const char* keep(std::string name) { return names_.emplace_back(std::move(name)).c_str(); }

  std::deque<std::string> names_;  // which do not move when more come
  std::vector<fa4emu_warp_label> warps_;
  std::vector<fa4emu_shared_label> shared_;
  std::vector<fa4emu_tensor_label> tensor_;
};

class MachineLibrary {
 public:
  static constexpr const char* kSoname = "libfa4emu.so.0";

  // Opened once and never closed. Null: it is not here or is another version's, and `why` says so in a sentence.
  // `neighbour` is an address inside the library or program beside which it is looked for: FA4_EMU_LIBRARY, if that is
  // set; else beside the neighbour, or in the folder lib beside its own; else where the loader looks.
  static const MachineLibrary* open(const void* neighbour, std::string* why);

  std::string path;
  decltype(&fa4emu_version) version = nullptr;
  decltype(&fa4emu_last_error) last_error = nullptr;
  decltype(&fa4emu_create) create = nullptr;
  decltype(&fa4emu_destroy) destroy = nullptr;
  decltype(&fa4emu_load) load = nullptr;
  decltype(&fa4emu_entry_name) entry_name = nullptr;
  decltype(&fa4emu_entry_facts) entry_facts = nullptr;
  decltype(&fa4emu_variable) variable = nullptr;
  decltype(&fa4emu_add_memory) add_memory = nullptr;
  decltype(&fa4emu_add_memory_range) add_memory_range = nullptr;
  decltype(&fa4emu_mark_initialised) mark_initialised = nullptr;
  decltype(&fa4emu_write_schedule) write_schedule = nullptr;
  decltype(&fa4emu_follow_schedule) follow_schedule = nullptr;
  decltype(&fa4emu_write_trace) write_trace = nullptr;
  decltype(&fa4emu_remove_memory) remove_memory = nullptr;
  decltype(&fa4emu_encode_tensor_map) encode_tensor_map = nullptr;
  decltype(&fa4emu_launch) launch = nullptr;
  decltype(&fa4emu_report_summary) report_summary = nullptr;
  decltype(&fa4emu_report_item) report_item = nullptr;
  decltype(&fa4emu_report_unit) report_unit = nullptr;
  decltype(&fa4emu_report_form) report_form = nullptr;
  decltype(&fa4emu_report_destroy) report_destroy = nullptr;

  struct MachineEnd {
    const MachineLibrary* library = nullptr;
    void operator()(fa4emu_machine* machine) const { library->destroy(machine); }
  };
  struct ReportEnd {
    const MachineLibrary* library = nullptr;
    void operator()(fa4emu_report* report) const { library->report_destroy(report); }
  };
  using Machine = std::unique_ptr<fa4emu_machine, MachineEnd>;
  using Report = std::unique_ptr<fa4emu_report, ReportEnd>;

 private:
  struct Opened;

  bool open_file(const std::string& file) {
    handle_ = dlopen(file.c_str(), RTLD_NOW | RTLD_LOCAL);
    if (handle_ != nullptr) path = file;
    return handle_ != nullptr;
  }

  template <class Function>
  bool bind(Function* function, const char* name) {
    *function = reinterpret_cast<Function>(dlsym(handle_, name));
    return *function != nullptr;
  }

  bool bind_all() {
    return bind(&version, "fa4emu_version") && bind(&last_error, "fa4emu_last_error") &&
           bind(&create, "fa4emu_create") && bind(&destroy, "fa4emu_destroy") &&
           bind(&load, "fa4emu_load") && bind(&entry_name, "fa4emu_entry_name") &&
           bind(&entry_facts, "fa4emu_entry_facts") && bind(&variable, "fa4emu_variable") &&
           bind(&add_memory, "fa4emu_add_memory") && bind(&remove_memory, "fa4emu_remove_memory") &&
           bind(&add_memory_range, "fa4emu_add_memory_range") &&
           bind(&mark_initialised, "fa4emu_mark_initialised") &&
           bind(&write_schedule, "fa4emu_write_schedule") &&
           bind(&follow_schedule, "fa4emu_follow_schedule") &&
           bind(&write_trace, "fa4emu_write_trace") &&
           bind(&encode_tensor_map, "fa4emu_encode_tensor_map") && bind(&launch, "fa4emu_launch") &&
           bind(&report_summary, "fa4emu_report_summary") &&
           bind(&report_item, "fa4emu_report_item") && bind(&report_unit, "fa4emu_report_unit") &&
           bind(&report_form, "fa4emu_report_form") &&
           bind(&report_destroy, "fa4emu_report_destroy");
  }

  void* handle_ = nullptr;
};

struct MachineLibrary::Opened {
  explicit Opened(const void* neighbour) {
    if (!find(neighbour) || library.bind_all()) return;
    why = library.path + " is not the PTX machine of this version: it lacks functions";
    library.handle_ = nullptr;
  }

  bool find(const void* neighbour) {
    const char* named = std::getenv("FA4_EMU_LIBRARY");
    if (named != nullptr && *named != '\0') {
      if (library.open_file(named)) return true;
      why = std::string("FA4_EMU_LIBRARY is ") + named + ", which cannot be opened: " + dlerror();
      return false;
    }
    std::string folder = ".";
    Dl_info info = {};
    if (dladdr(neighbour, &info) != 0 && info.dli_fname != nullptr) {
      const std::string file = info.dli_fname;
      const size_t slash = file.rfind('/');
      if (slash != std::string::npos) folder = file.substr(0, slash);
    }
    const std::string soname = kSoname;
    if (library.open_file(folder + "/" + soname) ||
        library.open_file(folder + "/../lib/" + soname) || library.open_file(soname)) {
      return true;
    }
    why = "the PTX machine, " + soname + ", is neither in " + folder +
          " nor where the loader looks; `make emu` builds it, and FA4_EMU_LIBRARY may name it";
    return false;
  }

  MachineLibrary library;
  std::string why;
};

inline const MachineLibrary* MachineLibrary::open(const void* neighbour, std::string* why) {
  static const Opened opened(neighbour);
  *why = opened.why;
  return opened.library.handle_ == nullptr ? nullptr : &opened.library;
}

}  // namespace emu_face
}  // namespace fa4

#endif  // FA4_EMU_HPP_
