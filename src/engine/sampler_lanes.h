// 16-lane vectors for the passes over a row, written once and compiled for several instruction sets. Private to sampler_scan_*.
//
// Everything here is local to the file that includes it and always inlined, so that nothing compiled for one instruction set
// is shared with another. Every lane does the same IEEE operations in the same order whatever the register width;
// multiply-adds are fused exactly where the source says so (a CPU without the instruction computes them by a slow library
// call), so the results do not depend on the CPU.
#pragma once

#include "engine/sampler_scan.h"

#if defined(__x86_64__)
#include <immintrin.h>
#endif

#if defined(__GNUC__)
#pragma GCC diagnostic ignored "-Wpsabi"  // the vectors are never passed to a function that is not inlined
#endif

#define SCAN_INLINE [[maybe_unused]] static inline __attribute__((always_inline))
#define SCAN_MEMBER inline __attribute__((always_inline))
#define SCAN_LAMBDA __attribute__((always_inline))
#if defined(__x86_64__)
#define SCAN_AVX2 __attribute__((target("avx2,fma")))
#define SCAN_AVX512 __attribute__((target("avx512f,avx512bw,avx512dq,avx512vl,fma,popcnt")))
#endif

namespace mainspring {

namespace {

constexpr int kLanes = 16;
using Floats = float __attribute__((vector_size(4 * kLanes)));
using Ints = int32_t __attribute__((vector_size(4 * kLanes)));
constexpr float kMinusInfinity = -__builtin_inff();

SCAN_INLINE Floats load(const float* p) {
  Floats v;
  __builtin_memcpy(&v, p, sizeof v);
  return v;
}
SCAN_INLINE void store(float* p, const Floats& v) { __builtin_memcpy(p, &v, sizeof v); }
SCAN_INLINE Floats splat(float f) { return Floats{} + f; }
SCAN_INLINE Floats larger(const Floats& x, const Floats& m) { return x > m ? x : m; }  // m when x is NaN

// a * b + c with one rounding.
SCAN_INLINE Floats fused(const Floats& a, const Floats& b, const Floats& c) {
#if defined(__clang__)
  return __builtin_elementwise_fma(a, b, c);
#else
  Floats r = a;
  for (int l = 0; l < kLanes; ++l) r[l] = __builtin_fmaf(a[l], b[l], c[l]);
  return r;
#endif
}

SCAN_INLINE float horizontal_max(const Floats& v) {
  Floats m = larger(v, __builtin_shufflevector(v, v, 8, 9, 10, 11, 12, 13, 14, 15, 0, 1, 2, 3, 4, 5, 6, 7));
  m = larger(m, __builtin_shufflevector(m, m, 4, 5, 6, 7, 0, 1, 2, 3, 12, 13, 14, 15, 8, 9, 10, 11));
  m = larger(m, __builtin_shufflevector(m, m, 2, 3, 0, 1, 6, 7, 4, 5, 10, 11, 8, 9, 14, 15, 12, 13));
  m = larger(m, __builtin_shufflevector(m, m, 1, 0, 3, 2, 5, 4, 7, 6, 9, 8, 11, 10, 13, 12, 15, 14));
  return m[0];
}
SCAN_INLINE float horizontal_sum(const Floats& v) {
  Floats s = v + __builtin_shufflevector(v, v, 8, 9, 10, 11, 12, 13, 14, 15, 0, 1, 2, 3, 4, 5, 6, 7);
  s = s + __builtin_shufflevector(s, s, 4, 5, 6, 7, 0, 1, 2, 3, 12, 13, 14, 15, 8, 9, 10, 11);
  s = s + __builtin_shufflevector(s, s, 2, 3, 0, 1, 6, 7, 4, 5, 10, 11, 8, 9, 14, 15, 12, 13);
  s = s + __builtin_shufflevector(s, s, 1, 0, 3, 2, 5, 4, 7, 6, 9, 8, 11, 10, 13, 12, 15, 14);
  return s[0];
}

// Four sums per lane, so that additions overlap, and their total in a fixed order.
struct Lanes4 {
  Floats v[4] = {};
  SCAN_MEMBER float total() const { return horizontal_sum((v[0] + v[1]) + (v[2] + v[3])); }
};
// Sums of blocks, added in one fixed order.
struct Total {
  double chains[4] = {0, 0, 0, 0};
  SCAN_MEMBER void add(int64_t b, float sum) { chains[b % 4] += static_cast<double>(sum); }
  SCAN_MEMBER double get() const { return (chains[0] + chains[1]) + (chains[2] + chains[3]); }
};

// The last, incomplete block of `kSize`, filled up.
template <int64_t kSize>
struct Tail {
  float x[kSize];
};
template <int64_t kSize>
SCAN_INLINE void fill_tail(Tail<kSize>& t, const float* x, int64_t n, float filler = kMinusInfinity) {
  for (int64_t i = 0; i < kSize; ++i) t.x[i] = i < n ? x[i] : filler;
}

// exp((x - shift) * scale) for x <= shift, as 2^t: log2(e) is in the factor, which saves a multiplication per logit.
// t = n + f with integer n and |f| <= 1/2; 2^f = 1 + f * (a polynomial of degree 4, fitted to the smallest relative error,
// 1.1e-7). Without weight below 2^-126.
struct Exponential {
  float shift, factor, lowest;
  static SCAN_MEMBER Exponential of(float shift, float scale) {
    const float factor = scale * 1.44269504088896341f;
    return {shift, factor, -126.0f / factor};
  }
};
// mantissa * power is the weight where `has` is set: the product is exact, so it may as well be part of a fused addition.
struct Weight {
  Floats distance, mantissa, power;
  Ints has;
};
SCAN_INLINE Weight weight_of(const Floats& x, const Exponential& e) {
  // 1.5 * 2^23: adding it rounds to an integer, which the low bits then hold; 127 more makes an exponent of it.
  const Floats magic = splat(12582912.0f + 127.0f);
  Weight w;
  w.distance = x - splat(e.shift);
  const Floats shifted = fused(w.distance, splat(e.factor), magic);
  const Floats f = fused(w.distance, splat(e.factor), magic - shifted);
  Floats p = fused(f, splat(0.001326472731307149f), splat(0.009671512991189957f));
  p = fused(p, f, splat(0.05550733581185341f));
  p = fused(p, f, splat(0.24022242426872253f));
  p = fused(p, f, splat(0.6931470036506653f));
  w.mantissa = fused(p, f, splat(1.0f));
  w.power = reinterpret_cast<Floats>(reinterpret_cast<Ints>(shifted) << 23);
  w.has = w.distance >= splat(e.lowest);  // NaN compares false
  return w;
}
SCAN_INLINE Floats value_of(const Weight& w) { return w.has ? w.mantissa * w.power : splat(0.0f); }
SCAN_INLINE Floats add_weight(const Weight& w, const Floats& sum) { return w.has ? fused(w.mantissa, w.power, sum) : sum; }

// Which lanes are chosen, a bit for each.
struct BitsPortable {
  static uint32_t of(const Ints& chosen) {
    uint32_t bits = 0;
    for (int l = 0; l < kLanes; ++l) bits |= static_cast<uint32_t>(chosen[l] & 1) << l;
    return bits;
  }
  // Appends first_id + i for every set bit i; returns the new count. Whole vectors may be written behind it.
  static int64_t list(const uint64_t* words, int64_t n_words, int32_t first_id, int32_t* ids, int64_t count) {
    for (int64_t w = 0; w < n_words; ++w)
      for (uint64_t left = words[w]; left != 0; left &= left - 1)
        ids[count++] = first_id + static_cast<int32_t>(w * 64 + __builtin_ctzll(left));
    return count;
  }
};
#if defined(__x86_64__)
struct BitsAvx2 : BitsPortable {
  SCAN_AVX2 static uint32_t of(const Ints& chosen) {
    __m256 half[2];
    __builtin_memcpy(half, &chosen, sizeof half);
    return static_cast<uint32_t>(_mm256_movemask_ps(half[0])) | static_cast<uint32_t>(_mm256_movemask_ps(half[1])) << 8;
  }
};
struct BitsAvx512 {
  SCAN_AVX512 static uint32_t of(const Ints& chosen) { return _mm512_movepi32_mask(reinterpret_cast<__m512i>(chosen)); }
  SCAN_AVX512 static int64_t list(const uint64_t* words, int64_t n_words, int32_t first_id, int32_t* ids, int64_t count) {
    const __m512i step = _mm512_set1_epi32(kLanes);
    __m512i id = _mm512_add_epi32(_mm512_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15),
                                  _mm512_set1_epi32(first_id));
    for (int64_t w = 0; w < n_words; ++w)
      for (int part = 0; part < 4; ++part, id = _mm512_add_epi32(id, step)) {
        const auto bits = static_cast<uint32_t>(words[w] >> (part * kLanes) & 0xFFFF);
        _mm512_storeu_si512(ids + count, _mm512_maskz_compress_epi32(static_cast<__mmask16>(bits), id));
        count += __builtin_popcount(bits);
      }
    return count;
  }
};
#endif

}  // namespace

}  // namespace mainspring
