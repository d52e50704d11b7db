// Passes over a row that select: counting, masking, collecting and cuts. See sampler_lanes.h.
#include "engine/sampler_lanes.h"
#include "engine/sampler_scan_parts.h"

namespace mainspring {

namespace {

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

// Which lanes are chosen cannot be predicted, so nothing branches on it but for a whole block of kScanBlock.
template <class Bits>
SCAN_INLINE uint64_t bits_of_block(const Ints& a, const Ints& b, const Ints& c, const Ints& d) {
  return static_cast<uint64_t>(Bits::of(a)) | static_cast<uint64_t>(Bits::of(b)) << 16 |
         static_cast<uint64_t>(Bits::of(c)) << 32 | static_cast<uint64_t>(Bits::of(d)) << 48;
}
SCAN_INLINE Ints within(const Floats& x, float low, float high) { return (x >= splat(low)) & (x < splat(high)); }

template <class Bits>
SCAN_INLINE uint64_t bits_within(const float* x, float low, float high) {
  return bits_of_block<Bits>(within(load(x), low, high), within(load(x + 16), low, high), within(load(x + 32), low, high),
                             within(load(x + 48), low, high));
}
template <class Bits>
SCAN_INLINE int64_t collect_body(const float* x, int64_t n, float low, float high, int32_t first_id, int32_t* ids,
                                 float* values) {
  constexpr int64_t kWords = 4;
  int64_t count = 0, at = 0;
  for (; at + kWords * kScanBlock <= n; at += kWords * kScanBlock) {
    uint64_t words[kWords];
    for (int64_t w = 0; w < kWords; ++w) words[w] = bits_within<Bits>(x + at + w * kScanBlock, low, high);
    if ((words[0] | words[1] | words[2] | words[3]) == 0) continue;
    count = Bits::list(words, kWords, static_cast<int32_t>(first_id + at), ids, count);
  }
  for (; at < n; at += kScanBlock) {
    Tail<kScanBlock> t;
    fill_tail(t, x + at, n - at);
    uint64_t word = bits_within<Bits>(t.x, low, high);
    if (n - at < kScanBlock) word &= (uint64_t{1} << (n - at)) - 1;
    count = BitsPortable::list(&word, 1, static_cast<int32_t>(first_id + at), ids, count);
  }
  for (int64_t i = 0; i < count; ++i) values[i] = x[ids[i] - first_id];
  return count;
}

// What the two kinds of cut do differently: how near a logit is, its weight, and whether its sum is asked for.
struct CutByLogit {
  Exponential e;
  SCAN_MEMBER Floats key(const Floats& x) const { return x; }
  SCAN_MEMBER Weight weight(const Floats& x, const float*) const { return weight_of(x, e); }
  SCAN_MEMBER Floats add(const Weight& w, const Floats& sum) const { return add_weight(w, sum); }
  // Two choices and not one of both masks: gcc 12 fails on that with AVX-512.
  SCAN_MEMBER Floats add_where(const Ints& where, const Weight& w, const Floats& sum) const {
    return where ? add_weight(w, sum) : sum;
  }
};
struct CutFolded {
  ScanFold fold;
  SCAN_MEMBER Floats key(const Floats& x) const {
    const Floats d = (x - splat(fold.shift)) * splat(fold.scale) - splat(fold.centre);
    return reinterpret_cast<Floats>(reinterpret_cast<Ints>(d) | INT32_MIN);  // the sign set
  }
  SCAN_MEMBER Floats weight(const Floats&, const float* w) const { return load(w); }
  SCAN_MEMBER Floats add(const Floats&, const Floats& sum) const { return sum; }  // the caller knows the sum of all
  SCAN_MEMBER Floats add_where(const Ints& where, const Floats& w, const Floats& sum) const {
    return sum + (where ? w : splat(0.0f));
  }
};

// One block of kSumBlock: returns its mass, writes that of the keys >= high, and a bit for each in the band.
template <class Bits, class Rule>
SCAN_INLINE float cut_block(const Rule& rule, const float* x, const float* w, float low, float high, float* high_sum,
                            uint64_t* words) {
  Lanes4 all, above;
  for (int64_t i = 0; i < kSumBlock; i += kScanBlock) {
    Ints chosen[4];
    for (int v = 0; v < 4; ++v) {
      const Floats value = load(x + i + v * kLanes), key = rule.key(value);
      const auto weight = rule.weight(value, w + i + v * kLanes);
      all.v[v] = rule.add(weight, all.v[v]);
      above.v[v] = rule.add_where(key >= splat(high), weight, above.v[v]);
      chosen[v] = within(key, low, high);
    }
    words[i / kScanBlock] = bits_of_block<Bits>(chosen[0], chosen[1], chosen[2], chosen[3]);
  }
  *high_sum = above.total();
  return all.total();
}
template <class Bits, class Rule>
SCAN_INLINE double cut_body(const Rule& rule, const float* x, const float* w, int64_t n, float low, float high,
                            float* high_sums, int32_t* ids, int64_t* count) {
  constexpr int64_t kWords = kSumBlock / kScanBlock;
  Total total;
  uint64_t words[kWords];
  int64_t b = 0, listed = 0;
  for (; (b + 1) * kSumBlock <= n; ++b) {
    const int64_t at = b * kSumBlock;
    total.add(b, cut_block<Bits>(rule, x + at, w + at, low, high, high_sums + b, words));
    listed = Bits::list(words, kWords, static_cast<int32_t>(at), ids, listed);
  }
  if (const int64_t at = b * kSumBlock, left = n - at; left > 0) {
    Tail<kSumBlock> t, weights;
    fill_tail(t, x + at, left);
    fill_tail(weights, w + at, left, 0.0f);
    total.add(b, cut_block<Bits>(rule, t.x, weights.x, low, high, high_sums + b, words));
    for (int64_t i = 0; i < kWords; ++i) {
      const int64_t own = left - i * kScanBlock;
      if (own < kScanBlock) words[i] &= own <= 0 ? 0 : (uint64_t{1} << own) - 1;
    }
    listed = BitsPortable::list(words, kWords, static_cast<int32_t>(at), ids, listed);
  }
  *count = listed;
  return total.get();
}

// Storing first and then advancing or not has no branch to mispredict.
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
// AVX-512 can pack the selected lanes; stores have exactly as many lanes as there are entries.
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

}  // namespace

#define SCAN_SELECTIONS(isa, attribute, Bits)                                                                          \
  namespace {                                                                                                          \
  attribute int64_t collect_##isa(const float* x, int64_t n, float low, float high, int32_t first_id, int32_t* ids,    \
                                  float* values) {                                                                     \
    return collect_body<Bits>(x, n, low, high, first_id, ids, values);                                                 \
  }                                                                                                                    \
  attribute double cut_##isa(const float* x, int64_t n, float shift, float scale, float low, float high,               \
                             float* high_sums, int32_t* ids, int64_t* count) {                                         \
    const CutByLogit rule{Exponential::of(shift, scale)};                                                              \
    return cut_body<Bits>(rule, x, x, n, low, high, high_sums, ids, count);                                            \
  }                                                                                                                    \
  attribute int64_t cut_folded_##isa(const float* x, const float* w, int64_t n, const ScanFold& fold, float low,       \
                                     float high, float* high_sums, int32_t* ids) {                                     \
    int64_t count = 0;                                                                                                 \
    cut_body<Bits>(CutFolded{fold}, x, w, n, low, high, high_sums, ids, &count);                                       \
    return count;                                                                                                      \
  }                                                                                                                    \
  attribute void mask_##isa(float* x, int64_t n, const uint32_t* allowed) { mask_body(x, n, allowed); }                \
  attribute int64_t count_above_##isa(const float* x, int64_t n, float v) { return count_body<false>(x, n, v); }       \
  attribute int64_t count_at_least_##isa(const float* x, int64_t n, float v) { return count_body<true>(x, n, v); }     \
  attribute double mass_at_least_##isa(const float* keys, const float* mass, int64_t n, float v) {                     \
    return mass_at_least_body(keys, mass, n, v);                                                                       \
  }                                                                                                                    \
  }                                                                                                                    \
  void set_selections_##isa(ScanKernels& k) noexcept {                                                                 \
    k.collect = collect_##isa;                                                                                         \
    k.cut = cut_##isa;                                                                                                 \
    k.cut_folded = cut_folded_##isa;                                                                                   \
    k.mask = mask_##isa;                                                                                               \
    k.count_above = count_above_##isa;                                                                                 \
    k.count_at_least = count_at_least_##isa;                                                                           \
    k.mass_at_least = mass_at_least_##isa;                                                                             \
    k.compact = compact_##isa;                                                                                         \
  }

namespace {
int64_t compact_portable(const float* keys, int64_t n, float low, int32_t* ids, float* a, float* b) {
  return compact_scalar(keys, 0, n, low, ids, a, b, 0);
}
#if defined(__x86_64__)
constexpr auto compact_avx2 = compact_portable;
constexpr auto compact_avx512 = compact_packed;
#endif
}  // namespace

SCAN_SELECTIONS(portable, , BitsPortable)
#if defined(__x86_64__)
SCAN_SELECTIONS(avx2, SCAN_AVX2, BitsAvx2)
SCAN_SELECTIONS(avx512, SCAN_AVX512, BitsAvx512)
#endif

}  // namespace mainspring
