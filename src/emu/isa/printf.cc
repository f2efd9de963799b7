// SPDX-License-Identifier: Apache-2.0
// printf of device code, by the rules of C; a long has 64 bits (CUDA C++ Programming Guide 13.0, 10.33).
#include <cstdio>
#include <cstring>

#include "emu/isa/runtime.h"
#include "emu/machine/memory.h"

namespace fa4::emu::isa {
namespace {

constexpr size_t kMostText = 1 << 16;
constexpr size_t kMostFields = 32;  // of CUDA: further ones are printed as they stand

// The values of a call, each at a multiple of its size.
class Values {
 public:
  Values(Warp& warp, int lane, uint64_t address) : warp_(warp), lane_(lane), at_(address) {}

  template <class T>
  T take() {
    at_ = (at_ + sizeof(T) - 1) / sizeof(T) * sizeof(T);
    T value;
    load(warp_, Space::Generic, at_, lane_, &value, sizeof(T));
    at_ += sizeof(T);
    ++num_taken;
    return value;
  }

  int num_taken = 0;

 private:
  Warp& warp_;
  int lane_;
  uint64_t at_;
};

template <class T>
std::string print_value(const std::string& spec, T value) {
  const int size = std::snprintf(nullptr, 0, spec.c_str(), value);
  if (size < 0) return "";
  std::string text(static_cast<size_t>(size) + 1, '\0');
  std::snprintf(text.data(), text.size(), spec.c_str(), value);
  text.pop_back();
  return text;
}

// "%-5ld" without its size and conversion, which are taken apart.
struct Field {
  std::string head;  // "%-5"
  int longs = 0, shorts = 0;
  char conversion = 0;  // 0: the format ends within the field
};

Field read_field(const std::string& format, size_t* at, Values& values) {
  Field field;
  field.head = "%";
  for (++*at; *at < format.size(); ++*at) {
    const char c = format[*at];
    if (c == '*') {
      field.head += std::to_string(values.take<int32_t>());
    } else if (c == 'l') {
      ++field.longs;
    } else if (c == 'h') {
      ++field.shorts;
    } else if (std::strchr("#0- +.123456789", c) != nullptr) {
      field.head += c;
    } else {
      field.conversion = c;
      ++*at;
      break;
    }
  }
  return field;
}

// A host's printf takes the widths that are ours: 32 and 64 bits.
std::string print_field(const Field& field, Values& values, Warp& warp, int lane, bool* known) {
  switch (field.conversion) {
    case 'd':
    case 'i': {
      if (field.longs != 0)
        return print_value(field.head + "lld", static_cast<long long>(values.take<int64_t>()));
      const auto value = values.take<int32_t>();
      return print_value(field.head + "d", field.shorts == 2   ? static_cast<int8_t>(value)
                                           : field.shorts == 1 ? static_cast<int16_t>(value)
                                                               : value);
    }
    case 'o':
    case 'u':
    case 'x':
    case 'X': {
      if (field.longs != 0) {
        return print_value(field.head + "ll" + field.conversion,
                           static_cast<unsigned long long>(values.take<uint64_t>()));
      }
      const auto value = values.take<uint32_t>();
      return print_value(field.head + field.conversion, field.shorts == 2   ? value & 0xff
                                                        : field.shorts == 1 ? value & 0xffff
                                                                            : value);
    }
    case 'a':
    case 'A':
    case 'e':
    case 'E':
    case 'f':
    case 'F':
    case 'g':
    case 'G':
      return print_value(field.head + field.conversion, values.take<double>());
    case 'c':
      return print_value(field.head + "c", values.take<int32_t>());
    case 's':
      return print_value(field.head + "s", text_at(warp, lane, values.take<uint64_t>()).c_str());
    case 'p':
      return print_value(field.head + "p", reinterpret_cast<void*>(values.take<uint64_t>()));
    default:
      *known = false;
      return "";
  }
}

}  // namespace

std::string text_at(Warp& warp, int lane, uint64_t address) {
  std::string text;
  if (address == 0) return "(null)";
  for (; text.size() < kMostText; ++address) {
    const std::byte* at = resolve(warp, Space::Generic, address, lane, 1, Access::Read);
    if (at == nullptr || *at == std::byte{0}) break;
    text += static_cast<char>(*at);
  }
  return text;
}

std::string formatted(Warp& warp, int lane, const std::string& format, uint64_t address,
                      int* num_values) {
  Values values(warp, lane, address);
  std::string text;
  size_t num_fields = 0;
  for (size_t at = 0; at < format.size();) {
    if (format[at] != '%') {
      text += format[at++];
      continue;
    }
    if (format.compare(at, 2, "%%") == 0) {
      text += '%';
      at += 2;
      continue;
    }
    const size_t begun = at;
    if (++num_fields > kMostFields) {
      text += format[at++];
      continue;
    }
    const Field field = read_field(format, &at, values);
    bool known = true;
    text += print_field(field, values, warp, lane, &known);
    if (!known) text.append(format, begun, at - begun);
  }
  *num_values = values.num_taken;
  return text;
}

}  // namespace fa4::emu::isa
