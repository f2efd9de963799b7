// SPDX-License-Identifier: Apache-2.0
// 2^x by ex2.approx and by polynomials of degree 2 to 5 on the FMA units, before and after rounding to 16 bits.
// Built and read by bench/exp2-study, which also finds the coefficients (FA4_EXP2_COEFFICIENTS, given with -include).
//
//   exp2_study [STRIDE]     every STRIDE-th fraction; 1, the default, takes all 2^23
//
// Two walks over the arguments: "grid" is n + k/2^23 for every exponent n and every fraction k, rounded to fp32;
// "floats" is every fp32 number from -127 to 8. A line of output is one group of one walk and one method:
//   walk group method  count  fp32: max mean signed  bf16: mufu ideal ulps max mean  fp16: the same five
// where mufu and ideal count results that differ, after rounding, from ex2.approx's and from the correctly rounded 2^x,
// ulps is the largest distance from ex2.approx's, and the other numbers are relative errors against double precision.
#include <cuda_bf16.h>
#include <cuda_fp16.h>

#include <cstdio>
#include <cstdlib>
#include <vector>

namespace {

constexpr int kMethods = 5;  // ex2.approx, then degree 2, 3, 4, 5
constexpr int kThreads = 256;
constexpr int kBlocks = 512;
constexpr unsigned kFractions = 1u << 23;
constexpr int kFirstExponent = -127;  // of the grid; the last is 7
constexpr int kExponents = 135;
constexpr int kBinades = 131;  // of the walk over floats: biased exponents 0 to 130, each sign

__constant__ float coefficients[4][5] =
    FA4_EXP2_COEFFICIENTS;  // c1 upwards, zeros behind the degree

struct Rounded {
  unsigned long long differ_mufu, differ_ideal, ulps;
  double max_error, sum_error;
};

struct Stats {
  unsigned long long count;
  double max_error, sum_error, sum_signed;
  Rounded bf16, fp16;
};

__device__ float ex2_approx(float x) {
  float y;
  asm("ex2.approx.ftz.f32 %0, %1;" : "=f"(y) : "f"(x));
  return y;
}

// The sequence of the Blackwell kernel, one element at a time: floor by adding a large number with round-down, the
// polynomial in the fraction, the exponent added as an integer.
template <int kDegree>
__device__ float ex2_polynomial(float x) {
  const float* c = coefficients[kDegree - 2];
  const float kMagic = 12582912.0f;  // 2^23 + 2^22: the sum's low bits are floor(x)
  x = fmaxf(x, -127.0f);
  float shifted;
  asm("add.rm.ftz.f32 %0, %1, %2;" : "=f"(shifted) : "f"(x), "f"(kMagic));
  const float fraction = __fsub_rn(x, __fsub_rn(shifted, kMagic));
  float p = c[kDegree - 1];
#pragma unroll
  for (int i = kDegree - 2; i >= 0; --i) p = __fmaf_rn(p, fraction, c[i]);
  p = __fmaf_rn(p, fraction, 1.0f);
  return __int_as_float((__float_as_int(shifted) << 23) + __float_as_int(p));
}

__device__ unsigned bits(__nv_bfloat16 x) { return __bfloat16_as_ushort(x); }
__device__ unsigned bits(__half x) { return __half_as_ushort(x); }

template <typename Half>
__device__ void compare(Rounded& stats, Half result, Half mufu, Half ideal, double exact) {
  const unsigned a = bits(result);
  const unsigned b = bits(mufu);
  const unsigned long long ulps = a > b ? a - b : b - a;
  stats.differ_mufu += ulps != 0;
  stats.differ_ideal += a != bits(ideal);
  stats.ulps = max(stats.ulps, ulps);
  const double error = fabs(double(float(result)) / exact - 1.0);
  stats.max_error = fmax(stats.max_error, error);
  stats.sum_error += error;
}

__device__ void measure(Stats* stats, float x) {
  const double exact = exp2(double(x));
  const float results[kMethods] = {ex2_approx(x), ex2_polynomial<2>(x), ex2_polynomial<3>(x),
                                   ex2_polynomial<4>(x), ex2_polynomial<5>(x)};
  const __nv_bfloat16 ideal_bf16 = __double2bfloat16(exact);
  const __half ideal_fp16 = __double2half(exact);
  const __nv_bfloat16 mufu_bf16 = __float2bfloat16_rn(results[0]);
  const __half mufu_fp16 = __float2half_rn(results[0]);
#pragma unroll
  for (int method = 0; method < kMethods; ++method) {
    Stats& s = stats[method];
    const double error = double(results[method]) / exact - 1.0;
    ++s.count;
    s.max_error = fmax(s.max_error, fabs(error));
    s.sum_error += fabs(error);
    s.sum_signed += error;
    compare(s.bf16, __float2bfloat16_rn(results[method]), mufu_bf16, ideal_bf16, exact);
    compare(s.fp16, __float2half_rn(results[method]), mufu_fp16, ideal_fp16, exact);
  }
}

__host__ __device__ void merge(Rounded& into, const Rounded& from) {
  into.differ_mufu += from.differ_mufu;
  into.differ_ideal += from.differ_ideal;
  into.ulps = into.ulps > from.ulps ? into.ulps : from.ulps;
  into.max_error = into.max_error > from.max_error ? into.max_error : from.max_error;
  into.sum_error += from.sum_error;
}

__host__ __device__ void merge(Stats& into, const Stats& from) {
  into.count += from.count;
  into.max_error = into.max_error > from.max_error ? into.max_error : from.max_error;
  into.sum_error += from.sum_error;
  into.sum_signed += from.sum_signed;
  merge(into.bf16, from.bf16);
  merge(into.fp16, from.fp16);
}

// A block's threads hand over one after another, so that the sums do not depend on timing.
__device__ void write_block(Stats* out, const Stats* mine) {
  __shared__ Stats block[kMethods];
  for (int turn = 0; turn < blockDim.x; ++turn) {
    if (turn == threadIdx.x) {
      for (int i = 0; i < kMethods; ++i) {
        if (turn == 0) block[i] = Stats{};
        merge(block[i], mine[i]);
      }
    }
    __syncthreads();
  }
  if (threadIdx.x < kMethods) out[blockIdx.x * kMethods + threadIdx.x] = block[threadIdx.x];
}

__global__ void walk_grid(Stats* out, int exponent, unsigned stride) {
  Stats mine[kMethods] = {};
  for (unsigned long long i = blockIdx.x * blockDim.x + threadIdx.x; i * stride < kFractions;
       i += gridDim.x * blockDim.x) {
    const double fraction = double(i * stride) / kFractions;
    const float x = __double2float_rn(exponent + fraction);
    // Rounding may reach the next exponent's first point, which is counted there.
    if (x < float(exponent + 1)) measure(mine, x);
  }
  write_block(out, mine);
}

__global__ void walk_floats(Stats* out, unsigned first_bits, unsigned stride) {
  Stats mine[kMethods] = {};
  for (unsigned long long i = blockIdx.x * blockDim.x + threadIdx.x; i * stride < kFractions;
       i += gridDim.x * blockDim.x) {
    const float x = __uint_as_float(first_bits + unsigned(i) * stride);
    if (x >= -126.0f && x <= 8.0f) measure(mine, x);
  }
  write_block(out, mine);
}

void check(cudaError_t error) {
  if (error == cudaSuccess) return;
  std::fprintf(stderr, "exp2_study: %s\n", cudaGetErrorString(error));
  std::exit(1);
}

void print(const Rounded& r, double count) {
  std::printf("  %llu %llu %llu %.9g %.9g", r.differ_mufu, r.differ_ideal, r.ulps, r.max_error,
              r.sum_error / count);
}

void finish(const char* walk, int group, Stats* device, std::vector<Stats>& partial) {
  check(cudaGetLastError());
  check(cudaMemcpy(partial.data(), device, partial.size() * sizeof(Stats), cudaMemcpyDeviceToHost));
  for (int method = 0; method < kMethods; ++method) {
    Stats total{};
    for (size_t i = method; i < partial.size(); i += kMethods) merge(total, partial[i]);
    if (total.count == 0) continue;
    const double count = double(total.count);
    std::printf("%s %d %d  %llu  %.9g %.9g %.9g", walk, group, method, total.count, total.max_error,
                total.sum_error / count, total.sum_signed / count);
    print(total.bf16, count);
    print(total.fp16, count);
    std::printf("\n");
  }
}

}  // namespace

int main(int argc, char** argv) {
  const unsigned stride = argc > 1 ? std::strtoul(argv[1], nullptr, 10) : 1;
  const unsigned blocks = stride == 1 ? kBlocks : 1;
  std::vector<Stats> partial(blocks * kMethods);
  Stats* device = nullptr;
  check(cudaMalloc(&device, partial.size() * sizeof(Stats)));
  for (int i = 0; i < kExponents; ++i) {
    walk_grid<<<blocks, kThreads>>>(device, kFirstExponent + i, stride);
    finish("grid", kFirstExponent + i, device, partial);
  }
  for (int i = 0; i < 2 * kBinades; ++i) {
    const unsigned sign = i < kBinades ? 0 : 1u << 31;
    walk_floats<<<blocks, kThreads>>>(device, sign | unsigned(i % kBinades) << 23, stride);
    finish("floats", i < kBinades ? i : -(i - kBinades), device, partial);
  }
  check(cudaFree(device));
  return 0;
}
