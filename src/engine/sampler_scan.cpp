// The passes of sampler_scan.h, written once with 16-lane vectors and compiled for several instruction sets.
//
// Only this file's own inline functions are compiled with target attributes: it includes no standard header with inline
// code. Every lane does the same IEEE operations in the same order whatever the register width, and contraction to fused
// multiply-add is off, so the results do not depend on the CPU.
#include "engine/sampler_scan.h"

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

// exp(y) for y <= 0: y = n ln 2 + r, |r| <= ln 2 / 2, a polynomial in r (coefficients of Cephes' expf) times 2^n.
SCAN_INLINE Floats exp_of(const Floats& unclamped) {
  const Ints valid = unclamped > splat(-87.0f);  // false for NaN
  const Floats y = valid ? unclamped : splat(0.0f);
  const Floats magic = splat(12582912.0f);  // 1.5 * 2^23: adding it rounds to an integer, which the low bits then hold
  const Floats shifted = y * 1.44269504088896341f + magic;
  const Floats n = shifted - magic;
  const Floats r = (y - n * 0.693359375f) - n * -2.12194440e-4f;
  Floats p = r * 1.9875691500e-4f + 1.3981999507e-3f;
  p = p * r + 8.3334519073e-3f;
  p = p * r + 4.1665795894e-2f;
  p = p * r + 1.6666665459e-1f;
  p = p * r + 5.0000001201e-1f;
  p = p * (r * r) + r + 1.0f;
  const Ints scaled = reinterpret_cast<const Ints&>(p) + (reinterpret_cast<const Ints&>(shifted) << 23);
  const Floats e = reinterpret_cast<const Floats&>(scaled);
  return valid ? e : splat(0.0f);
}

// The last, incomplete block, filled up with -inf.
struct Tail {
  float x[kScanBlock];
};
SCAN_INLINE void fill_tail(Tail& t, const float* x, int64_t n) {
  for (int64_t i = 0; i < kScanBlock; ++i) t.x[i] = i < n ? x[i] : kMinusInfinity;
}

SCAN_INLINE float max_of_block(const float* x) {
  Floats m = splat(kMinusInfinity);
  for (int i = 0; i < kScanBlock; i += kLanes) m = larger(load(x + i), m);
  return horizontal_max(m);
}
SCAN_INLINE void block_max_body(const float* x, int64_t n, float* maxima) {
  int64_t b = 0;
  for (; (b + 1) * kScanBlock <= n; ++b) maxima[b] = max_of_block(x + b * kScanBlock);
  if (b * kScanBlock == n) return;
  Tail t;
  fill_tail(t, x + b * kScanBlock, n - b * kScanBlock);
  maxima[b] = max_of_block(t.x);
}

SCAN_INLINE void weights_body(const float* x, int64_t n, float shift, float scale, float* w) {
  int64_t i = 0;
  for (; i + kLanes <= n; i += kLanes) store(w + i, exp_of((load(x + i) - shift) * scale));
  if (i == n) return;
  Tail t;
  fill_tail(t, x + i, n - i);
  store(t.x, exp_of((load(t.x) - shift) * scale));
  for (int64_t j = i; j < n; ++j) w[j] = t.x[j - i];
}

SCAN_INLINE float sum_of_block(const float* x, float shift, float scale) {
  Floats s = splat(0.0f);
  for (int i = 0; i < kScanBlock; i += kLanes) s = s + exp_of((load(x + i) - shift) * scale);
  return horizontal_sum(s);
}
SCAN_INLINE void block_sum_body(const float* x, int64_t n, float shift, float scale, float* sums) {
  int64_t b = 0;
  for (; (b + 1) * kScanBlock <= n; ++b) sums[b] = sum_of_block(x + b * kScanBlock, shift, scale);
  if (b * kScanBlock == n) return;
  Tail t;
  fill_tail(t, x + b * kScanBlock, n - b * kScanBlock);
  sums[b] = sum_of_block(t.x, shift, scale);
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

// One table of functions with the given target attribute.
#define SCAN_TABLE(isa, attribute)                                                                                   \
  attribute void block_max_##isa(const float* x, int64_t n, float* maxima) { block_max_body(x, n, maxima); }         \
  attribute void weights_##isa(const float* x, int64_t n, float shift, float scale, float* w) {                      \
    weights_body(x, n, shift, scale, w);                                                                             \
  }                                                                                                                  \
  attribute void block_sum_##isa(const float* x, int64_t n, float shift, float scale, float* sums) {                 \
    block_sum_body(x, n, shift, scale, sums);                                                                        \
  }                                                                                                                  \
  attribute void mask_##isa(float* x, int64_t n, const uint32_t* allowed) { mask_body(x, n, allowed); }              \
  attribute int64_t count_above_##isa(const float* x, int64_t n, float v) { return count_body<false>(x, n, v); }     \
  attribute int64_t count_at_least_##isa(const float* x, int64_t n, float v) { return count_body<true>(x, n, v); }   \
  constexpr ScanKernels kTable_##isa = {#isa,       block_max_##isa,   weights_##isa,       block_sum_##isa,         \
                                        mask_##isa, count_above_##isa, count_at_least_##isa};

SCAN_TABLE(portable, )
#if defined(__x86_64__)
SCAN_TABLE(avx2, __attribute__((target("avx2"))))
SCAN_TABLE(avx512, __attribute__((target("avx512f,avx512bw,avx512dq,avx512vl"))))
#endif

}  // namespace

size_t all_scan_kernels(const ScanKernels** out, size_t room) noexcept {
  size_t n = 0;
  const auto put = [&](const ScanKernels& k) {
    if (n < room) out[n++] = &k;
  };
  put(kTable_portable);
#if defined(__x86_64__)
  if (__builtin_cpu_supports("avx2")) put(kTable_avx2);
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
