// SPDX-License-Identifier: Apache-2.0
// From S to P and from dP to dS, for a warp's fragments of S^T: keys along the rows, queries along the columns, so
// that a lane's row values are two of each column block.
#pragma once

#include "ptx/math.h"
#include "tile/element.h"
#include "tile/mask.h"
#include "tile/sequence.h"
#include "tile/softcap.h"
#include "tile/warp.h"

namespace fa4::sm80::backward {

// 1 - tanh(x)^2, exact to a few ulp where tanh saturates: 4e / (1 + e)^2 with e = exp(-2|x|).
FA4_DEVICE float tanh_derivative(float x) {
  const float e = ptx::ex2(-2 * kLog2E * fabsf(x));
  const float r = ptx::rcp(1 + e);
  return 4 * e * r * r;
}

// What S is multiplied by before the exponential (in log2 units), or before and after tanh.
struct ScoreScale {
  float inner, outer;

  FA4_DEVICE explicit ScoreScale(const ProblemParams& p)
      : inner(p.softcap > 0 ? p.scale / p.softcap : p.scale * kLog2E), outer(p.softcap * kLog2E) {
    // A scale of 0: so small that S does not count, and yet infinity, in a key that is masked, stays so.
    constexpr float kNothing = 1e-30f;
    if (p.softcap == 0 && inner == 0) inner = kNothing;
  }

  // The S whose exponential is 0.
  FA4_DEVICE float masked() const { return inner < 0 ? -minus_infinity() : minus_infinity(); }
};

// The keys that the queries of a tile see, counted from the tile's first key and query.
struct TileMask {
  i32 begin, end;  // of query 0; one more for each query
  i32 num_keys;

  FA4_DEVICE TileMask(const KeyWindow& window, u32 key, u32 query)
      : begin(near(i64{query} + window.begin_offset - key)),
        end(near(i64{query} + window.end_offset - key)),
        num_keys(near(i64{window.length} - key)) {}

  FA4_DEVICE static i32 near(i64 offset) {
    constexpr i64 kFar = 1 << 20;  // beyond any tile
    return static_cast<i32>(clamp_to(offset, -kFar, kFar));
  }

  FA4_DEVICE bool sees(u32 query, u32 key) const {
    const i32 i = static_cast<i32>(query), j = static_cast<i32>(key);
    return j >= begin + i && j < min(end + i, num_keys);
  }
};

// True when some query in [query, last_query] does not see some of the keys [key, key + block_k).
FA4_DEVICE bool needs_mask(const KeyWindow& window, u32 key, u32 block_k, u32 query,
                           u32 last_query) {
  return key + block_k > window.length || window.begin(last_query) > key ||
         window.end(query) < key + block_k;
}

// What a query does not see becomes `value`, whatever is there.
template <u32 kM, u32 kN>
FA4_DEVICE void mask_scores(float (&s)[kM][kN][4], float value, const TileMask& mask, u32 lane,
                            u32 key, u32 query) {
#pragma unroll
  for (u32 j = 0; j < kN; ++j) {
#pragma unroll
    for (u32 i = 0; i < kM; ++i) {
#pragma unroll
      for (u32 e = 0; e < 4; ++e) {
        const bool sees =
            mask.sees(query + j * 8 + lane % 4 * 2 + e % 2, key + i * 16 + lane / 4 + e / 2 * 8);
        s[i][j][e] = sees ? s[i][j][e] : value;
      }
    }
  }
}

// Column block j of s becomes P, and packed. `row_lse` is that of the warp's first query.
template <ElementType kType, u32 kM, u32 kN>
FA4_DEVICE void probabilities(float (&s)[kM][kN][4], u32 (&packed)[kM][kN][2],
                              const ScoreScale& scale, const float* row_lse, u32 lane, u32 j) {
  const float2 lse = *reinterpret_cast<const float2*>(row_lse + j * 8 + lane % 4 * 2);
#pragma unroll
  for (u32 i = 0; i < kM; ++i) {
#pragma unroll
    for (u32 e = 0; e < 4; ++e) {
      s[i][j][e] = ptx::ex2(s[i][j][e] * scale.inner - (e % 2 ? lse.y : lse.x));
    }
    packed[i][j][0] = pack<kType>(s[i][j][0], s[i][j][1]);
    packed[i][j][1] = pack<kType>(s[i][j][2], s[i][j][3]);
  }
}

// All of s with a softcap: `packed` becomes P and s becomes P times the softcap's derivative, which tanh has to be at
// hand for. What a query does not see is 0.
template <ElementType kType, u32 kM, u32 kN>
FA4_DEVICE void capped_probabilities(float (&s)[kM][kN][4], u32 (&packed)[kM][kN][2],
                                     const ScoreScale& scale, const float* row_lse, u32 lane,
                                     const TileMask& mask, u32 key, u32 query) {
#pragma unroll
  for (u32 j = 0; j < kN; ++j) {
    const float2 lse = *reinterpret_cast<const float2*>(row_lse + j * 8 + lane % 4 * 2);
#pragma unroll
    for (u32 i = 0; i < kM; ++i) {
      float p[4];
#pragma unroll
      for (u32 e = 0; e < 4; ++e) {
        const float x = s[i][j][e] * scale.inner;
        p[e] = ptx::ex2(accurate_tanh(x) * scale.outer - (e % 2 ? lse.y : lse.x));
        if (!mask.sees(query + j * 8 + lane % 4 * 2 + e % 2, key + i * 16 + lane / 4 + e / 2 * 8)) {
          p[e] = 0;
        }
        s[i][j][e] = p[e] * tanh_derivative(x);
      }
      packed[i][j][0] = pack<kType>(p[0], p[1]);
      packed[i][j][1] = pack<kType>(p[2], p[3]);
    }
  }
}

// packed = P * (dP - delta): dS without the scale, which dQ and dK get at their end.
template <ElementType kType, u32 kM, u32 kN>
FA4_DEVICE void score_gradients(const float (&p)[kM][kN][4], const float (&dp)[kM][kN][4],
                                u32 (&packed)[kM][kN][2], const float* row_delta, u32 lane) {
#pragma unroll
  for (u32 j = 0; j < kN; ++j) {
    const float2 delta = *reinterpret_cast<const float2*>(row_delta + j * 8 + lane % 4 * 2);
#pragma unroll
    for (u32 i = 0; i < kM; ++i) {
      packed[i][j][0] =
          pack<kType>(p[i][j][0] * (dp[i][j][0] - delta.x), p[i][j][1] * (dp[i][j][1] - delta.y));
      packed[i][j][1] =
          pack<kType>(p[i][j][2] * (dp[i][j][2] - delta.x), p[i][j][3] * (dp[i][j][3] - delta.y));
    }
  }
}

}  // namespace fa4::sm80::backward
