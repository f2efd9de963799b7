// SPDX-License-Identifier: Apache-2.0
// printf, assert, malloc and free of device code, as nvcc calls them.
#include "emu/isa/runtime.h"

#include <fmt/format.h>

#include "emu/machine/cta.h"
#include "emu/machine/warp_report.h"

namespace fa4::emu::isa {
namespace {

// Arguments and results of one lane's call, in its frame.
class BuiltinCall {
 public:
  BuiltinCall(Warp& warp, const CallSite& site, int lane, uint32_t base)
      : warp_(warp), site_(site), lane_(lane), base_(base) {}

  uint64_t argument(size_t index) const {
    const FrameSlot& slot = site_.arguments.at(index);
    uint64_t value = 0;
    load(warp_, Space::Local, base_ + slot.offset, lane_, &value, slot.bytes);
    return value;
  }
  std::string text(size_t index) const { return text_at(warp_, lane_, argument(index)); }
  void give(uint64_t value) const {
    if (site_.results.empty()) return;
    const FrameSlot& slot = site_.results.front();
    store(warp_, Space::Local, base_ + slot.offset, lane_, &value, slot.bytes);
  }

 private:
  Warp& warp_;
  const CallSite& site_;
  int lane_;
  uint32_t base_;
};

[[noreturn]] void fail_assertion(Warp& warp, const BuiltinCall& call, int lane) {
  report(warp, Level::Error, "assert",
         fmt::format("assert: {}:{}: {}: lane {}: `{}' does not hold", call.text(1),
                     static_cast<uint32_t>(call.argument(2)), call.text(3), lane, call.text(0)));
  throw Stop("an assertion does not hold");
}

void print_of_lane(Warp& warp, const BuiltinCall& call, int lane) {
  if (call.argument(0) == 0) return call.give(~uint64_t{0});
  int num_values = 0;
  warp.cta->output->add(warp.cta->index,
                        formatted(warp, lane, call.text(0), call.argument(1), &num_values));
  call.give(static_cast<uint64_t>(num_values));
}

}  // namespace

void call_builtin(Warp& warp, const CallSite& site, const uint32_t* base) {
  for_each_lane(warp.active, [&](int lane) {
    const BuiltinCall call(warp, site, lane, base[lane]);
    switch (site.builtin) {
      case Builtin::None:
        return;
      case Builtin::Printf:
        return print_of_lane(warp, call, lane);
      case Builtin::AssertFail:
        fail_assertion(warp, call, lane);
      case Builtin::Malloc:
        return call.give(warp.cta->heap->allocate(call.argument(0)));
      case Builtin::Free:
        if (warp.cta->heap->release(call.argument(0))) return;
        report(warp, Level::Error, "heap.free",
               fmt::format("out of bounds: lane {} frees {:#x}, which malloc has not given, or "
                           "which is free already",
                           lane, call.argument(0)));
    }
  });
}

}  // namespace fa4::emu::isa
