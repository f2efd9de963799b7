// SPDX-License-Identifier: Apache-2.0
#include "emu/isa/tcgen05_collector.h"

#include <fmt/format.h>

#include "emu/machine/cluster.h"
#include "emu/machine/warp_report.h"

namespace fa4::emu::isa {
namespace {

uint32_t tcgen05_shape_of_a(const Tcgen05Shape& shape, bool in_tensor_memory) {
  return shape.m << 16 | shape.group << 12 | static_cast<uint32_t>(shape.a) << 4 |
         static_cast<uint32_t>(shape.kind) << 2 | (shape.transposed_a ? 2 : 0) |
         (in_tensor_memory ? 1 : 0);
}

std::string tcgen05_why_not_collected(const Warp& warp, const Collector& collector, bool same) {
  const auto site = [&] { return warp.cta->describer->site(*collector.site); };
  if (collector.site == nullptr) return "nothing has filled it";
  if (!collector.filled) return "the one before may have emptied it: " + site();
  return same ? "" : "it holds another A, or in another shape: " + site();
}

}  // namespace

void tcgen05_collect(Warp& warp, const Tcgen05Shape& shape, const Tcgen05MmaValues& values,
                     CollectorUse use) {
  Collector& collector = tcgen05_ctas(*warp.cta, shape.group)[0]->tmem.collector;
  const uint32_t of_a = tcgen05_shape_of_a(shape, values.a_in_tensor_memory);
  if (use == CollectorUse::Use || use == CollectorUse::LastUse) {
    const bool same = collector.a == values.a && collector.shape == of_a;
    const std::string why = tcgen05_why_not_collected(warp, collector, same);
    if (!why.empty()) {
      report(warp, Level::Error, "tcgen05.collector",
             fmt::format("collector buffer: `{}` takes A {:#x} from it, and {}",
                         use == CollectorUse::Use ? "use" : "lastuse", values.a, why));
    }
    if (use == CollectorUse::Use) return;
  }
  collector = {use == CollectorUse::Fill, warp.current, values.a, of_a};
}

}  // namespace fa4::emu::isa
