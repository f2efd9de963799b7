// SPDX-License-Identifier: Apache-2.0
// The border to C: an exception becomes a code and a sentence of this thread, and none gets out.
#pragma once

#include <fmt/format.h>

#include <algorithm>
#include <cstddef>
#include <cstring>
#include <new>
#include <stdexcept>
#include <string_view>
#include <utility>

#include "emu/run/machine.h"
#include "fa4/emu.h"

namespace fa4::emu::host {

// Keeps the sentence for fa4emu_last_error; one of more than 4 kB is cut.
void set_last_error(std::string_view sentence) noexcept;

class BadArgument : public std::runtime_error {
  using std::runtime_error::runtime_error;
};

template <class... Args>
[[noreturn]] void bad_argument(fmt::format_string<Args...> format, Args&&... args) {
  throw BadArgument(fmt::format(format, std::forward<Args>(args)...));
}

template <class Body>
fa4emu_status guarded(Body&& body) noexcept {
  try {
    body();
    return FA4EMU_OK;
  } catch (const BadArgument& error) {
    set_last_error(error.what());
    return FA4EMU_ERROR_INVALID_ARGUMENT;
  } catch (const MachineError& error) {
    set_last_error(error.what());
    return FA4EMU_ERROR_REFUSED;
  } catch (const std::bad_alloc&) {
    set_last_error("out of memory");
    return FA4EMU_ERROR_OUT_OF_MEMORY;
  } catch (const std::exception& error) {
    set_last_error(error.what());
    return FA4EMU_ERROR_INTERNAL;
  } catch (...) {
    set_last_error("an exception without a sentence");
    return FA4EMU_ERROR_INTERNAL;
  }
}

// What a struct was at first: smaller ones never existed.
template <class Struct>
inline constexpr size_t kFirstSize = sizeof(Struct);
template <>
inline constexpr size_t kFirstSize<fa4emu_launch_config> = offsetof(fa4emu_launch_config, labels);

inline constexpr size_t kMaxStructSize = 1 << 16;  // more is no struct but an uninitialised size

template <class Struct>
void check_size(const Struct* given, const char* name) {
  if (given == nullptr) bad_argument("{} is null", name);
  if (given->struct_size < kFirstSize<Struct> || given->struct_size > kMaxStructSize) {
    bad_argument("{0}.struct_size is {1}; it must be sizeof(*{0}), {2} in this version", name,
                 given->struct_size, sizeof(Struct));
  }
}

// A struct that the caller has filled: what a newer one has beyond ours must be zero.
template <class Struct>
Struct read_struct(const Struct* given, const char* name) {
  check_size(given, name);
  const auto* bytes = reinterpret_cast<const unsigned char*>(given);
  for (size_t i = sizeof(Struct); i < given->struct_size; ++i) {
    if (bytes[i] != 0) {
      bad_argument(
          "{} is a struct from a newer version and sets fields that this library ({}) does not know (byte {} is not 0)",
          name, fa4emu_version(), i);
    }
  }
  Struct known = {};  // what an older one does not have stays zero
  std::memcpy(&known, given, std::min(sizeof(Struct), given->struct_size));
  return known;
}

// A struct that we fill: the caller's own size stays, and what we do not know becomes zero.
template <class Struct>
void write_struct(Struct* given, const char* name, Struct value) {
  check_size(given, name);
  value.struct_size = given->struct_size;
  std::memset(given, 0, value.struct_size);
  std::memcpy(given, &value, sizeof(Struct));
}

}  // namespace fa4::emu::host
