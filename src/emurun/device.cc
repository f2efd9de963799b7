// SPDX-License-Identifier: Apache-2.0
#include "emurun/device.h"

#include <algorithm>
#include <map>

#include "emurun/base.h"

namespace fa4::emurun {
namespace {

Device make_device(uint32_t arch) {
  switch (arch) {  // A100, A10, L4's big sister (4090), H200, B200, B300, RTX PRO 6000
    case 80:
      return {"fa4 PTX machine (sm_80)", 80, 108, 2048, 32, 164 << 10, 163 << 10, 40 << 20};
    case 86:
      return {"fa4 PTX machine (sm_86)", 86, 72, 1536, 16, 100 << 10, 99 << 10, 6 << 20};
    case 89:
      return {"fa4 PTX machine (sm_89)", 89, 128, 1536, 24, 100 << 10, 99 << 10, 72 << 20};
    case 100:
      return {"fa4 PTX machine (sm_100)", 100, 148, 2048, 32, 228 << 10, 227 << 10, 126 << 20};
    case 103:
      return {"fa4 PTX machine (sm_103)", 103, 148, 2048, 32, 228 << 10, 227 << 10, 126 << 20};
    case 120:
      return {"fa4 PTX machine (sm_120)", 120, 188, 1536, 24, 100 << 10, 99 << 10, 128 << 20};
    default:
      return {"fa4 PTX machine (sm_90)", 90, 132, 2048, 32, 228 << 10, 227 << 10, 60 << 20};
  }
}

constexpr int kFirstUnknown = 148;  // one beyond the last of CUDA 13.0

std::map<int, int> make_attributes() {
  const Device& on = device();
  return {{1, 1024},
          {2, 1024},  // block, x
          {3, 1024},
          {4, 64},
          {5, 0x7fffffff},  // grid, x
          {6, 65535},
          {7, 65535},
          {8, kSharedPerBlock},
          {9, 64 << 10},  // constant memory
          {10, 32},       // a warp
          {11, 0x7fffffff},
          {12, 65536},    // registers of a block
          {13, 1980000},  // kHz
          {14, 512},      // alignment of textures
          {15, 1},        // copies beside kernels
          {16, on.multiprocessors},
          {19, 1},  // host memory can be mapped
          {30, 512},
          {31, 1},        // kernels beside kernels
          {36, 3201000},  // memory, kHz
          {37, 6144},     // and its bus, bits
          {38, on.l2_bytes},
          {39, on.threads_per_multiprocessor},
          {40, 3},  // copy engines
          {41, 1},  // unified addresses
          {51, 32},
          {75, on.arch / 10},
          {76, on.arch % 10},
          {78, 1},  // priorities
          {79, 1},
          {80, 1},
          {81, on.shared_per_multiprocessor},
          {82, 65536},  // registers of a multiprocessor
          {83, 1},      // managed memory
          {87, on.arch == 80 || on.arch == 90 || on.arch == 100 ? 2 : 64},
          {89, 1},  // managed memory beside kernels
          {90, 1},
          {91, 1},
          {97, on.shared_per_block},
          {99, 1},  // cudaHostRegister
          {106, on.blocks_per_multiprocessor},
          {111, kReservedShared},
          {115, 1},                       // memory pools
          {120, on.arch >= 90 ? 1 : 0},   // clusters
          {127, on.arch >= 90 ? 1 : 0}};  // tensor maps
}

}  // namespace

const Device& device() {
  static const auto* const made = new Device(make_device(settings().arch));
  return *made;
}

void check_device(int index, const char* function) {
  if (index != 0) fail(kInvalidDevice, "{}: device is {}; there is device 0", function, index);
}

bool device_attribute(int attribute, int* value) {
  static const auto* const known = new std::map<int, int>(make_attributes());
  const auto found = known->find(attribute);
  *value = found == known->end() ? 0 : found->second;
  return attribute > 0 && attribute < kFirstUnknown;
}

uint64_t most_threads(const fa4emu_entry& facts) {
  const auto volume = [](const uint32_t* of) { return uint64_t{of[0]} * of[1] * of[2]; };
  if (facts.threads[0] != 0) return volume(facts.threads);
  return facts.max_threads[0] != 0 ? volume(facts.max_threads) : 1024;
}

int blocks_per_multiprocessor(const fa4emu_entry& facts, int threads, uint64_t dynamic_shared) {
  if (threads <= 0 || static_cast<uint64_t>(threads) > most_threads(facts)) return 0;
  const Device& on = device();
  const int whole_warps = (threads + 31) / 32 * 32;
  const uint64_t shared = dynamic_shared + facts.static_shared_bytes;
  if (shared > static_cast<uint64_t>(on.shared_per_block)) return 0;
  const auto by_shared = static_cast<int>(static_cast<uint64_t>(on.shared_per_multiprocessor) /
                                          (shared + kReservedShared));
  const int by_registers = 65536 / (kRegistersPerThread * whole_warps);
  return std::min({on.blocks_per_multiprocessor, on.threads_per_multiprocessor / whole_warps,
                   by_shared, by_registers});
}

}  // namespace fa4::emurun
