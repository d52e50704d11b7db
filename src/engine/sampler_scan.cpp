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
#define SCAN_MEMBER inline __attribute__((always_inline))

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

// Sums of blocks, added in the order of block_sum_body.
struct Total {
  double chains[4] = {0, 0, 0, 0};
  SCAN_MEMBER void add(int64_t b, float sum) { chains[b % 4] += static_cast<double>(sum); }
  SCAN_MEMBER double get() const { return (chains[0] + chains[1]) + (chains[2] + chains[3]); }
};

SCAN_INLINE float weigh_block(const float* x, float* w, const Floats& shifts, const Floats& factors, const Floats& lows,
                              Floats& moment) {
  Floats e[4];
  for (int v = 0; v < 4; ++v) {
    const Floats value = load(x + v * kLanes), t = (value - shifts) * factors;
    e[v] = value >= lows ? exp2_of(t) : splat(0.0f);
    store(w + v * kLanes, e[v]);
    moment = moment + (e[v] > splat(0.0f) ? e[v] * t : splat(0.0f));  // t may be -inf
  }
  return horizontal_sum((e[0] + e[1]) + (e[2] + e[3]));
}
SCAN_INLINE double weigh_body(const float* x, int64_t n, float shift, float scale, float low, float* w, float* sums,
                              double* moment) {
  constexpr int64_t kFlush = 16;  // blocks: few enough additions in float
  const Floats shifts = splat(shift), factors = splat(factor_of(scale)), lows = splat(low);
  Floats part = splat(0.0f);
  double moments = 0;
  Total total;
  int64_t b = 0;
  for (; (b + 1) * kScanBlock <= n; ++b) {
    sums[b] = weigh_block(x + b * kScanBlock, w + b * kScanBlock, shifts, factors, lows, part);
    total.add(b, sums[b]);
    if (b % kFlush != kFlush - 1) continue;
    moments += static_cast<double>(horizontal_sum(part));
    part = splat(0.0f);
  }
  if (b * kScanBlock < n) {
    Tail t, weights;
    fill_tail(t, x + b * kScanBlock, n - b * kScanBlock);
    sums[b] = weigh_block(t.x, weights.x, shifts, factors, lows, part);
    for (int64_t i = b * kScanBlock; i < n; ++i) w[i] = weights.x[i - b * kScanBlock];
    total.add(b, sums[b]);
  }
  moments += static_cast<double>(horizontal_sum(part));
  *moment = moments * 0.69314718055994531;  // the exponents were those of 2
  return total.get();
}

// One block of a cut: keys, weights, and which lie in the band; what the two kinds of cut do differently.
struct CutBlock {
  Floats keys[4], weights[4];
  Ints chosen[4];
};
struct CutByLogit {
  float shift, scale;
  SCAN_MEMBER float sum_block(const float* x, const float*, CutBlock& out) const {
    const Floats shifts = splat(shift), factors = splat(factor_of(scale));
    for (int v = 0; v < 4; ++v) {
      out.keys[v] = load(x + v * kLanes);
      out.weights[v] = exp2_of((out.keys[v] - shifts) * factors);
    }
    return horizontal_sum((out.weights[0] + out.weights[1]) + (out.weights[2] + out.weights[3]));
  }
};
struct CutFolded {
  ScanFold fold;
  SCAN_MEMBER float sum_block(const float* x, const float* w, CutBlock& out) const {
    for (int v = 0; v < 4; ++v) {
      const Floats d = (load(x + v * kLanes) - splat(fold.shift)) * splat(fold.scale) - splat(fold.centre);
      out.keys[v] = d < splat(0.0f) ? d : -d;
      out.weights[v] = load(w + v * kLanes);
    }
    return 0;  // the caller knows it
  }
};
// Returns the block's whole mass.
template <class Rule>
SCAN_INLINE float cut_block(const Rule& rule, const float* x, const float* w, float low, float high, float* high_sum,
                            CutBlock& out) {
  const float all = rule.sum_block(x, w, out);
  Floats above[4];
  for (int v = 0; v < 4; ++v) {
    above[v] = out.keys[v] >= splat(high) ? out.weights[v] : splat(0.0f);
    out.chosen[v] = (out.keys[v] >= splat(low)) & (out.keys[v] < splat(high));
  }
  *high_sum = horizontal_sum((above[0] + above[1]) + (above[2] + above[3]));
  return all;
}
SCAN_INLINE bool any_lane(const Ints& v) {
  Ints a = v | __builtin_shufflevector(v, v, 8, 9, 10, 11, 12, 13, 14, 15, 0, 1, 2, 3, 4, 5, 6, 7);
  a = a | __builtin_shufflevector(a, a, 4, 5, 6, 7, 0, 1, 2, 3, 12, 13, 14, 15, 8, 9, 10, 11);
  a = a | __builtin_shufflevector(a, a, 2, 3, 0, 1, 6, 7, 4, 5, 10, 11, 8, 9, 14, 15, 12, 13);
  return (a[0] | a[1]) != 0;
}

// Where a cut's band goes.
struct Band {
  int32_t* ids;
  float *keys, *weights;
  int64_t count = 0;
};
SCAN_INLINE void put_block(const CutBlock& block, int64_t first_id, int64_t n, Band& band) {
  if (!any_lane((block.chosen[0] | block.chosen[1]) | (block.chosen[2] | block.chosen[3]))) return;
  for (int64_t i = 0; i < n; ++i) {
    const auto v = i / kLanes, l = i % kLanes;
    band.ids[band.count] = static_cast<int32_t>(first_id + i);
    band.keys[band.count] = block.keys[v][l];
    band.weights[band.count] = block.weights[v][l];
    band.count += block.chosen[v][l] & 1;
  }
}
// The last, incomplete block.
template <class Rule>
SCAN_INLINE void cut_tail(const Rule& rule, const float* x, const float* w, int64_t n, int64_t b, float low, float high,
                          float* high_sums, Band& band, Total& total) {
  const int64_t at = b * kScanBlock;
  if (at == n) return;
  Tail t, weights;
  fill_tail(t, x + at, n - at);
  for (int64_t i = 0; i < kScanBlock; ++i) weights.x[i] = w != nullptr && at + i < n ? w[at + i] : 0.0f;
  CutBlock block;
  total.add(b, cut_block(rule, t.x, weights.x, low, high, high_sums + b, block));
  put_block(block, at, n - at, band);
}
template <class Rule>
SCAN_INLINE double cut_of(const Rule& rule, const float* x, const float* w, int64_t n, float low, float high,
                          float* high_sums, Band& band) {
  Total total;
  int64_t b = 0;
  CutBlock block;
  for (; (b + 1) * kScanBlock <= n; ++b) {
    const int64_t at = b * kScanBlock;
    total.add(b, cut_block(rule, x + at, w == nullptr ? w : w + at, low, high, high_sums + b, block));
    put_block(block, at, kScanBlock, band);
  }
  cut_tail(rule, x, w, n, b, low, high, high_sums, band, total);
  return total.get();
}
SCAN_INLINE double cut_body(const float* x, int64_t n, float shift, float scale, float low, float high, float* high_sums,
                            int32_t* ids, float* keys, float* weights, int64_t* count) {
  Band band{ids, keys, weights};
  const double total = cut_of(CutByLogit{shift, scale}, x, nullptr, n, low, high, high_sums, band);
  *count = band.count;
  return total;
}
SCAN_INLINE int64_t cut_folded_body(const float* x, const float* w, int64_t n, const ScanFold& fold, float low, float high,
                                    float* high_sums, int32_t* ids, float* keys, float* weights) {
  Band band{ids, keys, weights};
  cut_of(CutFolded{fold}, x, w, n, low, high, high_sums, band);
  return band.count;
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

// Keys and weights of some blocks, for the band's tokens to be picked from when their ids are known: which lanes are chosen
// cannot be predicted, so nothing branches on it but for a whole block.
constexpr int64_t kGroupBlocks = 16;
struct CutGroup {
  float keys[kGroupBlocks * kScanBlock], weights[kGroupBlocks * kScanBlock];
};
SCAN_AVX512 void put_packed(const CutBlock& block, int64_t b, Band& band, CutGroup& group) {
  __mmask16 m[4];
  for (int v = 0; v < 4; ++v) m[v] = _mm512_movepi32_mask(reinterpret_cast<__m512i>(block.chosen[v]));
  if ((m[0] | m[1] | m[2] | m[3]) == 0) return;
  const __m512i lane = _mm512_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15);
  const int64_t in_group = b % kGroupBlocks * kScanBlock;
  for (int v = 0; v < 4; ++v) {
    const __m512i id = _mm512_add_epi32(lane, _mm512_set1_epi32(static_cast<int32_t>(b * kScanBlock + v * kLanes)));
    // All lanes may be written: no more have been collected than came before these.
    _mm512_storeu_si512(band.ids + band.count, _mm512_maskz_compress_epi32(m[v], id));
    store(group.keys + in_group + v * kLanes, block.keys[v]);
    store(group.weights + in_group + v * kLanes, block.weights[v]);
    band.count += __builtin_popcount(m[v]);
  }
}
// Keys and weights of the ids collected since `done`, which lie in the group of block b.
SCAN_AVX512 void pick_group(const CutGroup& group, int64_t b, int64_t done, Band& band) {
  const __m512i first = _mm512_set1_epi32(static_cast<int32_t>(b / kGroupBlocks * kGroupBlocks * kScanBlock));
  for (int64_t i = done; i < band.count; i += kLanes) {
    const auto lanes = static_cast<__mmask16>(band.count - i >= kLanes ? 0xFFFF : (1u << (band.count - i)) - 1);
    const __m512i at = _mm512_sub_epi32(_mm512_maskz_loadu_epi32(lanes, band.ids + i), first);
    _mm512_mask_storeu_ps(band.keys + i, lanes, _mm512_mask_i32gather_ps(_mm512_setzero_ps(), lanes, at, group.keys, 4));
    _mm512_mask_storeu_ps(band.weights + i, lanes, _mm512_mask_i32gather_ps(_mm512_setzero_ps(), lanes, at, group.weights, 4));
  }
}
template <class Rule>
SCAN_AVX512 double cut_packed_of(const Rule& rule, const float* x, const float* w, int64_t n, float low, float high,
                                 float* high_sums, Band& band) {
  Total total;
  int64_t b = 0, done = 0;
  CutBlock block;
  CutGroup group;
  for (; (b + 1) * kScanBlock <= n; ++b) {
    const int64_t at = b * kScanBlock;
    total.add(b, cut_block(rule, x + at, w == nullptr ? w : w + at, low, high, high_sums + b, block));
    put_packed(block, b, band, group);
    if (b % kGroupBlocks != kGroupBlocks - 1 && (b + 2) * kScanBlock <= n) continue;
    pick_group(group, b, done, band);
    done = band.count;
  }
  cut_tail(rule, x, w, n, b, low, high, high_sums, band, total);
  return total.get();
}
SCAN_AVX512 double cut_packed(const float* x, int64_t n, float shift, float scale, float low, float high, float* high_sums,
                              int32_t* ids, float* keys, float* weights, int64_t* count) {
  Band band{ids, keys, weights};
  const double total = cut_packed_of(CutByLogit{shift, scale}, x, nullptr, n, low, high, high_sums, band);
  *count = band.count;
  return total;
}
SCAN_AVX512 int64_t cut_folded_packed(const float* x, const float* w, int64_t n, const ScanFold& fold, float low, float high,
                                      float* high_sums, int32_t* ids, float* keys, float* weights) {
  Band band{ids, keys, weights};
  cut_packed_of(CutFolded{fold}, x, w, n, low, high, high_sums, band);
  return band.count;
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

// One table of functions with the given target attribute. Those that select have another form where lanes can be packed.
#define SCAN_SELECT(isa, attribute)                                                                                      \
  attribute int64_t collect_##isa(const float* x, int64_t n, float low, float high, int32_t first_id, int32_t* ids,      \
                                  float* values) {                                                                       \
    return collect_scalar(x, 0, n, low, high, first_id, ids, values, 0);                                                 \
  }                                                                                                                      \
  attribute int64_t compact_##isa(const float* keys, int64_t n, float low, int32_t* ids, float* a, float* b) {           \
    return compact_scalar(keys, 0, n, low, ids, a, b, 0);                                                                \
  }                                                                                                                      \
  attribute double cut_##isa(const float* x, int64_t n, float shift, float scale, float low, float high,                 \
                             float* high_sums, int32_t* ids, float* keys, float* weights, int64_t* count) {              \
    return cut_body(x, n, shift, scale, low, high, high_sums, ids, keys, weights, count);                                \
  }                                                                                                                      \
  attribute int64_t cut_folded_##isa(const float* x, const float* w, int64_t n, const ScanFold& fold, float low,         \
                                     float high, float* high_sums, int32_t* ids, float* keys, float* weights) {          \
    return cut_folded_body(x, w, n, fold, low, high, high_sums, ids, keys, weights);                                     \
  }
#define SCAN_TABLE(isa, attribute, select)                                                                               \
  attribute float block_max_##isa(const float* x, int64_t n, float* maxima) { return block_max_body(x, n, maxima); }     \
  attribute void weights_##isa(const float* x, int64_t n, float shift, float scale, float* w) {                          \
    weights_body(x, n, shift, scale, w);                                                                                 \
  }                                                                                                                      \
  attribute double block_sum_##isa(const float* x, int64_t n, float shift, float scale, float* sums) {                   \
    return block_sum_body(x, n, shift, scale, sums);                                                                     \
  }                                                                                                                      \
  attribute double weigh_##isa(const float* x, int64_t n, float shift, float scale, float low, float* w, float* sums,    \
                               double* moment) {                                                                         \
    return weigh_body(x, n, shift, scale, low, w, sums, moment);                                                         \
  }                                                                                                                      \
  attribute void mask_##isa(float* x, int64_t n, const uint32_t* allowed) { mask_body(x, n, allowed); }                  \
  attribute int64_t count_above_##isa(const float* x, int64_t n, float v) { return count_body<false>(x, n, v); }         \
  attribute int64_t count_at_least_##isa(const float* x, int64_t n, float v) { return count_body<true>(x, n, v); }       \
  attribute double mass_at_least_##isa(const float* keys, const float* mass, int64_t n, float v) {                       \
    return mass_at_least_body(keys, mass, n, v);                                                                         \
  }                                                                                                                      \
  constexpr ScanKernels kTable_##isa = {.name = #isa,                                                                    \
                                        .block_max = block_max_##isa,                                                    \
                                        .weights = weights_##isa,                                                        \
                                        .block_sum = block_sum_##isa,                                                    \
                                        .weigh = weigh_##isa,                                                            \
                                        .cut = cut_##select,                                                             \
                                        .cut_folded = cut_folded_##select,                                               \
                                        .mask = mask_##isa,                                                              \
                                        .count_above = count_above_##isa,                                                \
                                        .count_at_least = count_at_least_##isa,                                          \
                                        .mass_at_least = mass_at_least_##isa,                                            \
                                        .collect = collect_##select,                                                     \
                                        .compact = compact_##select};

SCAN_SELECT(portable, )
SCAN_TABLE(portable, , portable)
#if defined(__x86_64__)
#define SCAN_AVX2 __attribute__((target("avx2,fma")))
SCAN_SELECT(avx2, SCAN_AVX2)
SCAN_TABLE(avx2, SCAN_AVX2, avx2)
SCAN_TABLE(avx512, SCAN_AVX512, packed)
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
