// SPDX-License-Identifier: Apache-2.0
// Sums, quotients and roots by integers of 128 bits.
#include "emu/isa/numeric.h"

#include <algorithm>

namespace fa4::emu::isa {
inline namespace FA4_EMU_CPU {
namespace {

__extension__ using Wide = unsigned __int128;

// significand * 2^exponent
struct WideNumber {
  bool negative = false;
  Wide significand = 0;
  int exponent = 0;
};

int wide_zeros(Wide x) {
  const auto high = static_cast<uint64_t>(x >> 64);
  return high != 0 ? std::countl_zero(high) : 64 + std::countl_zero(static_cast<uint64_t>(x));
}

// Of a finite double.
WideNumber wide_number(double x) {
  const auto bits = std::bit_cast<uint64_t>(x);
  const int exponent = static_cast<int>(bits >> 52 & 0x7ff);
  const uint64_t fraction = bits & ((uint64_t{1} << 52) - 1);
  return {bits >> 63 != 0, fraction | (exponent != 0 ? uint64_t{1} << 52 : 0),
          (exponent != 0 ? exponent : 1) - 1075};
}

// The leading bit at place 125: room for a sum, and as much as possible below.
void wide_normalize(WideNumber& x) {
  const int zeros = wide_zeros(x.significand);
  x.significand = zeros >= 2 ? x.significand << (zeros - 2) : x.significand >> (2 - zeros);
  x.exponent -= zeros - 2;
}

// Rounds a number of which something may be missing below its last bit.
template <class T>
T wide_round(WideNumber x, bool inexact, Rounding rounding) {
  const int shift = std::max(0, 64 - wide_zeros(x.significand));
  const Wide lost = x.significand & ((Wide{1} << shift) - 1);
  const auto top = static_cast<uint64_t>(x.significand >> shift);
  return round_parts<T>(x.negative, top | (lost != 0 || inexact ? 1 : 0), x.exponent + shift,
                        rounding);
}

// Of two numbers that are not 0 and not each other's opposite. Products have 106 bits: place 125 is wide_normalize's.
template <class T>
T wide_sum(WideNumber a, WideNumber b, Rounding rounding) {
  wide_normalize(a);
  wide_normalize(b);
  if (a.exponent < b.exponent) std::swap(a, b);
  const int distance = a.exponent - b.exponent;
  const Wide moved = distance < 128 ? b.significand >> distance : 0;
  const bool inexact = distance >= 128 || (moved << distance) != b.significand;
  if (a.negative == b.negative) {
    a.significand += moved;
  } else if (a.significand >= moved) {
    // What is missing from b makes the difference smaller: one less, and something.
    a.significand -= moved + (inexact ? 1 : 0);
  } else {
    a.significand = moved - a.significand;  // the same exponent, so nothing is missing
    a.negative = b.negative;
  }
  return wide_round<T>(a, inexact, rounding);
}

Wide wide_root(Wide x) {
  Wide root = 0;
  for (Wide bit = Wide{1} << 126; bit != 0; bit >>= 2) {
    if (x >= root + bit) {
      x -= root + bit;
      root = (root >> 1) + bit;
    } else {
      root >>= 1;
    }
  }
  return root;
}

}  // namespace

template <class T>
T slow_fma(double a, double b, double c, Rounding rounding) {
  if (!std::isfinite(a) || !std::isfinite(b) || !std::isfinite(c)) {
    return static_cast<T>(std::fma(a, b, c));
  }
  const WideNumber fa = wide_number(a);
  const WideNumber fb = wide_number(b);
  const WideNumber fc = wide_number(c);
  const WideNumber product{fa.negative != fb.negative, fa.significand * fb.significand,
                           fa.exponent + fb.exponent};
  const auto zero = [&](bool cancelled) {
    const bool negative =
        product.negative == fc.negative && !cancelled ? fc.negative : rounding == Rounding::Down;
    return round_parts<T>(negative, 0, 0, rounding);
  };
  if (product.significand == 0 && fc.significand == 0) return zero(false);
  if (product.significand == 0) return wide_round<T>(fc, false, rounding);
  if (fc.significand == 0) return wide_round<T>(product, false, rounding);
  if (product.negative != fc.negative) {
    WideNumber p = product, q = fc;
    wide_normalize(p);
    wide_normalize(q);
    if (p.exponent == q.exponent && p.significand == q.significand) return zero(true);
  }
  return wide_sum<T>(product, fc, rounding);
}

template <class T>
T slow_div(double a, double b, Rounding rounding) {
  if (!std::isfinite(a) || !std::isfinite(b) || a == 0.0 || b == 0.0) {
    return static_cast<T>(a / b);
  }
  WideNumber fa = wide_number(a);
  WideNumber fb = wide_number(b);
  wide_normalize(fa);  // 126 bits
  const auto divisor = fb.significand;
  const Wide quotient = fa.significand / divisor;  // at least 73 bits
  return wide_round<T>({fa.negative != fb.negative, quotient, fa.exponent - fb.exponent},
                       quotient * divisor != fa.significand, rounding);
}

template <class T>
T slow_sqrt(double a, Rounding rounding) {
  if (!std::isfinite(a) || a <= 0.0) return static_cast<T>(std::sqrt(a));
  WideNumber x = wide_number(a);
  wide_normalize(x);
  if ((x.exponent & 1) != 0) {
    x.significand <<= 1;
    --x.exponent;
  }
  const Wide root = wide_root(x.significand);  // 63 bits or more
  return wide_round<T>({false, root, x.exponent / 2}, root * root != x.significand, rounding);
}

template float slow_fma<float>(double, double, double, Rounding);
template double slow_fma<double>(double, double, double, Rounding);
template float slow_div<float>(double, double, Rounding);
template double slow_div<double>(double, double, Rounding);
template float slow_sqrt<float>(double, Rounding);
template double slow_sqrt<double>(double, Rounding);

}  // namespace FA4_EMU_CPU
}  // namespace fa4::emu::isa
