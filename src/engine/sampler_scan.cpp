// The passes of sampler_scan.h, written once with 16-lane vectors and compiled for several instruction sets.
//
// Only functions local to this file are compiled with target attributes: it includes no header with inline code besides the
// intrinsics. Every lane does the same IEEE operations in the same order whatever the register width; multiply-adds are
// fused exactly where the source says so (a CPU without the instruction computes them by a slow library call), so the
// results do not depend on the CPU.
#include "engine/sampler_scan.h"

#if defined(__x86_64__)
#include <immintrin.h>
#endif

#if defined(__GNUC__)
#pragma GCC diagnostic ignored "-Wpsabi"  // the vectors are never passed to a function that is not inlined
#endif

#define SCAN_INLINE static inline __attribute__((always_inline))

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

// Writing exp(y) as 2^t saves a multiplication per logit; log2(e) is in the factor.
SCAN_INLINE float factor_of(float scale) { return scale * 1.44269504088896341f; }

// 2^t for t <= 0: t = n + f with integer n and |f| <= 1/2; 2^f = 1 + f * (a polynomial of degree 4, fitted to the smallest
// relative error, 1.1e-7). Without weight below 2^-126.
SCAN_INLINE Floats exp2_of(const Floats& t) {
  const Floats magic = splat(12582912.0f);  // 1.5 * 2^23: adding it rounds to an integer, which the low bits then hold
  const Floats shifted = t + magic;
  const Floats f = t - (shifted - magic);
  Floats p = fused(f, splat(0.001326472731307149f), splat(0.009671512991189957f));
  p = fused(p, f, splat(0.05550733581185341f));
  p = fused(p, f, splat(0.24022242426872253f));
  p = fused(p, f, splat(0.6931470036506653f));
  p = fused(p, f, splat(1.0f));
  const Ints scaled = reinterpret_cast<Ints>(p) + (reinterpret_cast<Ints>(shifted) << 23);
  return t > splat(-126.0f) ? reinterpret_cast<Floats>(scaled) : splat(0.0f);  // NaN compares false
}

// The last, incomplete block, filled up with -inf.
struct Tail {
  float x[kScanBlock];
};
SCAN_INLINE void fill_tail(Tail& t, const float* x, int64_t n) {
  for (int64_t i = 0; i < kScanBlock; ++i) t.x[i] = i < n ? x[i] : kMinusInfinity;
}

SCAN_INLINE Floats max_of_block(const float* x) {
  return larger(larger(load(x), load(x + 16)), larger(load(x + 32), larger(load(x + 48), splat(kMinusInfinity))));
}
SCAN_INLINE float block_max_body(const float* x, int64_t n, float* maxima) {
  Floats all = splat(kMinusInfinity);
  int64_t b = 0;
  for (; (b + 1) * kScanBlock <= n; ++b) {
    const Floats m = max_of_block(x + b * kScanBlock);
    all = larger(m, all);
    maxima[b] = horizontal_max(m);
  }
  if (b * kScanBlock < n) {
    Tail t;
    fill_tail(t, x + b * kScanBlock, n - b * kScanBlock);
    const Floats m = max_of_block(t.x);
    all = larger(m, all);
    maxima[b] = horizontal_max(m);
  }
  return horizontal_max(all);
}

SCAN_INLINE void weights_body(const float* x, int64_t n, float shift, float scale, float* w) {
  const Floats shifts = splat(shift), factors = splat(factor_of(scale));
  int64_t i = 0;
  for (; i + kLanes <= n; i += kLanes) store(w + i, exp2_of((load(x + i) - shifts) * factors));
  if (i == n) return;
  Tail t;
  fill_tail(t, x + i, n - i);
  store(t.x, exp2_of((load(t.x) - shifts) * factors));
  for (int64_t j = i; j < n; ++j) w[j] = t.x[j - i];
}

SCAN_INLINE float sum_of_block(const float* x, const Floats& shifts, const Floats& factors) {
  const Floats a = exp2_of((load(x) - shifts) * factors) + exp2_of((load(x + 16) - shifts) * factors);
  const Floats b = exp2_of((load(x + 32) - shifts) * factors) + exp2_of((load(x + 48) - shifts) * factors);
  return horizontal_sum(a + b);
}
SCAN_INLINE double block_sum_body(const float* x, int64_t n, float shift, float scale, float* sums) {
  const Floats shifts = splat(shift), factors = splat(factor_of(scale));
  double total[4] = {0, 0, 0, 0};  // four chains, so that additions overlap
  int64_t b = 0;
  for (; (b + 1) * kScanBlock <= n; ++b) {
    sums[b] = sum_of_block(x + b * kScanBlock, shifts, factors);
    total[b % 4] += static_cast<double>(sums[b]);
  }
  if (b * kScanBlock < n) {
    Tail t;
    fill_tail(t, x + b * kScanBlock, n - b * kScanBlock);
    sums[b] = sum_of_block(t.x, shifts, factors);
    total[b % 4] += static_cast<double>(sums[b]);
  }
  return (total[0] + total[1]) + (total[2] + total[3]);
}

SCAN_INLINE void mask_body(float* x, int64_t n, const uint32_t* allowed) {
  const Ints lane = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15};
  int64_t i = 0;
  for (; i + kLanes <= n; i += kLanes) {
    const auto half = static_cast<int32_t>(allowed[i / 32] >> (i % 32) & 0xFFFF);
    const Ints bits = ((Ints{} + half) >> lane) & 1;
    store(x + i, bits != 0 ? load(x + i) : splat(kMinusInfinity));
  }
  for (; i < n; ++i)
    if ((allowed[i / 32] >> (i % 32) & 1) == 0) x[i] = kMinusInfinity;
}

template <bool kOrEqual>
SCAN_INLINE int64_t count_body(const float* x, int64_t n, float value) {
  int64_t total = 0, i = 0;
  constexpr int64_t kStride = int64_t{1} << 20;  // far fewer than a 32-bit lane can count
  while (i + kLanes <= n) {
    Ints count{};
    const int64_t stop = n - i < kStride ? n : i + kStride;
    for (; i + kLanes <= stop; i += kLanes)
      count -= kOrEqual ? (load(x + i) >= splat(value)) : (load(x + i) > splat(value));
    for (int l = 0; l < kLanes; ++l) total += count[l];
  }
  for (; i < n; ++i) total += kOrEqual ? x[i] >= value : x[i] > value;
  return total;
}

SCAN_INLINE double mass_at_least_body(const float* keys, const float* mass, int64_t n, float value) {
  constexpr int64_t kChunk = 1024;  // few enough additions in float
  double total = 0;
  int64_t i = 0;
  while (i + kLanes <= n) {
    const int64_t stop = n - i < kChunk ? n : i + kChunk;
    Floats a = splat(0.0f), b = splat(0.0f);
    for (; i + 2 * kLanes <= stop; i += 2 * kLanes) {
      a = a + (load(keys + i) >= splat(value) ? load(mass + i) : splat(0.0f));
      b = b + (load(keys + i + kLanes) >= splat(value) ? load(mass + i + kLanes) : splat(0.0f));
    }
    for (; i + kLanes <= stop; i += kLanes) a = a + (load(keys + i) >= splat(value) ? load(mass + i) : splat(0.0f));
    total += static_cast<double>(horizontal_sum(a + b));
  }
  for (; i < n; ++i) total += keys[i] >= value ? static_cast<double>(mass[i]) : 0.0;
  return total;
}

// Storing first and then advancing or not has no branch to mispredict.
SCAN_INLINE int64_t collect_scalar(const float* x, int64_t begin, int64_t n, float low, float high, int32_t first_id,
                                   int32_t* ids, float* values, int64_t count) {
  for (int64_t i = begin; i < n; ++i) {
    const float v = x[i];
    ids[count] = first_id + static_cast<int32_t>(i);
    values[count] = v;
    count += static_cast<int64_t>(v >= low) & static_cast<int64_t>(v < high);
  }
  return count;
}
SCAN_INLINE int64_t compact_scalar(const float* keys, int64_t begin, int64_t n, float low, int32_t* ids, float* a, float* b,
                                   int64_t count) {
  for (int64_t i = begin; i < n; ++i) {
    const bool keep = keys[i] >= low;  // read before the arrays change: count <= i, and keys may be one of them
    ids[count] = ids[i];
    a[count] = a[i];
    b[count] = b[i];
    count += keep;
  }
  return count;
}

SCAN_INLINE int64_t collect_body(const float* x, int64_t n, float low, float high, int32_t first_id, int32_t* ids,
                                 float* values) {
  return collect_scalar(x, 0, n, low, high, first_id, ids, values, 0);
}
SCAN_INLINE int64_t compact_body(const float* keys, int64_t n, float low, int32_t* ids, float* a, float* b) {
  return compact_scalar(keys, 0, n, low, ids, a, b, 0);
}

#if defined(__x86_64__)
#define SCAN_AVX512 __attribute__((target("avx512f,avx512bw,avx512dq,avx512vl,fma,popcnt")))

// AVX-512 can pack the selected lanes; stores have exactly as many lanes as there are entries.
SCAN_AVX512 int64_t collect_packed(const float* x, int64_t n, float low, float high, int32_t first_id, int32_t* ids,
                                   float* values) {
  const __m512 lows = _mm512_set1_ps(low), highs = _mm512_set1_ps(high);
  const __m512i step = _mm512_set1_epi32(kLanes);
  __m512i id = _mm512_add_epi32(_mm512_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15),
                                _mm512_set1_epi32(first_id));
  int64_t count = 0, i = 0;
  for (; i + kLanes <= n; i += kLanes, id = _mm512_add_epi32(id, step)) {
    const __m512 v = _mm512_loadu_ps(x + i);
    const __mmask16 m = _mm512_mask_cmp_ps_mask(_mm512_cmp_ps_mask(v, lows, _CMP_GE_OQ), v, highs, _CMP_LT_OQ);
    if (m == 0) continue;
    const int n_set = __builtin_popcount(m);
    const auto out = static_cast<__mmask16>((1u << n_set) - 1);
    _mm512_mask_storeu_epi32(ids + count, out, _mm512_maskz_compress_epi32(m, id));
    _mm512_mask_storeu_ps(values + count, out, _mm512_maskz_compress_ps(m, v));
    count += n_set;
  }
  return collect_scalar(x, i, n, low, high, first_id, ids, values, count);
}

SCAN_AVX512 int64_t compact_packed(const float* keys, int64_t n, float low, int32_t* ids, float* a, float* b) {
  const __m512 lows = _mm512_set1_ps(low);
  int64_t count = 0, i = 0;
  for (; i + kLanes <= n; i += kLanes) {
    const __mmask16 m = _mm512_cmp_ps_mask(_mm512_loadu_ps(keys + i), lows, _CMP_GE_OQ);
    const int n_set = __builtin_popcount(m);
    const auto out = static_cast<__mmask16>((1u << n_set) - 1);
    const __m512i id = _mm512_maskz_compress_epi32(m, _mm512_loadu_si512(ids + i));
    const __m512 va = _mm512_maskz_compress_ps(m, _mm512_loadu_ps(a + i));
    const __m512 vb = _mm512_maskz_compress_ps(m, _mm512_loadu_ps(b + i));
    _mm512_mask_storeu_epi32(ids + count, out, id);
    _mm512_mask_storeu_ps(a + count, out, va);
    _mm512_mask_storeu_ps(b + count, out, vb);
    count += n_set;
  }
  return compact_scalar(keys, i, n, low, ids, a, b, count);
}
#endif

// One table of functions with the given target attribute.
#define SCAN_TABLE(isa, attribute, collect_function, compact_function)                                               \
  attribute float block_max_##isa(const float* x, int64_t n, float* maxima) { return block_max_body(x, n, maxima); } \
  attribute void weights_##isa(const float* x, int64_t n, float shift, float scale, float* w) {                      \
    weights_body(x, n, shift, scale, w);                                                                             \
  }                                                                                                                  \
  attribute double block_sum_##isa(const float* x, int64_t n, float shift, float scale, float* sums) {               \
    return block_sum_body(x, n, shift, scale, sums);                                                                 \
  }                                                                                                                  \
  attribute void mask_##isa(float* x, int64_t n, const uint32_t* allowed) { mask_body(x, n, allowed); }              \
  attribute int64_t count_above_##isa(const float* x, int64_t n, float v) { return count_body<false>(x, n, v); }     \
  attribute int64_t count_at_least_##isa(const float* x, int64_t n, float v) { return count_body<true>(x, n, v); }   \
  attribute double mass_at_least_##isa(const float* keys, const float* mass, int64_t n, float v) {                   \
    return mass_at_least_body(keys, mass, n, v);                                                                     \
  }                                                                                                                  \
  constexpr ScanKernels kTable_##isa = {#isa,           block_max_##isa,      weights_##isa,       block_sum_##isa,  \
                                        mask_##isa,     count_above_##isa,    count_at_least_##isa,                  \
                                        mass_at_least_##isa, collect_function, compact_function};

SCAN_TABLE(portable, , collect_body, compact_body)
#if defined(__x86_64__)
SCAN_TABLE(avx2, __attribute__((target("avx2,fma"))), collect_body, compact_body)
SCAN_TABLE(avx512, SCAN_AVX512, collect_packed, compact_packed)
#endif

}  // namespace

size_t all_scan_kernels(const ScanKernels** out, size_t room) noexcept {
  size_t n = 0;
  const auto put = [&](const ScanKernels& k) {
    if (n < room) out[n++] = &k;
  };
  put(kTable_portable);
#if defined(__x86_64__)
  if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma")) put(kTable_avx2);
  if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512dq") &&
      __builtin_cpu_supports("avx512vl"))
    put(kTable_avx512);
#endif
  return n;
}

const ScanKernels& scan_kernels() noexcept {
  const ScanKernels* all[3];
  return *all[all_scan_kernels(all, 3) - 1];
}

}  // namespace mainspring
